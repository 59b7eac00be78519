"""`pipelinekit workspace`: where things are kept, and moving the records to another place."""

from __future__ import annotations

import argparse

from pipelinekit.bootstrap import RECORDS_FILE, Services, open_services
from pipelinekit.cli.output import print_json, table
from pipelinekit.domain.texts import counted
from pipelinekit.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `workspace`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, text in (
        ("show", "where the workspace keeps things, and how much"),
        ("move", "move what the workspace keeps to another place, all in one go"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--json", action="store_true", help="one JSON document on standard output")
        if name == "move":
            verb.add_argument(
                "--records",
                metavar="WHERE",
                help="move all records: to postgresql://USER@HOST/DATABASE, or with 'file' back into the workspace",
            )


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    services = open_services(create=False)
    return {"show": _show, "move": _move}[arguments.verb](arguments, services)


def _show(arguments: argparse.Namespace, services: Services) -> int:
    experiments = services.experiments.list(archived=None)
    runs = sum(experiment.runs for experiment in experiments)
    records = services.settings.records or str(services.home / RECORDS_FILE)
    if arguments.json:
        found = {"workspace": str(services.folder), "records": records, "blobs": str(services.home / "blobs")}
        print_json({**found, "experiments": len(experiments), "runs": runs})
        return 0
    rows = [
        ("workspace", str(services.folder)),
        ("records", f"{records}  ({counted(runs, 'run')} in {counted(len(experiments), 'experiment')})"),
        ("blobs", str(services.home / "blobs")),
    ]
    print(table(rows))
    return 0


def _move(arguments: argparse.Namespace, services: Services) -> int:
    if not arguments.records:
        raise UsageError("nothing to move", hint="say where to: --records postgresql://USER@HOST/DATABASE")
    done = services.move_records(arguments.records)
    if arguments.json:
        print_json({"from": done.origin, "to": done.target, "kept": done.kept, "rows": done.rows})
        return 0
    print(f"moved all records from {done.origin}\n                  to {done.target}\n")
    print(table([(f"  {name}", str(count)) for name, count in done.rows.items() if count], ("  table", "rows")))
    print(f"\nevery row was read back and compared; the old records are kept at {done.kept}")
    return 0
