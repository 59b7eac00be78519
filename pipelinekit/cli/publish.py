"""`pipelinekit publish`: keep a pipeline with its code and data, so that it runs without its source."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.bootstrap import Services, open_services
from pipelinekit.cli import sending
from pipelinekit.cli.output import print_json
from pipelinekit.cli.parameters import add_parameter_arguments
from pipelinekit.cli.servers import is_at_server
from pipelinekit.cli.targets import load_target, show_hints, show_warnings
from pipelinekit.domain.pipeline_endpoints import EndpointVersion
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import UsageError
from pipelinekit.workspace.pipeline_endpoints import PipelineEndpointHandle
from pipelinekit.workspace.published_pipelines import Publication, PublishedPipelineHandle

_RUN = "run:"
Keep = Callable[[], PublishedPipelineHandle]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `publish`."""
    add_parameter_arguments(
        parser,
        "FILE[:PIPELINE]|run:RUN",
        "a Python file, with the pipeline's name if it has several; graph.json; or a run, as run:ID",
    )
    parser.add_argument("--endpoint", metavar="NAME", help="add it to this pipeline endpoint, made if there is none")
    parser.add_argument("--default", action="store_true", help="as the version that calls of the endpoint mean")
    parser.add_argument("--name", default="", help="what it is published as; the pipeline's name")
    parser.add_argument("--description", default="", metavar="TEXT", help="what it is")
    parser.add_argument("--version", dest="label", default="", metavar="TEXT", help="a version text of your own")
    parser.add_argument("--experiment", default="", help="the experiment of its runs; its name")
    parser.add_argument("--compute", default="local", help="where its steps run: local, or a target's name")
    parser.add_argument(
        "--max-duration", default="0", metavar="TIME", help="cancel a run that has taken so long: '90s', '2h', '1d'"
    )
    parser.add_argument(
        "--continue-on-step-failure", action="store_true", help="after a failure skip only what depends on it"
    )
    parser.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="a tag of its runs; again for more")


def execute(arguments: argparse.Namespace) -> int:
    """Publish the pipeline."""
    if arguments.default and not arguments.endpoint:
        raise UsageError("--default says nothing without an endpoint", hint="name one with --endpoint NAME")
    if is_at_server():
        return say_published(sending.publish(arguments), as_json=arguments.json)
    services = open_services()
    options = RunOptions(
        (), arguments.continue_on_step_failure, arguments.compute, max_seconds=parse_duration(arguments.max_duration)
    )
    tags = {key: value or "" for key, value in map(parse_tag, arguments.tag or ())}
    said = arguments.name, arguments.description, arguments.label, arguments.experiment
    about = Publication(*said, options, tags)
    publish = _prepare_run if arguments.target.startswith(_RUN) else _prepare_file
    keep = publish(arguments.target, arguments.parameter, about, services)
    added: tuple[PipelineEndpointHandle, EndpointVersion] | None = None
    with services.records.batch():  # where the endpoint refuses it, nothing is published
        made = keep()
        if arguments.endpoint:
            added = services.pipeline_endpoints.grow(arguments.endpoint, made, default=arguments.default)
    return say_published(_document(made, added), as_json=arguments.json)


def _prepare_run(target: str, parameters: Sequence[str], about: Publication, services: Services) -> Keep:
    if parameters:
        raise UsageError(
            "a run is published with the parameters that it had",
            hint="publish the pipeline from its source with others",
        )
    record = services.records.runs.get(target.removeprefix(_RUN))
    return lambda: services.published_pipelines.publish_run(record, about, services.dataset_inputs().taken)


def _prepare_file(file: str, parameters: list[str], about: Publication, services: Services) -> Keep:
    target = load_target(file, parameters, services)
    show_warnings(target.warnings)
    show_hints(target)
    source = None
    if target.compilation is not None:
        target.compilation.keep(services.blobs)
        source = target.compilation.trees[0].root
    return lambda: services.published_pipelines.publish(target.graph, target.given, about, Path.cwd(), source)


def _document(
    made: PublishedPipelineHandle, added: tuple[PipelineEndpointHandle, EndpointVersion] | None
) -> dict[str, Any]:
    document: dict[str, Any] = made.document()
    if added is not None:
        handle, version = added
        document["endpoint"] = {
            "id": handle.id,
            "name": handle.name,
            "version": version.number,
            "default_version": handle.default_version,
        }
    return document


def say_published(document: Mapping[str, Any], *, as_json: bool) -> int:
    """Say what was published, and how it is called: 0."""
    if as_json:
        print_json(document)
        return 0
    print(f"published {document['name']} as {document['id']}")
    if "endpoint" not in document:
        print(f"call it with 'pipelinekit pipelines submit {document['id']}'")
        return 0
    endpoint = document["endpoint"]
    name, version, default = endpoint["name"], endpoint["version"], endpoint["default_version"]
    if version == default:
        print(f"version {version} of pipeline endpoint {name!r}, its default")
        print(f"call it with 'pipelinekit pipeline-endpoints submit {name}'")
        return 0
    print(f"version {version} of pipeline endpoint {name!r}, whose default is {default}")
    print(f"call it with 'pipelinekit pipeline-endpoints submit {name} --version {version}'")
    return 0
