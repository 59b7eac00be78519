"""`pipelinekit pipelines`: the published pipelines of a workspace."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli.calls import add_call_arguments, call_words, parameter_rows, run_rows, say_called, say_difference
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.wire.publishing import published_document
from pipelinekit.wire.runs import run_document
from pipelinekit.workspace.published_pipelines import PublishedPipelineHandle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `pipelines`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=False))


def _pipeline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", metavar="ID", help="the published pipeline's id, or the beginning of it")


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="only those published under this name")
    parser.add_argument("--all", action="store_true", help="disabled ones, too")


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = services.published_pipelines.list(name=arguments.name, active_only=not arguments.all)
    if arguments.json:
        print_json({"pipelines": [published_document(item.record) for item in found]})
        return 0
    rows = [
        (item.id, item.name, item.record.version, str(item.status), time_text(item.record.created_at)) for item in found
    ]
    print(table(rows, ("pipeline", "name", "version", "status", "published")) if rows else "no published pipelines")
    return 0


def _show(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.published_pipelines.get(arguments.pipeline)
    document = handle.document()
    if arguments.json:
        print_json(document)
        return 0
    record, told = handle.record, handle.record.details
    git = told.get("git", {})
    rows = [
        ("published pipeline", record.id),
        ("name", record.name),
        ("status", str(record.status)),
        *([("version", record.version)] if record.version else []),
        *([("description", record.description)] if record.description else []),
        ("published", f"{time_text(record.created_at)} by {told.get('user', 'somebody')} on {told.get('host', '')}"),
        *([("from", _source(told))] if {"run", "draft", "root"} & told.keys() else []),
        *([("commit", str(git.get("commit", "")))] if git else []),
        ("steps", str(document["steps"])),
        ("compute", record.options.compute),
        *((f"  {key}", value) for key, value in record.tags.items()),
    ]
    print(table(rows))
    print(parameter_rows(document["parameters"]))
    return 0


def _source(told: Mapping[str, Any]) -> str:
    """What it was published from."""
    kind = next((noun for noun in ("run", "draft") if noun in told), "")
    return f"{kind} {told[kind]}" if kind else str(told["root"])


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    _pipeline(parser)
    add_call_arguments(parser)


def _submit(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.published_pipelines.get(arguments.pipeline)
    return say_called(arguments, handle.submit(**call_words(arguments, handle.parameters)))


def _runs(arguments: argparse.Namespace, services: Services) -> int:
    found = services.published_pipelines.get(arguments.pipeline).runs()
    print_json({"runs": [run_document(run.record) for run in found]}) if arguments.json else print(run_rows(found))
    return 0


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="ID", help="the one published pipeline")
    parser.add_argument("after", metavar="ID", help="the other")


def _diff(arguments: argparse.Namespace, services: Services) -> int:
    found = services.published_pipelines.diff(arguments.before, arguments.after)
    return say_difference(found, as_json=arguments.json)


def _describe_arguments(parser: argparse.ArgumentParser) -> None:
    _pipeline(parser)
    parser.add_argument("description", metavar="TEXT", help="what it is")


def _describe(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.published_pipelines.get(arguments.pipeline)
    handle.describe(arguments.description)
    return _say(arguments, handle, "is described anew")


def _enable(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.published_pipelines.get(arguments.pipeline)
    handle.enable()
    return _say(arguments, handle, "may be called")


def _disable(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.published_pipelines.get(arguments.pipeline)
    handle.disable()
    return _say(arguments, handle, "is disabled: calls are refused")


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.published_pipelines.get(arguments.pipeline)
    services.published_pipelines.delete(handle.id)
    return _say(arguments, handle, "is deleted; its runs stay")


def _say(arguments: argparse.Namespace, handle: PublishedPipelineHandle, words: str) -> int:
    if arguments.json:
        print_json(published_document(handle.record))
    else:
        print(f"published pipeline {handle.id} ({handle.name}) {words}")
    return 0


VERBS: dict[str, Verb] = {
    "list": ("those that may be called", _list_arguments, _list),
    "show": ("one of them, with its parameters", _pipeline, _show),
    "submit": ("have a run of it driven, and say the run's id at once", _submit_arguments, _submit),
    "runs": ("its runs", _pipeline, _runs),
    "diff": ("in what two of them differ: steps, parameters, files", _diff_arguments, _diff),
    "describe": ("change its description", _describe_arguments, _describe),
    "enable": ("have it called again", _pipeline, _enable),
    "disable": ("refuse calls of it", _pipeline, _disable),
    "delete": ("forget it; not while an endpoint has it", _pipeline, _delete),
}
