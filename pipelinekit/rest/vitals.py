"""How the workspace and its server are, for Prometheus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse

from pipelinekit.bootstrap import Services
from pipelinekit.domain import vitals
from pipelinekit.domain.limits import READ
from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.domain.tokens import Permission
from pipelinekit.domain.vitals import Vitals, Waits
from pipelinekit.errors import PipelinekitError
from pipelinekit.rest.desk import Asked, Desk, Needs
from pipelinekit.rest.exposition import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    MEDIA_TYPE,
    Family,
    Sample,
    counter,
    exposition,
    gauge,
    histogram,
    labelled,
)
from pipelinekit.rest.routing import Route

router = APIRouter(tags=["health"], route_class=Route)  # for readers
open_router = APIRouter(tags=["health"])  # for whoever is on this machine

PATH = "/metrics"
KEPT_SECONDS = 2.0  # for which the records are not asked again
_WAITING = (str(RunStatus.NOT_STARTED), str(RunStatus.QUEUED))
_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]


class Observed:
    """What the records say, asked for at most once in a while, however many want to know."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._known: tuple[Vitals, Waits] | None = None

    async def now(self, desk: Desk) -> tuple[Vitals, Waits] | None:
        """How the workspace is; None where the records cannot be reached."""
        async with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._known = await desk.do(_read)
                except PipelinekitError:
                    self._known = None
                self._until = time.monotonic() + KEPT_SECONDS
            return self._known


@router.get(PATH, operation_id="metrics", response_class=PlainTextResponse, responses=_ANSWERS)
async def guarded_metrics(asked: Viewing) -> PlainTextResponse:
    """Numbers for Prometheus: runs, steps, the queue, schedules, requests, the records."""
    return await _answer(asked.request)


@open_router.get(PATH, operation_id="metrics", response_class=PlainTextResponse, responses=_ANSWERS)
async def metrics(request: Request) -> PlainTextResponse:
    """Numbers for Prometheus: runs, steps, the queue, schedules, requests, the records."""
    return await _answer(request)


async def _answer(request: Request) -> PlainTextResponse:
    app = request.app
    desk: Desk = app.state.desk
    found = await app.state.observed.now(desk)
    families = [
        Family("pipelinekit_build_info", GAUGE, "The release that serves.", [Sample(1, {"version": app.version})]),
        gauge("pipelinekit_records_up", "Whether the records can be reached.", float(found is not None)),
        *((*_of_records(found[0]), *_of_schedules(found[0]), *_of_waits(found[1])) if found else ()),
        gauge("pipelinekit_live_views", "Streams of events that are open.", desk.streams.count),
        *desk.meters.families(),
    ]
    return PlainTextResponse(exposition(families), media_type=MEDIA_TYPE)


def _read(services: Services) -> tuple[Vitals, Waits]:
    return services.vitals.read(), services.lock_waits()


def _of_records(found: Vitals) -> list[Family]:
    totals: Mapping[str, Mapping[str, float]] = found.totals
    waiting = [found.runs[status] for status in _WAITING if status in found.runs]
    oldest = min((item.oldest for item in waiting), default=found.at)
    cleaned = totals.get(vitals.CLEANED, {}).get("")
    runs = {status: float(item.count) for status, item in found.runs.items()}
    driven = sum(item.driven for item in found.runs.values())
    words = "Seconds that steps of ended runs took; of those that were reused, that they would have taken."
    return [
        labelled("pipelinekit_runs_open", GAUGE, "Runs that have not ended.", "status", _with_zeros(runs)),
        labelled("pipelinekit_runs_total", COUNTER, "Runs that have ended.", "status", _ended(totals, vitals.RUNS)),
        gauge("pipelinekit_queue_runs", "Runs that wait for a driver.", sum(item.count for item in waiting)),
        gauge("pipelinekit_queue_oldest_age_seconds", "How long the oldest has waited.", max(found.at - oldest, 0)),
        gauge("pipelinekit_drivers", "Runs that a driver process has taken.", driven),
        labelled("pipelinekit_steps_open", GAUGE, "Steps in progress in open runs.", "status", found.steps),
        labelled(
            "pipelinekit_steps_total", COUNTER, "Steps of ended runs.", "status", _ended_steps(totals, vitals.STEPS)
        ),
        labelled("pipelinekit_step_seconds_total", COUNTER, words, "status", _ended_steps(totals, vitals.STEP_SECONDS)),
        gauge("pipelinekit_servers", "Servers that see to the workspace.", len(found.servers)),
        gauge("pipelinekit_server_runs", "Runs that they drive.", sum(item.running for item in found.servers)),
        gauge("pipelinekit_server_runs_limit", "Most that they drive.", sum(item.most for item in found.servers)),
        gauge("pipelinekit_records_size_bytes", "What the database takes.", found.size),
        gauge("pipelinekit_last_cleanup_timestamp_seconds", "When 'gc' last cleaned up; seconds since 1970.", cleaned),
    ]


def _of_schedules(found: Vitals) -> list[Family]:
    decided, known = found.totals.get(vitals.TICKS, {}), found.totals.get(vitals.LATENESS, {})
    late = 0.0 if found.pending_since is None else max(found.at - found.pending_since, 0.0)
    bounds = {bound: known.get(f"{bound:g}", 0.0) for bound in vitals.LATENESS_BOUNDS}
    lateness = histogram({}, bounds, known.get(vitals.COUNT, 0.0), known.get(vitals.SUM, 0.0))
    ticks, lates = "pipelinekit_schedule_ticks", "pipelinekit_schedule_lateness_seconds"
    words = "Instants of schedules, by what became of them."
    return [
        labelled(f"{ticks}_total", COUNTER, words, "disposition", decided),
        gauge(f"{ticks}_pending", "Instants that are due and undecided.", found.pending),
        gauge("pipelinekit_schedule_oldest_pending_age_seconds", "How late the oldest of them is.", late),
        Family(lates, HISTOGRAM, "How long after their instant runs of schedules were recorded.", lateness),
    ]


def _of_waits(waits: Waits) -> list[Family]:
    words = "How often this server waited for others that wrote to the records."
    return [
        counter("pipelinekit_records_lock_waits_total", words, waits.count),
        counter("pipelinekit_records_lock_wait_seconds_total", "For how long, in all.", waits.seconds),
    ]


def _with_zeros(runs: Mapping[str, float]) -> Mapping[str, float]:
    """Open statuses without a run are there, too: a graph with gaps would look as if nothing was told."""
    return {**{str(status): 0.0 for status in RunStatus if not status.final}, **runs}


def _ended(totals: Mapping[str, Mapping[str, float]], name: str) -> Mapping[str, float]:
    return {**{str(status): 0.0 for status in RunStatus if status.final}, **totals.get(name, {})}


def _ended_steps(totals: Mapping[str, Mapping[str, float]], name: str) -> Mapping[str, float]:
    return {**{str(status): 0.0 for status in StepStatus if status.final}, **totals.get(name, {})}
