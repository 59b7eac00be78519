"""`pipelinekit experiments`: list, show, tag, describe, update, archive, reactivate, delete."""

from __future__ import annotations

import argparse
from typing import Any

from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.domain.experiments import Experiment, with_tags
from pipelinekit.domain.metrics import check_text
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.texts import counted
from pipelinekit.ports.facts import ExperimentRecords
from pipelinekit.wire.experiments import experiment_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `experiments`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = _verb(verbs, "list", "experiments, those with the newest runs first")
    listing.add_argument("--archived", action="store_true", help="those that were archived")
    listing.add_argument("--all", action="store_true", help="those that were archived too")
    listing.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="only with this tag; again for more")
    _verb(verbs, "show", "an experiment", named=True)
    tag = _verb(verbs, "tag", "set or remove tags of an experiment, or show them", named=True)
    tag.add_argument("--set", dest="tags", action="append", metavar="KEY[=VALUE]", help="set a tag; again for more")
    tag.add_argument("--remove", action="append", metavar="KEY", help="remove a tag; again for more")
    describe = _verb(verbs, "describe", "say what an experiment is for", named=True)
    describe.add_argument("description", metavar="TEXT")
    update = _verb(verbs, "update", "change what may change of an experiment", named=True)
    update.add_argument(
        "--max-runs",
        type=int,
        required=True,
        metavar="COUNT",
        help="runs that may be under way at once; 0 for no limit",
    )
    _verb(verbs, "archive", "leave an experiment out of lists, until a new run of it", named=True)
    _verb(verbs, "reactivate", "have an experiment in lists again", named=True)
    _verb(verbs, "delete", "delete an experiment that has no runs", named=True)


def _verb(verbs: Any, name: str, text: str, *, named: bool = False) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    if named:
        parser.add_argument("name", metavar="EXPERIMENT")
    return parser


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    records = open_services(create=False).experiments
    if arguments.verb == "list":
        return _list(arguments, records)
    name = arguments.name
    if arguments.verb == "tag":
        records.set_tags(name, dict(check_text("tag", *parse_tag(text)) for text in arguments.tags or ()))
        records.remove_tags(name, arguments.remove or ())
    elif arguments.verb == "describe":
        records.describe(name, arguments.description)
    elif arguments.verb == "update":
        records.limit(name, arguments.max_runs)
    elif arguments.verb in ("archive", "reactivate"):
        records.archive(name, archived=arguments.verb == "archive")
    elif arguments.verb == "delete":
        records.delete(name)
        print_json({"deleted": name}) if arguments.json else print(f"experiment {name} is deleted")
        return 0
    return _show(arguments, records.get(name))


def _list(arguments: argparse.Namespace, records: ExperimentRecords) -> int:
    found = records.list(archived=None if arguments.all else arguments.archived)
    found = with_tags(found, dict(map(parse_tag, arguments.tag or ())))
    if arguments.json:
        print_json({"experiments": [experiment_document(item) for item in found]})
        return 0
    rows = [
        (item.name, str(item.runs), time_text(item.newest), "archived" if item.archived_at else "", _tags(item))
        for item in found
    ]
    print(table(rows, ("experiment", "runs", "newest", "", "tags")) if rows else "no experiments")
    return 0


def _show(arguments: argparse.Namespace, experiment: Experiment) -> int:
    if arguments.json:
        print_json(experiment_document(experiment))
        return 0
    rows = [
        ("experiment", experiment.name),
        ("runs", f"{experiment.runs}, the newest {time_text(experiment.newest)}"),
        *([("at once", f"at most {counted(experiment.max_runs, 'run')}")] if experiment.max_runs else []),
        ("created", time_text(experiment.created_at)),
        ("archived", time_text(experiment.archived_at)),
        ("description", experiment.description or "-"),
        ("tags", _tags(experiment) or "-"),
    ]
    print(table(rows))
    return 0


def _tags(experiment: Experiment) -> str:
    return ", ".join(f"{key}={value}" if value else key for key, value in experiment.tags.items())
