"""Parameters from the command line: `-p name=value`, read by the type that the pipeline declares."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pipelinekit.domain.parameters import Parameter, read_values
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.types import parse_text
from pipelinekit.errors import UsageError
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.workspace.inputs import place_paths

if TYPE_CHECKING:
    import argparse


def add_parameter_arguments(
    parser: argparse.ArgumentParser,
    metavar: str = "FILE[:PIPELINE]",
    target: str = "a Python file, with the pipeline's name if it has several; or graph.json",
    document: str = "one JSON document on standard output",
) -> None:
    """What every command has that takes a pipeline; the texts say what this one makes of it."""
    parser.add_argument("target", metavar=metavar, help=target)
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the pipeline; lists and dicts as JSON, 'null' for none, files by path, "
        "dataset:NAME[@VERSION], datastore:NAME/PATH",
    )
    parser.add_argument("--json", action="store_true", help=document)


def add_queue_arguments(parser: argparse.ArgumentParser) -> None:
    """What is said of how long a run waits, and before whom it goes."""
    parser.add_argument(
        "--priority", type=int, metavar="NUMBER", help="of runs that wait, one with a higher priority goes first; 0"
    )
    parser.add_argument(
        "--max-queue-duration",
        metavar="TIME",
        help="cancel the run when it has waited so long for its turn: '90s', '2h'",
    )


def queue_seconds(arguments: argparse.Namespace) -> float | None:
    """How long the run may wait, where that is said."""
    return None if arguments.max_queue_duration is None else parse_duration(arguments.max_queue_duration)


def split_parameters(texts: Sequence[str]) -> dict[str, str]:
    """Names and texts of `NAME=VALUE` words."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"parameter {text!r} has no value", hint="write it as NAME=VALUE")
        if name in found:
            raise UsageError(f"parameter {name!r} is given twice")
        found[name] = value
    return found


def parse_parameters(parameters: Sequence[Parameter], texts: dict[str, str]) -> dict[str, Any]:
    """The values that texts stand for. Raises ParameterError naming everything that does not fit."""
    return read_values(parameters, texts, lambda kind, text: place_paths(parse_text(kind, text), kind, Path.cwd()))


def keep_target(words: list[str]) -> list[str]:
    """Words in which a file right after `--regenerate` is the pipeline's, not a step pattern."""
    return [
        "--regenerate=*" if word == "--regenerate" and os.path.isfile(following.partition(":")[0]) else word
        for word, following in zip(words, [*words[1:], ""], strict=False)
    ]
