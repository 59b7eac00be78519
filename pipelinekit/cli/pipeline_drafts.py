"""`pipelinekit pipeline-drafts`: pipelines that are worked on."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli import sending
from pipelinekit.cli.calls import add_call_arguments, call_words, parameter_rows, run_rows, say_called
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.parameters import parse_parameters, split_parameters
from pipelinekit.cli.publish import say_published
from pipelinekit.cli.servers import is_at_server, open_services
from pipelinekit.cli.targets import load_target, show_hints, show_warnings
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.pipeline_drafts import DRAFT, ENDPOINT, PIPELINE, RUN, DraftSource, read_source
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.errors import UsageError
from pipelinekit.wire.graphs import parse_graph
from pipelinekit.wire.pipeline_drafts import draft_document
from pipelinekit.wire.runs import run_document
from pipelinekit.workspace.pipeline_drafts import DraftWords, PipelineDraftHandle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `pipeline-drafts`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=arguments.verb == "create"))


def _draft(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("draft", metavar="ID", help="the draft's id, or the beginning of it")


def _word_arguments(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    """What may be said of a draft; `default` stands for what is not."""
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter's value; lists and dicts as JSON, 'null' for none, files by path, dataset:NAME[@VERSION]",
    )
    parser.add_argument("--name", default=default, help="what it is called")
    parser.add_argument("--description", default=default, metavar="TEXT", help="what it is")
    parser.add_argument("--experiment", default=default, help="the experiment of its runs")
    parser.add_argument("--compute", default="", help="where its steps run: local, or a target's name")
    parser.add_argument(
        "--continue-on-step-failure",
        action=argparse.BooleanOptionalAction,
        help="after a failure skip only what depends on it",
    )
    parser.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="a tag of its runs; again for more")


def _tags(arguments: argparse.Namespace) -> dict[str, str] | None:
    return {key: value or "" for key, value in map(parse_tag, arguments.tag)} if arguments.tag else None


# -- making ------------------------------------------------------------------------------------------------------------


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="FILE[:PIPELINE]|run:ID|pipeline:ID|endpoint:NAME[@VERSION]|draft:ID",
        help="what it is a copy of: a pipeline in a Python file or graph.json, a run, a published pipeline, a version "
        "of a pipeline endpoint, or another draft",
    )
    _word_arguments(parser, default="")


def _create(arguments: argparse.Namespace, services: Services) -> int:
    source = read_source(arguments.target)
    if source is None:
        made = sending.draft(arguments) if is_at_server() else _create_of_file(arguments, services)
        return _say(arguments, made, "is made")
    texts = split_parameters(arguments.parameter)
    made = services.pipeline_drafts.create(
        arguments.target,
        parameters=parse_parameters(_parameters_of(source, services), texts) if texts else {},
        name=arguments.name,
        description=arguments.description,
        experiment=arguments.experiment,
        compute=arguments.compute,
        continue_on_step_failure=arguments.continue_on_step_failure,
        tags=_tags(arguments),
    )
    return _say(arguments, made, "is made")


def _parameters_of(source: DraftSource, services: Services) -> Sequence[Parameter]:
    """The parameters of what a draft is to be a copy of."""
    if source.kind == RUN:
        digest = services.runs.get(source.name).record.graph
        texts = services.records.documents.get([digest]) if digest else {}
        return parse_graph(texts[digest], f"the graph of run {source.name}").parameters if digest in texts else ()
    if source.kind == ENDPOINT:
        return services.pipeline_endpoints.get(source.name).pipeline(source.version).parameters
    if source.kind == PIPELINE:
        return services.published_pipelines.get(source.name).parameters
    return services.pipeline_drafts.get(source.name).parameters


def _create_of_file(arguments: argparse.Namespace, services: Services) -> PipelineDraftHandle:
    target = load_target(arguments.target, arguments.parameter, services)
    show_warnings(target.warnings)
    show_hints(target)
    source = None
    if target.compilation is not None:
        target.compilation.keep(services.blobs)
        source = target.compilation.trees[0].root
    words = DraftWords(
        arguments.name,
        arguments.description,
        arguments.experiment,
        arguments.compute,
        arguments.continue_on_step_failure,
        _tags(arguments),
    )
    return services.pipeline_drafts.create_graph(
        target.graph, target.given, words, Path.cwd(), source, target.max_seconds
    )


def _clone_arguments(parser: argparse.ArgumentParser) -> None:
    _draft(parser)
    parser.add_argument("--name", default="", help="what the copy is called; as the draft")


def _clone(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_drafts.get(arguments.draft)
    return _say(arguments, handle.clone(arguments.name), f"is a copy of {handle.id}")


# -- looking -----------------------------------------------------------------------------------------------------------


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="only those of this name")


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = services.pipeline_drafts.list(name=arguments.name)
    if arguments.json:
        print_json({"pipeline_drafts": [draft_document(item.record) for item in found]})
        return 0
    rows = [
        (
            item.id,
            item.name,
            str(item.version),
            _copied(item.record.source, item.record.details),
            time_text(item.record.updated_at),
        )
        for item in found
    ]
    print(table(rows, ("draft", "name", "version", "copy of", "changed")) if rows else "no pipeline drafts")
    return 0


def _show(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_drafts.get(arguments.draft)
    document = handle.document()
    if arguments.json:
        print_json(document)
        return 0
    record, told = handle.record, handle.record.details
    git = told.get("git", {})
    rows = [
        ("pipeline draft", record.id),
        ("name", record.name),
        ("version", str(record.version)),
        *([("description", record.description)] if record.description else []),
        ("experiment", record.experiment),
        ("made", f"{time_text(record.created_at)} by {told.get('user', 'somebody')} on {told.get('host', '')}"),
        ("copy of", _copied(record.source, told)),
        *([("commit", str(git.get("commit", "")))] if git else []),
        ("changed", time_text(record.updated_at)),
        ("steps", str(document["steps"])),
        ("compute", record.options.compute),
        *([("after a failure", "goes on")] if record.options.continue_on_step_failure else []),
        *((f"  {key}", value) for key, value in record.tags.items()),
        ("last run", document["last_run"] or "none"),
    ]
    print(table(rows))
    print(parameter_rows(document["parameters"]))
    return 0


def _copied(source: Mapping[str, str], told: Mapping[str, Any]) -> str:
    """What a draft is a copy of."""
    if ENDPOINT in source:
        return f"version {source['endpoint_version']} of {source[ENDPOINT]!r}"
    kind = next((noun for noun in (RUN, PIPELINE, DRAFT) if noun in source), "")
    return f"{kind} {source[kind]}" if kind else str(told.get("root", "a file"))


def _runs(arguments: argparse.Namespace, services: Services) -> int:
    found = services.pipeline_drafts.get(arguments.draft).runs()
    print_json({"runs": [run_document(run.record) for run in found]}) if arguments.json else print(run_rows(found))
    return 0


# -- changing and using ------------------------------------------------------------------------------------------------


def _update_arguments(parser: argparse.ArgumentParser) -> None:
    _draft(parser)
    _word_arguments(parser, default=None)
    parser.add_argument(
        "--version", type=int, metavar="NUMBER", help="the version that is changed; refused where it is another by now"
    )


def _update(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_drafts.get(arguments.draft)
    parameters = {}
    if arguments.parameter:
        parameters = parse_parameters(handle.parameters, split_parameters(arguments.parameter))
    handle.update(
        name=arguments.name,
        description=arguments.description,
        experiment=arguments.experiment,
        parameters=parameters,
        compute=arguments.compute,
        continue_on_step_failure=arguments.continue_on_step_failure,
        tags=_tags(arguments),
        version=arguments.version,
    )
    return _say(arguments, handle, f"is changed, and at version {handle.version}")


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    _draft(parser)
    add_call_arguments(parser)


def _submit(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_drafts.get(arguments.draft)
    return say_called(arguments, handle.submit(**call_words(arguments, handle.parameters)))


def _publish_arguments(parser: argparse.ArgumentParser) -> None:
    _draft(parser)
    parser.add_argument(
        "--endpoint", default="", metavar="NAME", help="add it to this pipeline endpoint, made if there is none"
    )
    parser.add_argument("--default", action="store_true", help="as the version that calls of the endpoint mean")
    parser.add_argument("--name", default="", help="what it is published as; the draft's name")
    parser.add_argument("--description", default="", metavar="TEXT", help="what it is; as the draft's")
    parser.add_argument("--version", default="", metavar="TEXT", help="a version text of your own")


def _publish(arguments: argparse.Namespace, services: Services) -> int:
    if arguments.default and not arguments.endpoint:
        raise UsageError("--default says nothing without an endpoint", hint="name one with --endpoint NAME")
    words = {key: getattr(arguments, key) for key in ("name", "description", "version", "endpoint", "default")}
    made = services.pipeline_drafts.get(arguments.draft).publish_words(words)
    return say_published(made, as_json=arguments.json)


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.pipeline_drafts.get(arguments.draft)
    services.pipeline_drafts.delete(handle.id)
    return _say(arguments, handle, "is deleted; its runs stay")


def _say(arguments: argparse.Namespace, handle: PipelineDraftHandle, words: str) -> int:
    if arguments.json:
        print_json(draft_document(handle.record))
    else:
        print(f"pipeline draft {handle.id} ({handle.name}) {words}")
    return 0


VERBS: dict[str, Verb] = {
    "create": ("make one of a file, a run, a published pipeline, an endpoint or a draft", _create_arguments, _create),
    "list": ("all of them", _list_arguments, _list),
    "show": ("one of them, with its parameters and its last run", _draft, _show),
    "update": ("change its words and values; what is not given stays", _update_arguments, _update),
    "submit": ("have a run of it driven, and say the run's id at once", _submit_arguments, _submit),
    "runs": ("its runs", _draft, _runs),
    "publish": ("publish it as it is now; it stays a draft", _publish_arguments, _publish),
    "clone": ("make a copy of it", _clone_arguments, _clone),
    "delete": ("forget it; its runs, and what was published of it, stay", _draft, _delete),
}
