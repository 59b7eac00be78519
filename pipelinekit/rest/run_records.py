"""Runs over HTTP as the records hold them: what a client needs to show a run just as the workspace itself does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ
from pipelinekit.domain.metrics import ROWS, SERIES, Metric
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import NotFoundError
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.datasets import use_document
from pipelinekit.wire.run_records import columns_to_json, metric_to_json, points_to_json, run_to_json, step_to_json
from pipelinekit.wire.values import loads, values_to_json

router = APIRouter(tags=["records of runs"], route_class=Route)

CHUNK_CHARACTERS = 1 << 20  # of logs in one answer, as far as one chunk is not longer
Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Id = Annotated[str, InPath(description="the id of a run, the beginning of one, or `latest`", max_length=64)]
Digest = Annotated[str, InPath(description="the digest of a graph, as runs name it", max_length=100)]
Text = Annotated[str, Query(max_length=1000)]


@router.get("/runs/{run}/record", operation_id="show_run_record")
async def show_record(asked: Viewing, run: Id) -> dict[str, Any]:
    """A run with its values, whole."""
    return await asked.do(lambda services, _: run_to_json(services.runs.get(run).record))


@router.get("/runs/{run}/steps", operation_id="list_run_steps")
async def list_steps(asked: Viewing, run: Id) -> dict[str, Any]:
    """The step runs of a run with their values, and when each became what."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        records = services.records.runs
        found = records.get(run).id
        changes = [[at, [list(change) for change in told]] for at, told in records.changes(found)]
        return {"steps": [step_to_json(step) for step in records.steps(found)], "changes": changes}

    return await asked.do(work)


@router.get("/runs/{run}/facts", operation_id="show_run_facts")
async def show_facts(asked: Viewing, run: Id, step: Text = "") -> dict[str, Any]:
    """Tags, properties and files of a run, or of one of its steps."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found, facts = services.records.runs.get(run).id, services.facts
        return {
            "tags": dict(facts.tags(found, step=step)),
            "properties": dict(facts.properties(found, step=step)),
            "files": values_to_json(facts.files(found, step=step)),
        }

    return await asked.do(work)


@router.get("/runs/{run}/child-records", operation_id="list_child_run_records")
async def list_children(asked: Viewing, run: Id, step: Text = "") -> dict[str, Any]:
    """Child runs of a run, or of one of its steps; not those below them."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.records.runs.get(run).id
        return {"runs": [run_to_json(child) for child in services.facts.children(found, step=step)]}

    return await asked.do(work)


@router.get("/runs/{run}/log-chunks", operation_id="list_run_log_chunks")
async def list_chunks(
    asked: Viewing, run: Id, step: Text = "", after: Annotated[int, Query(ge=0, lt=1 << 31)] = 0
) -> dict[str, Any]:
    """What one step wrote, behind the chunk `after`, and whether there is more than this answer holds."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.records.runs.get(run).id
        chunks, length, more = [], 0, False
        for position, chunk in services.records.logs.read(found, step, after):
            if more := length > CHUNK_CHARACTERS:
                break
            length += len(chunk.text)
            chunks.append([position, chunk.attempt, chunk.stream, chunk.text])
        return {"chunks": chunks, "more": more}

    return await asked.do(work)


@router.get("/runs/{run}/metric-records", operation_id="list_run_metric_records")
async def list_metrics(
    asked: Viewing, run: Id, of: Literal["run", "steps", "listed", "step"] = "run", step: Text = ""
) -> dict[str, Any]:
    """What is known of metrics without their points: of a run, of all of its steps, of both as lists show it."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found, metrics = services.records.runs.get(run).id, services.metrics
        told: list[tuple[str, Metric]]
        if of == "steps":
            told = list(metrics.of_steps(found))
        elif of == "step":
            told = [(step, metric) for metric in metrics.of_step(found, step)]
        else:
            told = [("", metric) for metric in (metrics.of_run(found) if of == "run" else metrics.listed(found))]
        return {"metrics": [{"of": name, **metric_to_json(metric)} for name, metric in told]}

    return await asked.do(work)


@router.get("/runs/{run}/metric-points", operation_id="show_run_metric_points")
async def show_points(asked: Viewing, run: Id, name: Text, step: Text = "", to_parent: bool = False) -> dict[str, Any]:
    """All points of a metric: of a series, of a table, or what was logged last of another."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found, metrics = services.records.runs.get(run).id, services.metrics
        there = [*metrics.of_run(found), *metrics.of_step(found, step)]
        place = (name, (found, step), to_parent)
        metric = next((item for item in there if (item.name, item.place, item.to_parent) == place), None)
        if metric is None:
            raise NotFoundError(f"run {found} has no metric {name!r}", hint="'runs metrics' lists what it has")
        if metric.kind == SERIES:
            return {"series": points_to_json(metrics.series(metric))}
        if metric.kind == ROWS:
            return {"columns": columns_to_json(metrics.rows(metric))}
        return {"body": metrics.body(metric)}

    return await asked.do(work)


@router.get("/runs/{run}/provenance", operation_id="show_run_provenance")
async def show_provenance(asked: Viewing, run: Id) -> dict[str, Any]:
    """How the source folder of a run differed from its commit, and which datasets it took in and gave out."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        record = services.records.runs.get(run)
        changes, uses = services.changes_of(record), services.dataset_inputs().uses(record.id)
        return {"changes": None if changes is None else dict(changes), "uses": [use_document(use) for use in uses]}

    return await asked.do(work)


@router.get("/graphs/{digest}", operation_id="show_graph")
async def show_graph(asked: Viewing, digest: Digest) -> dict[str, Any]:
    """A compiled graph, by the digest under which runs name it."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        texts = services.records.documents.get([digest])
        document = loads(texts[digest]) if digest in texts else None
        if not isinstance(document, dict) or "nodes" not in document:
            raise NotFoundError(f"there is no graph {digest!r}", hint="a run names its graph")
        return {"digest": digest, "graph": texts[digest]}

    return await asked.do(work)
