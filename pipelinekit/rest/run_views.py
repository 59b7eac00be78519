"""What is made of runs over HTTP: graphs, timelines, explanations, comparisons, child runs, the bytes of outputs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.digests import is_digest
from pipelinekit.domain.limits import READ
from pipelinekit.domain.timelines import timeline
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import NotFoundError
from pipelinekit.rest.answers import DESCRIBED, bytes_answer, file_answer, value_answer
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.runs import run_document
from pipelinekit.wire.values import loads
from pipelinekit.workspace.bundles import EXPORTED, export_file
from pipelinekit.workspace.comparing import Comparison
from pipelinekit.workspace.drawings import pictures, plans, svg
from pipelinekit.workspace.run_children import children_of
from pipelinekit.workspace.run_views import (
    comparison_document,
    explanations_document,
    graph_of,
    graph_text,
    timeline_document,
)

router = APIRouter(tags=["runs"], route_class=Route)

MOST_COMPARED = 20
Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Downloading = Annotated[Asked, Depends(Needs(Permission.DOWNLOAD, READ))]
Id = Annotated[str, InPath(description="the id of a run, the beginning of one, or `latest`", max_length=64)]
Name = Annotated[str, InPath(max_length=1000)]
Text = Annotated[str, Query(max_length=1000)]


@router.get("/runs/{run}/graph", operation_id="show_run_graph")
async def show_graph(asked: Viewing, run: Id) -> dict[str, Any]:
    """The graph that a run executes."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        documents = services.records.documents
        found: dict[str, Any] = loads(graph_text(services.records.runs.get(run), documents))
        return found

    return await asked.do(work)


@router.get("/runs/{run}/graph.svg", operation_id="draw_run", response_class=Response, responses=DESCRIBED)
async def draw_run(asked: Viewing, run: Id, all: bool = False) -> Response:  # noqa: A002
    """A run as a drawing: an SVG file, to be saved. With `all` every step of a crowded graph."""

    def work(services: Services, _: Principal) -> Response:
        records = services.records
        record = records.runs.get(run)
        graph, steps = graph_of(record, records.documents), records.runs.steps(record.id)
        picture = pictures.make_picture(graph, steps, record, merge=False if all else None)
        return bytes_answer(svg.svg_text(plans.make_plan(picture)).encode(), f"{record.id}.svg")

    return await asked.do(work)


@router.get("/runs/{run}/timeline", operation_id="show_run_timeline")
async def show_timeline(asked: Viewing, run: Id) -> dict[str, Any]:
    """When the steps of a run waited and ran, and which its end waited for."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.runs.get(run)
        record, steps = found.record, services.records.runs.steps(found.id)
        graph = graph_of(record, services.records.documents)
        told = timeline(record, graph, steps, found.durations(), services.clock.now())
        return dict(timeline_document(record.id, told))

    return await asked.do(work)


@router.get("/runs/{run}/explanation", operation_id="explain_run")
async def explain_run(
    asked: Viewing,
    run: Id,
    step: Annotated[list[str], Query(max_length=1000)] = [],  # noqa: B006 - FastAPI's
) -> dict[str, Any]:
    """Why each step of a run, or some of them, ran or was reused."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        record = services.records.runs.get(run)
        steps = services.records.runs.steps(record.id)
        chosen = [item for item in steps if not step or {item.name, item.name.rpartition("[")[0]} & {*step}]
        if step and not chosen:
            raise NotFoundError(f"run {record.id} has no step {step[0]!r}", hint="'runs show' lists its steps")
        return explanations_document(record, services.explain(record, chosen))

    return await asked.do(work)


@router.get("/runs/{run}/children", operation_id="list_child_runs")
async def list_children(asked: Viewing, run: Id, direct: bool = False) -> dict[str, Any]:
    """Child runs of a run, and those below them unless only `direct` ones are asked for."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        record = services.records.runs.get(run)
        found = children_of(record, services.records.runs, services.facts, recursive=not direct)
        return {"run": record.id, "children": [{**run_document(child), "depth": depth} for depth, child in found]}

    return await asked.do(work)


@router.get("/run-comparisons", operation_id="compare_runs")
async def compare_runs(
    asked: Viewing,
    run: Annotated[list[str], Query(min_length=2, max_length=MOST_COMPARED, description="two or more")],
    all: bool = False,  # noqa: A002
) -> dict[str, Any]:
    """Runs side by side: parameters, metrics, inputs, code, software, outputs; with `all` also what is equal."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        runs = [services.records.runs.get(name) for name in run]
        rows = Comparison(services.records.documents, services.metrics).rows(runs)
        return comparison_document(runs, [row for row in rows if all or row.differs])

    return await asked.do(work)


@router.get(
    "/runs/{run}/outputs/{output}/content", operation_id="download_run_output", response_class=Response,
    responses=DESCRIBED,
)  # fmt: skip
async def download_output(asked: Downloading, run: Id, output: Name, step: Text = "") -> Response:
    """The bytes of an output of a run, or of one of its steps: a folder as a zip file, plain data as JSON."""

    def work(services: Services, _: Principal) -> Response:
        found = services.runs.get(run)
        values = (found.step(step).record if step else found.record).outputs
        if output not in values:
            known = ", ".join(values) or "none"
            raise NotFoundError(f"run {found.id} has no output {output!r}", hint=f"there are: {known}")
        return value_answer(values[output], output, services.blobs)

    return await asked.do(work)


@router.get(
    "/runs/{run}/files/{name:path}", operation_id="download_run_file", response_class=Response, responses=DESCRIBED
)
async def download_file(asked: Downloading, run: Id, name: Name, step: Text = "") -> Response:
    """The bytes of a file that was kept with a run, or with one of its steps."""

    def work(services: Services, _: Principal) -> Response:
        found = services.records.runs.get(run).id
        kept = services.facts.files(found, step=step)
        if name not in kept:
            there = ", ".join(kept) or "none"
            raise NotFoundError(f"there is no file {name!r} with run {found}", hint=f"there are: {there}")
        return value_answer(kept[name], name.rpartition("/")[2], services.blobs)

    return await asked.do(work)


@router.get("/runs/{run}/export", operation_id="export_run", response_class=Response, responses=DESCRIBED)
async def export_run(
    asked: Downloading,
    run: Id,
    with_outputs: Annotated[bool, Query(description="what the steps gave as well, to be looked into")] = False,
) -> Response:
    """A run as one file, a zip, from which it can be done again elsewhere."""

    def work(services: Services, _: Principal) -> Response:
        with tempfile.TemporaryDirectory(prefix="pipelinekit-") as folder:
            place = Path(folder, EXPORTED)
            made = services.export(run, str(place), with_outputs=with_outputs)
            return file_answer(place, export_file(made.run, "").name)

    return await asked.do(work, is_long=True)


@router.get("/blobs/{digest}", operation_id="download_blob", response_class=Response, responses=DESCRIBED)
async def download_blob(
    asked: Downloading, digest: Annotated[str, InPath(description="as outputs and files name it", max_length=100)]
) -> Response:
    """The bytes of something that is stored, by the digest that records name it by."""

    def work(services: Services, _: Principal) -> Response:
        if not is_digest(digest) or services.blobs.missing([digest]):
            raise NotFoundError(f"there is no blob {digest!r}", hint="outputs and files of runs name what is stored")
        return file_answer(services.blobs.path(digest), digest.rpartition(":")[2])

    return await asked.do(work)
