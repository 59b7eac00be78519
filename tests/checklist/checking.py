"""Rows of the checklist, and what holds them to it.

A row is one thing that users of such a workspace look for. It names the tests that prove it through the public API and
the commands that reach it, or says in a sentence what there is instead, and why.
"""

import argparse
import ast
import contextlib
import functools
import importlib
import io
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipelinekit.cli.main import COMMANDS

TESTS = Path(__file__).parents[1]
SHORTEST_REASON = 40  # characters: less is no reason


@dataclass(frozen=True)
class Row:
    """One row: number and name of its section, and its own title.

    `tests` are named by file and function: `checklist/test_runs_metrics.py::test_tables`. `commands` are written as a
    user writes them, without the program's name and `--json`: `runs list --tag best`. `instead` is a sentence; beside
    tests and commands it says which part of the row is decided otherwise.
    """

    section: str
    title: str
    tests: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    instead: str = ""


@dataclass(frozen=True)
class Promise:
    """A fault or an attack, what holds then, and the tests that inject it; or what there is instead, and why."""

    fault: str
    holds: str = ""
    tests: tuple[str, ...] = ()
    instead: str = ""


def faults_of_promises(promises):
    """Everything that is wrong with a table of promises, as texts."""
    counts = Counter(promise.fault for promise in promises)
    found = [f"{fault}: stands there {count} times" for fault, count in counts.items() if count > 1]
    for promise in promises:
        found += [f"{promise.fault}: {fault}" for fault in _faults_of_promise(promise)]
    return found


def _faults_of_promise(promise):
    if not promise.instead and not (promise.holds and promise.tests):
        yield "needs what holds and tests that show it, or a reason why there are none"
    for said in filter(None, (promise.holds, promise.instead)):
        if len(said) < SHORTEST_REASON or not said.endswith("."):
            yield f"{said!r} is no sentence that says it"
    if len(promise.tests) != len(set(promise.tests)):
        yield "names a test twice"
    yield from _missing(promise.tests)


def faults_of(rows):
    """Everything that is wrong with a table of rows, as texts."""
    found = [f"{row}: stands there {count} times" for row, count in Counter(map(_name, rows)).items() if count > 1]
    for row in rows:
        found += [f"{_name(row)}: {fault}" for fault in _faults_of_row(row)]
    return found


def commands_of(rows):
    """Every command line that a table names, once."""
    return sorted({line for row in rows for line in row.commands})


def command_fault(line):
    """What is wrong with a command line that `--json` is added to; empty when its own parser takes it."""
    words = shlex.split(line)
    if not words or words[0] not in COMMANDS:
        return f"there is no command {line!r}"
    module = importlib.import_module(f"pipelinekit.cli.{COMMANDS[words[0]][0]}")
    parser = argparse.ArgumentParser(prog=words[0], allow_abbrev=False)
    module.add_arguments(parser)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            arguments = parser.parse_args(getattr(module, "rewrite", list)([*words[1:], "--json"]))
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1]
    return "" if arguments.json is True else f"{line!r} does not know --json"


def _name(row):
    return f"{row.section}, {row.title}"


def _faults_of_row(row):
    if not (row.section and row.title):
        yield "has no section or no title"
    if not row.instead and not (row.tests and row.commands):
        yield "needs tests and commands, or a reason why there are none"
    if row.instead and (len(row.instead) < SHORTEST_REASON or not row.instead.endswith(".")):
        yield f"{row.instead!r} is no sentence that says why"
    yield from _missing(row.tests)


def _missing(tests):
    for test in tests:
        file, _, function = test.partition("::")
        if not (TESTS / file).is_file() or function not in _functions(TESTS / file):
            yield f"there is no test {test}"


@functools.cache
def _functions(file):
    """The tests of a file, by name; those of its classes, too."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    found = [node.name for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    return {name for name in found if name.startswith("test_")}
