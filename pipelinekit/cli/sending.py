"""`run FILE`, `plan FILE` and `publish FILE` at a server: what the pipeline consists of is sent to it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.bootstrap import sending
from pipelinekit.cli.datastores import show_progress
from pipelinekit.cli.output import print_json
from pipelinekit.cli.parameters import queue_seconds
from pipelinekit.cli.progress import Progress, Quiet
from pipelinekit.cli.servers import connect
from pipelinekit.cli.targets import load_target, show_hints, show_warnings
from pipelinekit.client.publishing import regenerate_words
from pipelinekit.config import Settings
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.runs import RunStatus, StepRecord, StepStatus
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import UsageError
from pipelinekit.workspace.runs import Run
from pipelinekit.workspace.uploads import Gathered, gather

if TYPE_CHECKING:
    from pipelinekit.connecting import ConnectedWorkspace

CODES = {RunStatus.COMPLETED: 0, RunStatus.CANCELED: 130}
LOOK_SECONDS = 0.3


def run(arguments: argparse.Namespace) -> int:
    """Have a pipeline of this machine run at the server, and show how it goes; 0 only if it completed."""
    _refuse(arguments)
    workspace = connect()
    with _sent(arguments.target, arguments.parameter, workspace) as (document, graph, longest):
        body = {
            "upload": document,
            "experiment": arguments.experiment,
            "compute": arguments.compute or "",
            "regenerate": regenerate_words(arguments.regenerate or ()),
            "continue_on_step_failure": arguments.continue_on_step_failure,
            "max_seconds": longest if arguments.max_duration is None else parse_duration(arguments.max_duration),
            "priority": arguments.priority,
            "max_queue_seconds": queue_seconds(arguments),
            "tags": _tags(arguments),
            "display_name": arguments.name,
        }
        handle = workspace.submit_upload(body)
    if arguments.detach:
        print_json(handle.document()) if arguments.json else print(handle.id)
        return 0
    return _follow(handle, graph, as_json=arguments.json)


def plan(arguments: argparse.Namespace) -> dict[str, Any]:
    """What a run of a pipeline of this machine would do at the server, and why."""
    workspace = connect()
    with _sent(arguments.target, arguments.parameter, workspace, hints=True) as (document, _, longest):
        regenerate = regenerate_words(arguments.regenerate or ())
        return workspace.plan_upload({"upload": document, "regenerate": regenerate, "max_seconds": longest})


def publish(arguments: argparse.Namespace) -> dict[str, Any]:
    """Publish a pipeline of this machine, or of a run, at the server; what was published."""
    workspace = connect()
    body = {
        "name": arguments.name,
        "description": arguments.description,
        "version": arguments.label,
        "experiment": arguments.experiment,
        "compute": arguments.compute,
        "continue_on_step_failure": arguments.continue_on_step_failure,
        "max_seconds": parse_duration(arguments.max_duration),
        "tags": _tags(arguments),
        "endpoint": arguments.endpoint or "",
        "default": arguments.default,
    }
    kind, _, name = arguments.target.partition(":")
    if kind == "run":
        if arguments.parameter:
            raise UsageError(
                "a run is published with the parameters that it had",
                hint="publish the pipeline from its source with others",
            )
        return workspace.publish_upload({**body, "run": name})
    with _sent(arguments.target, arguments.parameter, workspace, hints=True) as (document, _, _):
        return workspace.publish_upload({**body, "upload": document})


def draft(arguments: argparse.Namespace) -> Any:
    """Make a pipeline draft of a pipeline of this machine at the server."""
    workspace = connect()
    with _sent(arguments.target, arguments.parameter, workspace, hints=True) as (document, _, longest):
        body = {
            "upload": document,
            "name": arguments.name,
            "description": arguments.description,
            "experiment": arguments.experiment,
            "compute": arguments.compute,
            "continue_on_step_failure": arguments.continue_on_step_failure,
            "max_seconds": longest,
            "tags": _tags(arguments),
        }
        return workspace.pipeline_drafts.create_of(body)


@contextmanager
def _sent(
    target: str, parameters: list[str], workspace: ConnectedWorkspace, *, hints: bool = False
) -> Iterator[tuple[str, Graph, float]]:
    """A pipeline that the server has: the digest of its document, its graph, and how long a run of it may take."""
    with sending(workspace.uploads.lock) as services:
        found = load_target(target, parameters, services)
        if found.compilation is None:
            raise UsageError(
                f"what {target} needs lies in a workspace of this machine", hint="name the Python file it was made of"
            )
        show_warnings(found.warnings)
        if hints:
            show_hints(found)
        assert isinstance(services.blobs, Gathered)
        upload = gather(services.pipelines, services.blobs, found.compilation, found.given, Path.cwd())
        yield workspace.uploads.send(upload, show_progress), found.graph, found.max_seconds


def _refuse(arguments: argparse.Namespace) -> None:
    given = {
        "--in-process": arguments.in_process,
        "--verify": arguments.verify is not None,
        "--check": arguments.check,
    }
    if wrong := [name for name, is_there in given.items() if is_there]:
        raise UsageError(f"{' and '.join(wrong)} work beside the workspace folder, not at a server")


def _tags(arguments: argparse.Namespace) -> Mapping[str, str]:
    return {key: value or "" for key, value in map(parse_tag, arguments.tag or ())}


def _follow(handle: Run, graph: Graph, *, as_json: bool) -> int:
    """Show how a run goes until it has ended; ctrl-C asks for it to be canceled, and a second one leaves it alone."""
    observer = Quiet() if as_json else Progress(Settings().progress, lambda _: str(handle.estimate or ""))
    shown: dict[str, StepRecord] = {}
    record, pressed, told = handle.record, 0, ""
    observer.begun(record, graph)
    while True:
        try:
            record = handle.record
            changes = [step for step in (item.record for item in handle.steps) if shown.get(step.name) != step]
            shown.update((step.name, step) for step in changes)
            observer.changed(changes)
            if record.status.final:
                break
            may_wait = record.status is RunStatus.QUEUED or any(
                step.status is StepStatus.QUEUED for step in shown.values()
            )
            if (why := handle.waits if may_wait else "") and why != told:
                print(f"run {handle.id} waits: {why}", file=sys.stderr)
            told = why
            observer.waiting()
            time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            pressed += 1
            if pressed > 1:
                observer.close()
                print(f"run {handle.id} goes on at the server until it is canceled", file=sys.stderr)
                return CODES[RunStatus.CANCELED]
            print("canceling; press ctrl-C again to leave it alone", file=sys.stderr)
            handle.cancel()
    observer.close()
    if isinstance(observer, Progress):
        print("\n".join(observer.summary(record)))
    else:
        print_json(handle.document())
    return CODES.get(record.status, 1)
