"""`pipelinekit pipeline-endpoints`: names under which versions of published pipelines are called."""

from __future__ import annotations

import argparse

from pipelinekit.bootstrap import Services
from pipelinekit.cli.calls import add_call_arguments, call_words, parameter_rows, run_rows, say_called, say_difference
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.pipeline_endpoints import EndpointVersion
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.wire.publishing import endpoint_document
from pipelinekit.wire.runs import run_document
from pipelinekit.workspace.pipeline_endpoints import PipelineEndpointHandle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `pipeline-endpoints`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=False))


def _endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("endpoint", metavar="NAME", help="the endpoint's name, or its id")


def _described(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--description", metavar="TEXT", help="what it is")
    parser.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="a tag; may be given often")
    parser.add_argument(
        "--proven",
        action=argparse.BooleanOptionalAction,
        help="a version becomes the default only after a run of it has completed",
    )


def _tags(arguments: argparse.Namespace) -> dict[str, str] | None:
    return None if arguments.tag is None else {key: value or "" for key, value in map(parse_tag, arguments.tag)}


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    parser.add_argument("pipeline", metavar="ID", help="the published pipeline that is its version 0")
    _described(parser)


def _create(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.create(
        arguments.endpoint,
        arguments.pipeline,
        description=arguments.description or "",
        tags=_tags(arguments),
        proven=bool(arguments.proven),
    )
    return _say(arguments, handle, "is made; its version 0 is the default")


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="disabled and archived ones, too")


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = services.pipeline_endpoints.list(active_only=not arguments.all)
    if arguments.json:
        print_json({"pipeline_endpoints": [endpoint_document(item.record) for item in found]})
        return 0
    rows = [
        (
            item.name,
            str(item.status),
            str(item.default_version),
            str(len(item.versions)),
            time_text(item.record.updated_at),
        )
        for item in found
    ]
    print(table(rows, ("endpoint", "status", "default", "versions", "changed")) if rows else "no pipeline endpoints")
    return 0


def _show(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    record = handle.record
    described = handle.pipeline().document()["parameters"]
    if arguments.json:
        print_json({**endpoint_document(record), "parameters": described})
        return 0
    rows = [
        ("pipeline endpoint", record.name),
        ("id", record.id),
        ("status", str(record.status)),
        *([("description", record.description)] if record.description else []),
        *([("default", "only after a run of the version has completed")] if record.proven else []),
        *((f"  {key}", value) for key, value in record.tags.items()),
    ]
    print(table(rows))
    print(_versions_table(handle))
    print(parameter_rows(described))
    return 0


def _versions_table(handle: PipelineEndpointHandle) -> str:
    def row(version: EndpointVersion) -> tuple[str, ...]:
        pipeline = handle.pipeline(version.number).record
        mark = "default" if version.number == handle.default_version else ""
        words = (pipeline.id, pipeline.name, pipeline.version, str(pipeline.status))
        return str(version.number), mark, *words, time_text(version.added_at), version.added_by

    header = ("version", "", "pipeline", "name", "its version", "status", "added", "by")
    return table([row(version) for version in handle.versions], header)


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    parser.add_argument("--version", type=int, metavar="NUMBER", help="the version to call; the default")
    add_call_arguments(parser)


def _submit(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    words = call_words(arguments, handle.pipeline(arguments.version).parameters)
    return say_called(arguments, handle.submit(version=arguments.version, **words))


def _runs_arguments(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    parser.add_argument("--version", type=int, metavar="NUMBER", help="only those of this version")


def _runs(arguments: argparse.Namespace, services: Services) -> int:
    found = services.pipeline_endpoints.get(arguments.endpoint).runs(version=arguments.version)
    print_json({"runs": [run_document(run.record) for run in found]}) if arguments.json else print(run_rows(found))
    return 0


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    parser.add_argument("before", type=int, metavar="NUMBER", help="the one version")
    parser.add_argument("after", type=int, nargs="?", metavar="NUMBER", help="the other; the default version")


def _diff(arguments: argparse.Namespace, services: Services) -> int:
    found = services.pipeline_endpoints.get(arguments.endpoint).diff(arguments.before, arguments.after)
    return say_difference(found, as_json=arguments.json)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    parser.add_argument("pipeline", metavar="ID", help="the published pipeline")
    parser.add_argument("--default", action="store_true", help="make it the default")


def _add(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    version = handle.add_version(arguments.pipeline, default=arguments.default)
    return _say(arguments, handle, f"has a version {version.number}; its default is {handle.default_version}")


def _default_arguments(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    parser.add_argument("version", type=int, metavar="NUMBER", help="the version that calls mean which name none")


def _set_default(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    handle.set_default(arguments.version)
    return _say(arguments, handle, f"calls its version {arguments.version} by default")


def _update_arguments(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    _described(parser)


def _update(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    handle.update(description=arguments.description, tags=_tags(arguments), proven=arguments.proven)
    return _say(arguments, handle, "is changed")


def _enable(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    handle.enable()
    return _say(arguments, handle, "may be called")


def _disable(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    handle.disable()
    return _say(arguments, handle, "is disabled: calls are refused")


def _archive(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    handle.archive()
    return _say(arguments, handle, f"is archived as {handle.id}; others may have its name")


def _reactivate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("endpoint", metavar="ID", help="the archived endpoint's id")
    parser.add_argument("--name", default="", help="a new name; its old one, if that is free")


def _reactivate(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    handle.reactivate(arguments.name)
    return _say(arguments, handle, "may be called")


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_endpoints.get(arguments.endpoint)
    services.pipeline_endpoints.delete(handle.id)
    return _say(arguments, handle, "is deleted; its pipelines stay published")


def _say(arguments: argparse.Namespace, handle: PipelineEndpointHandle, words: str) -> int:
    if arguments.json:
        print_json(endpoint_document(handle.record))
    else:
        print(f"pipeline endpoint {handle.name!r} {words}")
    return 0


VERBS: dict[str, Verb] = {
    "create": ("make an endpoint for a published pipeline", _create_arguments, _create),
    "list": ("those that may be called", _list_arguments, _list),
    "show": ("one of them, with its versions and parameters", _endpoint, _show),
    "submit": ("call it: have a run driven, and say the run's id at once", _submit_arguments, _submit),
    "runs": ("its runs", _runs_arguments, _runs),
    "diff": ("in what two versions differ: steps, parameters, files", _diff_arguments, _diff),
    "add-version": ("add a published pipeline as a further version", _add_arguments, _add),
    "set-default": ("which version calls mean that name none", _default_arguments, _set_default),
    "update": ("change its description, tags or rule", _update_arguments, _update),
    "enable": ("have it called again", _endpoint, _enable),
    "disable": ("refuse calls of it", _endpoint, _disable),
    "archive": ("refuse calls of it, and let others have its name", _endpoint, _archive),
    "reactivate": ("use an archived one again", _reactivate_arguments, _reactivate),
    "delete": ("forget it; its pipelines stay published", _endpoint, _delete),
}
