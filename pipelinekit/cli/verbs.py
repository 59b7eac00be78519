"""Groups of commands that are a table of verbs: what each is for, its arguments, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from pipelinekit.bootstrap import Services

Verb = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace, Services], int]]


def add_verbs(parser: argparse.ArgumentParser, table: Mapping[str, Verb]) -> None:
    """Have a group's parser know its verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (text, add, _) in table.items():
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--json", action="store_true", help="one JSON document on standard output")
        add(verb)
