"""Experiments over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.experiments import with_tags
from pipelinekit.domain.limits import READ
from pipelinekit.domain.metrics import check_text
from pipelinekit.domain.names import check_name
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.ports.facts import ExperimentRecords
from pipelinekit.rest import bodies
from pipelinekit.rest.changes import change
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.experiments import experiment_document

router = APIRouter(prefix="/experiments", tags=["experiments"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, READ))]
Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Name = Annotated[str, InPath(description="the name of an experiment", max_length=255)]


@router.get("", operation_id="list_experiments")
async def list_experiments(
    asked: Viewing,
    archived: Literal["true", "false", "all"] = "false",
    tag: Annotated[list[str], Query(max_length=20, description="KEY or KEY=VALUE")] = [],  # noqa: B006 - FastAPI's
) -> dict[str, Any]:
    """Experiments, those with the newest runs first; those that were archived only where they are asked for."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.experiments.list(archived=None if archived == "all" else archived == "true")
        return {"experiments": [experiment_document(item) for item in with_tags(found, dict(map(parse_tag, tag)))]}

    return await asked.do(work)


@router.post("", operation_id="make_experiment")
async def make_experiment(asked: Submitting, body: bodies.NewExperiment) -> dict[str, Any]:
    """The experiment of a name, made when it is not there."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        made = services.experiments.make(check_name("experiment", body.name))
        return made.name, experiment_document(made)

    return await change(asked, "experiments.make", how)


@router.get("/{experiment}", operation_id="show_experiment")
async def show_experiment(asked: Viewing, experiment: Name) -> dict[str, Any]:
    """One of them."""
    return await asked.do(lambda services, _: experiment_document(services.experiments.get(experiment)))


@router.patch("/{experiment}", operation_id="change_experiment")
async def change_experiment(asked: Submitting, experiment: Name, body: bodies.ExperimentChange) -> dict[str, Any]:
    """Change its description, set tags, and remove others."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        records: ExperimentRecords = services.experiments
        if body.description is not None:
            records.describe(experiment, body.description)
        records.set_tags(experiment, dict(check_text("tag", *pair) for pair in body.set.items()))
        records.remove_tags(experiment, body.remove)
        return _shown(services, experiment)

    return await change(asked, "experiments.change", how)


@router.put("/{experiment}/limits", operation_id="limit_experiment")
async def limit_experiment(asked: Administering, experiment: Name, body: bodies.RunLimits) -> dict[str, Any]:
    """Limit how many of its runs are under way at once; others wait in their turn."""

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        services.experiments.limit(experiment, body.max_runs)
        return _shown(services, experiment)

    return await change(asked, "experiments.limit", how)


@router.post("/{experiment}/archive", operation_id="archive_experiment")
async def archive_experiment(asked: Submitting, experiment: Name) -> dict[str, Any]:
    """Leave it out of lists, until a new run of it."""
    return await _archive(asked, experiment, archived=True)


@router.post("/{experiment}/reactivate", operation_id="reactivate_experiment")
async def reactivate_experiment(asked: Submitting, experiment: Name) -> dict[str, Any]:
    """Have it in lists again."""
    return await _archive(asked, experiment, archived=False)


@router.delete("/{experiment}", operation_id="delete_experiment", status_code=204, response_class=Response)
async def delete_experiment(asked: Administering, experiment: Name) -> None:
    """Delete one that has no runs."""

    def how(services: Services) -> tuple[str, None]:
        services.experiments.delete(experiment)
        return experiment, None

    await change(asked, "experiments.delete", how)


async def _archive(asked: Asked, experiment: str, *, archived: bool) -> dict[str, Any]:
    def how(services: Services) -> tuple[str, dict[str, Any]]:
        services.experiments.archive(experiment, archived=archived)
        return _shown(services, experiment)

    return await change(asked, f"experiments.{'archive' if archived else 'reactivate'}", how)


def _shown(services: Services, experiment: str) -> tuple[str, dict[str, Any]]:
    found = services.experiments.get(experiment)
    return found.name, experiment_document(found)
