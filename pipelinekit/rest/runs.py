"""Runs over HTTP: list, show, logs, outputs, metrics, cancel, tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.rest import bodies, calls
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.runs import run_document
from pipelinekit.wire.values import plain_to_json
from pipelinekit.workspace.runs import Run

router = APIRouter(prefix="/runs", tags=["runs"], route_class=Route)

LOG_CHARACTERS = 1 << 20  # that one answer has at most
Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, READ))]
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
        )
        return {"runs": [run_document(run.record) for run in found]}

    return await asked.do(work)


@router.get("/{run}", operation_id="show_run")
async def show_run(asked: Viewing, run: Id) -> dict[str, Any]:
    """A run with its steps, its tags and properties."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return _whole(services.runs.get(run))

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
            found.cancel()
            services.audit.note("runs.cancel", found.id, by=asked.origin(principal))
        return run_document(services.runs.get(found.id).record)

    return await asked.do(work)


@router.patch("/{run}/tags", operation_id="tag_run")
async def tag_run(asked: Submitting, run: Id, body: bodies.TagChange) -> dict[str, Any]:
    """Set tags, and remove others."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        found = services.runs.get(run)
        with services.records.batch():
            found.set_tags(body.set)
            found.remove_tags(*body.remove)
            services.audit.note("runs.tag", found.id, by=asked.origin(principal))
        return {"tags": dict(found.tags)}

    return await asked.do(work)


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
