"""Runs over HTTP: list, show, logs, outputs, metrics, cancel, tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ, TRIGGER
from pipelinekit.domain.names import check_file_name
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.runs import MAY_WAIT
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.formats.paths import value_of_blob
from pipelinekit.rest import bodies, calls
from pipelinekit.rest.changes import change
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.runs import run_document
from pipelinekit.wire.values import plain_to_json
from pipelinekit.workspace.outputs import Output
from pipelinekit.workspace.runs import Run, Told

router = APIRouter(prefix="/runs", tags=["runs"], route_class=Route)

LOG_CHARACTERS = 1 << 20  # that one answer has at most
Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, READ))]
Starting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, TRIGGER))]
Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Id = Annotated[str, InPath(description="the id of a run, the beginning of one, or `latest`", max_length=64)]
Text = Annotated[str, Query(max_length=1000)]


@router.get("", operation_id="list_runs")
async def list_runs(
    asked: Viewing,
    experiment: Text = "",
    pipeline: Text = "",
    status: Text = "",
    kind: Text = "",
    tag: Annotated[list[str], Query(max_length=20, description="KEY or KEY=VALUE")] = [],  # noqa: B006 - FastAPI's
    where: Annotated[list[str], Query(max_length=20, description="such as metric.loss<0.3")] = [],  # noqa: B006
    sort: Text = "",
    ascending: bool = False,
    after: Annotated[str, Query(max_length=64, description="the run that the list goes on behind")] = "",
    limit: calls.Limit = 50,
    property: Annotated[list[str], Query(max_length=20, description="KEY or KEY=VALUE")] = [],  # noqa: A002, B006
    since: Annotated[float | None, Query(description="made since then, in seconds since 1970")] = None,
    until: Annotated[float | None, Query(description="made before then")] = None,
    children: Annotated[bool, Query(description="child runs too")] = False,
    records: calls.Records = False,
) -> dict[str, Any]:
    """Runs, the newest first, or sorted by a metric or parameter."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.runs.list(
            experiment=experiment,
            pipeline=pipeline,
            status=status,
            kind=kind,
            tags=dict(map(parse_tag, tag)),
            where=where,
            sort=sort,
            ascending=ascending,
            after=after,
            limit=limit,
            properties=dict(map(parse_tag, property)),
            since=since,
            until=until,
            children=children,
        )
        waits = services.runs.waits() if any(run.record.status in MAY_WAIT for run in found) else {}
        more = {run.id: {"waits": waits[run.id]} for run in found if run.id in waits and not records}
        return {"runs": [{**calls.run_shown(run, whole=records), **more.get(run.id, {})} for run in found]}

    return await asked.do(work)


@router.get("/waiting", operation_id="list_waiting_runs")
async def list_waiting(asked: Viewing) -> dict[str, Any]:
    """Which runs limits hold back, and which run and have no step that can begin, each with the reason."""
    return await asked.do(lambda services, _: {"waits": dict(services.records.runs.waits())})


@router.get("/{run}", operation_id="show_run")
async def show_run(asked: Viewing, run: Id) -> dict[str, Any]:
    """A run with its steps, its tags and properties."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return _whole(services.runs.get(run))

    return await asked.do(work)


@router.get("/{run}/estimate", operation_id="estimate_run")
async def estimate_run(asked: Viewing, run: Id) -> dict[str, Any]:
    """How long it will still take, from earlier executions; null where nothing is known, or it does not run."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.runs.get(run).estimate
        return {
            "estimated_seconds_left": None if found is None else round(found.seconds, 1),
            "whole": found is not None and found.whole,
            "estimate": "" if found is None else str(found),
        }

    return await asked.do(work)


@router.get("/{run}/logs", operation_id="show_run_logs")
async def show_logs(
    asked: Viewing, run: Id, step: Text = "", after: Annotated[int, Query(ge=0, le=1 << 53)] = 0
) -> dict[str, Any]:
    """What a step wrote, or all steps, from the character `after` on."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.runs.get(run)
        text = found.step(step).logs() if step else found.logs()
        part = text[after : after + LOG_CHARACTERS]
        return {"run": found.id, "step": step, "log": part, "next": after + len(part), "length": len(text)}

    return await asked.do(work)


@router.get("/{run}/metrics", operation_id="show_run_metrics")
async def show_metrics(asked: Viewing, run: Id) -> dict[str, Any]:
    """Metrics of the run under an empty name, those of its steps by step."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.runs.get(run).all_metrics()
        return {
            "metrics": {step: {name: _shown(value) for name, value in told.items()} for step, told in found.items()}
        }

    return await asked.do(work)


@router.get("/{run}/outputs", operation_id="show_run_outputs")
async def show_outputs(asked: Viewing, run: Id, step: Text = "") -> dict[str, Any]:
    """What a run, or one of its steps, left."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.runs.get(run)
        outputs = found.step(step).outputs if step else found.outputs
        return {"outputs": {name: output.document() for name, output in outputs.items()}}

    return await asked.do(work)


@router.post("/{run}/cancel", operation_id="cancel_run")
async def cancel_run(asked: Submitting, run: Id) -> dict[str, Any]:
    """Ask a run to end."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        found = services.runs.get(run)
        with services.records.batch():
            services.runs.cancel(found.id)
            services.audit.note("runs.cancel", found.id, by=asked.origin(principal))
        return run_document(services.runs.get(found.id).record)

    return await asked.do(work)


@router.patch("/{run}/tags", operation_id="tag_run")
async def tag_run(asked: Submitting, run: Id, body: bodies.TagChange, step: Text = "") -> dict[str, Any]:
    """Set tags of a run, or of one of its steps, and remove others."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        found = services.runs.get(run)
        told: Told = found.step(step) if step else found
        told.set_tags(body.set)
        told.remove_tags(*body.remove)
        return found.id, {"tags": dict(told.tags)}

    return await change(asked, "runs.tag", how)


@router.patch("/{run}/properties", operation_id="add_run_properties")
async def add_properties(asked: Submitting, run: Id, body: bodies.NewProperties, step: Text = "") -> dict[str, Any]:
    """Add properties to a run, or to one of its steps; one that is there stays as it is."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        found = services.runs.get(run)
        told: Told = found.step(step) if step else found
        told.add_properties(body.add)
        return found.id, {"properties": dict(told.properties)}

    return await change(asked, "runs.add-properties", how)


@router.post("/{run}/files", operation_id="keep_run_file")
async def keep_file(asked: Submitting, run: Id, body: bodies.NewFile, step: Text = "") -> dict[str, Any]:
    """Keep a file or folder that was sent as blobs with a run, or with one of its steps."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        found = services.runs.get(run)
        place = found.step(step).name if step else ""
        value = value_of_blob(body.blob, body.suffix, services.blobs, folder=body.folder)
        services.facts.put_file(found.id, check_file_name(body.name), value, step=place)
        return found.id, {"run": found.id, "name": body.name, **Output(body.name, value, services.blobs).document()}

    return await change(asked, "runs.keep-file", how)


@router.patch("/{run}", operation_id="describe_run")
async def describe_run(asked: Submitting, run: Id, body: bodies.RunDescription) -> dict[str, Any]:
    """Change how a run is shown; what is not given stays."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        found = services.runs.get(run)
        found.describe(display_name=body.display_name, description=body.description)
        return found.id, run_document(found.record)

    return await change(asked, "runs.describe", how)


@router.post("/{run}/repetitions", operation_id="repeat_run", status_code=202)
async def repeat_run(asked: Starting, run: Id, body: bodies.Repetition | None = None) -> dict[str, Any]:
    """Run the same graph with the same values again: what was finished is reused, or executed and compared."""
    verify = bool(body and body.verify)

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            made = services.repeat(run, verify=verify, by=principal.name)
            services.audit.note("runs.repeat", made.id, by=asked.origin(principal))
        services.launch(made.id)
        return run_document(made)

    return await asked.do(work)


@router.post("/{run}/pin", operation_id="pin_run")
async def pin_run(asked: Administering, run: Id) -> dict[str, Any]:
    """Keep a run and all that it names, whatever clean-up is told."""
    return await _pin(asked, run, pinned=True)


@router.post("/{run}/unpin", operation_id="unpin_run")
async def unpin_run(asked: Administering, run: Id) -> dict[str, Any]:
    """Let clean-up treat a run like any other again."""
    return await _pin(asked, run, pinned=False)


async def _pin(asked: Asked, run: str, *, pinned: bool) -> dict[str, Any]:
    def how(services: Services) -> tuple[str, dict[str, Any]]:
        found = services.records.runs.get(run).id
        services.upkeep.upkeep.pin(found, pinned=pinned)
        return found, run_document(services.records.runs.get(found))

    return await change(asked, "runs.pin" if pinned else "runs.unpin", how)


def _whole(run: Run) -> dict[str, Any]:
    return {**run.document(), "tags": dict(run.tags), "properties": dict(run.properties)}


def _shown(value: Any) -> Any:
    """A metric as JSON data; an image by the name of its file."""
    if isinstance(value, Mapping):
        return {str(key): _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    try:
        return plain_to_json(value)
    except (TypeError, ValueError):
        return str(value)
