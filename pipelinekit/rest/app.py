"""The application: all routes, and what stands around them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute

from pipelinekit.ports.traces import Tracing
from pipelinekit.rest import (
    accounts,
    computes,
    datasets,
    datastores,
    environments,
    experiments,
    pipeline_drafts,
    pipeline_endpoints,
    pipelines,
    plans,
    problems,
    run_events,
    run_records,
    run_views,
    runs,
    schedules,
    secrets,
    submissions,
    tokens,
    upkeep,
    uploads,
    vitals,
    webhooks,
)
from pipelinekit.rest.desk import Desk
from pipelinekit.rest.guard import LOOPBACK, PREFIX, Guard

NOUNS = (
    pipeline_endpoints, pipelines, runs, run_events, run_records, run_views, experiments, pipeline_drafts, schedules,
    datasets, datastores, environments, computes, secrets, accounts, webhooks, tokens, uploads,
    plans, upkeep,
)  # fmt: skip
# They are tried in this order, and the first are called most: behind all others they would cost a tenth more.
OPEN = ("/health", "/ready", "/openapi.json")  # what anybody may ask for


def make_app(
    desk: Desk,
    hosts: Collection[str] = LOOPBACK,
    version: str = "0",
    *,
    open_metrics: bool = False,
    tracing: Tracing | None = None,
) -> Guard:
    """The application of a workspace, asked for under these names of hosts.

    With `open_metrics` anybody may ask for its metrics, and else readers. Spans of requests go to `tracing`.
    """
    return Guard(bare_app(desk, version, open_metrics=open_metrics), hosts, meters=desk.meters, tracing=tracing)


def bare_app(desk: Desk, version: str = "0", *, open_metrics: bool = False) -> FastAPI:
    """The routes, without what guards them."""
    app = FastAPI(
        title="pipelinekit",
        version=version,
        description="A machine learning workspace. Every call but those for health needs an access token.",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses=problems.ANSWERS,
        generate_unique_id_function=_operation,
    )
    app.state.desk = desk
    app.state.observed = vitals.Observed()
    problems.install(app)
    app.include_router(_health())
    app.include_router(vitals.open_router if open_metrics else vitals.router)
    api = APIRouter(prefix=PREFIX)
    for module in NOUNS:
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(submissions.router)
    _name_security(app, (*OPEN, vitals.PATH) if open_metrics else OPEN)
    return app


def _health() -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health", operation_id="health")
    async def health() -> dict[str, str]:
        """Whether the server lives."""
        return {"status": "alive"}

    @router.get("/ready", operation_id="ready")
    async def ready(request: Request) -> dict[str, str]:
        """Whether the records can be reached."""
        desk: Desk = request.app.state.desk
        await desk.do(lambda services: services.servers.alive())
        return {"status": "ready"}

    return router


def _operation(route: APIRoute) -> str:
    return route.operation_id or route.name


def _name_security(app: FastAPI, open_paths: Collection[str]) -> None:
    """Have the OpenAPI document say that calls need a token."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer"}
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"].pop("422", None)  # what cannot be read is 400 here
                operation["security"] = [] if path in open_paths else [{"token": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
