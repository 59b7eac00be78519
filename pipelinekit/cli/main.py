"""Entry of the command line. The module of a command is imported when that command is given."""

from __future__ import annotations

import atexit
import errno
import functools
import gc
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import pipelinekit
from pipelinekit.cli.words import read_words
from pipelinekit.errors import FaultyError, NotFoundError, PipelinekitError, RunFailedError, UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import argparse
    import difflib

    from pipelinekit.cli import output, parsing
else:
    argparse = late("argparse")  # evident words are read without
    difflib = late("difflib")
    output = late("pipelinekit.cli.output")
    parsing = late("pipelinekit.cli.parsing")

# command -> module, help; a module has `add_arguments(parser)` and `execute(arguments) -> exit code`, and may have
# `rewrite(words) -> words`, called before its words are parsed
COMMANDS = {
    "run": ("run", "run a pipeline, reusing every step whose code, software and inputs did not change"),
    "plan": ("plan", "say what a run would do, and why; starts nothing"),
    "explain": ("explain", "say why each step of a run ran or was reused"),
    "runs": ("runs", "list, show, logs, outputs, metrics, compare, tag, cancel, resume, verify and more"),
    "experiments": ("experiments", "list, show, tag, describe, archive, reactivate, delete"),
    "graph": ("graph", "draw a pipeline or a run: text, SVG or HTML"),
    "compile": ("compile", "compile a pipeline to a document that can be submitted later"),
    "publish": ("publish", "keep a pipeline with its code and data, so that it runs without its source"),
    "pipelines": ("pipelines", "list, show, submit, runs, describe, enable, disable, delete: published pipelines"),
    "pipeline-endpoints": ("pipeline_endpoints", "create, list, show, submit, runs, add-version, set-default and more"),
    "pipeline-drafts": ("pipeline_drafts", "create, list, show, update, submit, runs, publish, clone, delete"),
    "schedules": ("schedules", "create, load, list, show, history, preview, enable, run-now, backfill, run and more"),
    "webhooks": (
        "webhooks",
        "create, list, show, update, deliveries, redeliver, test, enable, disable, rotate-secret and more",
    ),
    "datasets": ("datasets", "register, list, show, update, unregister, check, download, lineage"),
    "datastores": ("datastores", "register, list, show, unregister, set-default, files, upload, copy, download"),
    "serve": ("serve", "a workspace over HTTP; queued runs are driven, schedules fire, what dead drivers left goes on"),
    "computes": ("computes", "create, attach, list, show, nodes, wait, start, stop, update, delete, detach"),
    "gc": ("gc", "remove what nothing refers to, and what a policy lets go; --dry-run only says what"),
    "fsck": ("fsck", "check records and store; --repair mends what can be mended"),
    "reuse": ("reuse", "what reuse saved, and why steps ran"),
    "environments": ("environments", "register, list, show, lock, build, clone, delete"),
    "snapshots": ("snapshots", "show, download, preview: the source folders that runs keep"),
    "workspace": ("workspace", "create, show, move its records or blobs, delete"),
    "secrets": ("secrets", "set, list and delete secrets that steps are given by name; values are never shown"),
    "tokens": ("tokens", "create, list and revoke access tokens; who did what: audit"),
    "settings": ("settings", "list all settings with their values and where they come from"),
}

AT_SERVERS = frozenset(
    ("run", "plan", "publish", "runs", "explain", "experiments", "graph", "pipelines", "pipeline-endpoints",
     "schedules", "datasets", "datastores", "computes", "reuse", "environments", "snapshots", "secrets", "tokens",
     "settings", "webhooks", "pipeline-drafts", "fsck", "gc")
)  # fmt: skip

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CANCELED = 130
FULL = (errno.ENOSPC, errno.EDQUOT)
GARBAGE_THRESHOLD = 100_000  # graphs are many objects that live as long as the command; they need not be looked through


def program() -> NoReturn:
    """The program `pipelinekit`: a command, and the end of the process.

    Where no other thread is left, the process ends without the interpreter taking itself apart object by object, which
    takes as long as a tenth of a run in which nothing is new.
    """
    code = main()
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - as the interpreter's own end does
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: 0 done, 1 the run failed, 2 wrong use, 130 canceled."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no error
    common, words = _take_common(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), "")
    if command not in COMMANDS:
        return guarded(lambda: _no_command(words, command), common)
    position = words.index(command)
    module = importlib.import_module(f"pipelinekit.cli.{COMMANDS[command][0]}")
    words = getattr(module, "rewrite", list)(words[:position] + words[position + 1 :])
    arguments = read_words(module.add_arguments, words) or _parser(module, command).parse_args(words)
    arguments.workspace, arguments.debug, arguments.server = common.workspace, common.debug, common.server

    def execute() -> int:
        _choose_place(arguments, command)
        code: int = module.execute(arguments)
        return code

    return guarded(execute, arguments)


def _choose_place(arguments: argparse.Namespace | SimpleNamespace, command: str) -> None:
    """Have the command work on the folder, or at the server, that is named. Raises UsageError."""
    if arguments.workspace and arguments.server:
        raise UsageError("a command works on one workspace", hint="give --workspace or --server, not both")
    if arguments.workspace:
        os.environ["PIPELINEKIT_WORKSPACE"] = os.path.abspath(arguments.workspace)
        os.environ.pop("PIPELINEKIT_SERVER", None)
    if arguments.server:
        os.environ["PIPELINEKIT_SERVER"] = arguments.server
    if os.environ.get("PIPELINEKIT_SERVER") and command not in AT_SERVERS:
        raise UsageError(
            f"'pipelinekit {command}' works beside the workspace folder, not over a server",
            hint="name the folder with --workspace, or run it on the machine that has the folder",
        )


def _parser(module: ModuleType, command: str) -> argparse.ArgumentParser:
    parser = parsing.Parser(
        prog=f"pipelinekit {command}",
        description=COMMANDS[command][1],
        allow_abbrev=False,
        formatter_class=_formatter,
    )
    parser.add_argument("--workspace", metavar="FOLDER", help="the workspace to use, instead of the nearest one upward")
    parser.add_argument("--server", metavar="URL", help="the server that has the workspace; PIPELINEKIT_TOKEN is shown")
    parser.add_argument("--debug", action="store_true", help="show tracebacks of pipelinekit's own code with errors")
    module.add_arguments(parser)
    return parser


def _take_common(words: Sequence[str]) -> tuple[SimpleNamespace, list[str]]:
    """The options that every command has, wherever they stand, and the other words."""
    common, rest = SimpleNamespace(workspace=None, debug=False, server=None), []
    coming = iter(words)
    for word in coming:
        if word == "--debug":
            common.debug = True
        elif word.startswith("--workspace="):
            common.workspace = word.partition("=")[2]
        elif word == "--workspace" and (folder := next(coming, None)) is not None:
            common.workspace = folder
        elif word.startswith("--server="):
            common.server = word.partition("=")[2]
        elif word == "--server" and (url := next(coming, None)) is not None:
            common.server = url
        else:
            rest.append(word)
    return common, rest


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Help as wide as the terminal. argparse makes one for every argument, and would look the width up each time."""
    return argparse.HelpFormatter(prog, width=_width())


@functools.cache
def _width() -> int:
    try:
        return int(os.environ["COLUMNS"]) - 2
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns - 2  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 78


def guarded(action: Callable[[], int], arguments: argparse.Namespace | SimpleNamespace) -> int:
    """Call an action; print what it raises as one message, and turn it into an exit code."""
    try:
        code = action()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_CANCELED
    except OSError as error:
        if arguments.debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        hint = "\n  hint: free space on the disk and try again" if error.errno in FULL else ""
        print(f"error: {place}{error.strerror or error}{hint}", file=sys.stderr)
        return EXIT_FAILED
    except PipelinekitError as error:
        if arguments.debug:
            raise
        output.print_error(error, as_json=getattr(arguments, "json", False))
        usage = isinstance(error, UsageError | FaultyError | NotFoundError)
        return EXIT_USAGE if usage and not isinstance(error, RunFailedError) else EXIT_FAILED


def _no_command(words: Sequence[str], command: str) -> int:
    if "--version" in words:
        print(f"pipelinekit {pipelinekit.__version__}")
        return 0
    text = _help()
    if not words or "-h" in words or "--help" in words:
        print(text)
        return 0
    what = f"there is no command {command!r}" if command else f"unknown option {words[0]!r}"
    if words[0] in ("--workspace", "--server"):
        what = f"argument {words[0]}: expected one argument"
    if near := difflib.get_close_matches(command, COMMANDS, n=2):
        what += f" (did you mean {' or '.join(near)}?)"
    print(f"pipelinekit: {what}\n\n{text}", file=sys.stderr)
    return EXIT_USAGE


def _help() -> str:
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: pipelinekit COMMAND [arguments]",
            "",
            "A machine learning workspace whose pipeline engine reuses every step that was seen before.",
            "",
            *lines,
            "",
            "'pipelinekit COMMAND --help' says more. '--json' gives one document for machines.",
        ]
    )
