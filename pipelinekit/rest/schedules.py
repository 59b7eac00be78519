"""Schedules over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ, TRIGGER
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.rest import bodies
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.schedules import backfill_document, history_document, schedule_document, tick_document
from pipelinekit.workspace.schedules import PREVIEWED, ScheduleCollection, ScheduleHandle, preview_document

router = APIRouter(prefix="/schedules", tags=["schedules"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Publishing = Annotated[Asked, Depends(Needs(Permission.PUBLISH, READ))]
Starting = Annotated[Asked, Depends(Needs(Permission.PUBLISH, TRIGGER))]
Name = Annotated[str, InPath(description="the name or id of a schedule", max_length=255)]


@router.get("", operation_id="list_schedules")
async def list_schedules(
    asked: Viewing, active: bool = False, endpoint: str = "", pipeline: str = "", deleted: bool = False
) -> dict[str, Any]:
    """Schedules by name, and whether some process makes runs of them now."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.schedules.list(active_only=active, endpoint=endpoint, pipeline=pipeline, deleted=deleted)
        documents = [schedule_document(item.record) for item in found]
        return {"schedules": documents, "served": services.are_schedules_served()}

    return await asked.do(work)


@router.post("", operation_id="create_schedule", status_code=201)
async def create_schedule(asked: Publishing, body: bodies.NewSchedule) -> dict[str, Any]:
    """Have an endpoint or a published pipeline run by itself."""
    document = body.model_dump(exclude_unset=True)
    return await _change(asked, "create", lambda schedules: schedules.load(document))


@router.get("/{schedule}", operation_id="show_schedule")
async def show_schedule(asked: Viewing, schedule: Name) -> dict[str, Any]:
    """What one of them says."""
    return await asked.do(lambda services, _: schedule_document(services.schedules.get(schedule).record))


@router.put("/{schedule}", operation_id="replace_schedule")
async def replace_schedule(asked: Publishing, schedule: Name, body: bodies.ScheduleBody) -> dict[str, Any]:
    """Have a schedule say something else; it stays enabled or not. What came due before and has not started is void."""
    document = body.model_dump(exclude_unset=True)

    def how(schedules: ScheduleCollection) -> ScheduleHandle:
        return schedules.load({**document, "name": schedules.get(schedule).name}, replace=True)

    return await _change(asked, "replace", how)


@router.get("/{schedule}/history", operation_id="show_schedule_history")
async def show_history(
    asked: Viewing, schedule: Name, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, Any]:
    """What became of its instants, the newest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        handle = services.schedules.get(schedule)
        return history_document(handle.record, *handle.history(limit))

    return await asked.do(work)


@router.get("/{schedule}/pending", operation_id="list_pending_instants")
async def list_pending(asked: Viewing, schedule: Name) -> dict[str, Any]:
    """What has come due or was asked for, and has not started; the earliest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"ticks": [tick_document(tick) for tick in services.schedules.get(schedule).pending()]}

    return await asked.do(work)


@router.get("/{schedule}/preview", operation_id="preview_schedule")
async def preview_schedule(
    asked: Viewing, schedule: Name, count: Annotated[int, Query(ge=1, le=1000)] = PREVIEWED
) -> dict[str, Any]:
    """Its next instants, with what changes of clocks do to them."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        handle = services.schedules.get(schedule)
        return preview_document(handle.record, handle.preview(count))

    return await asked.do(work)


@router.post("/{schedule}/enable", operation_id="enable_schedule")
async def enable_schedule(asked: Publishing, schedule: Name, replay: bool = False) -> dict[str, Any]:
    """Have instants come due again; with `replay` those that passed meanwhile are made up as its policy says."""
    return await _change(asked, "enable", lambda schedules: schedules.enable(schedule, replay=replay))


@router.post("/{schedule}/disable", operation_id="disable_schedule")
async def disable_schedule(asked: Publishing, schedule: Name) -> dict[str, Any]:
    """Have nothing come due any more. Runs that are open go on."""
    return await _change(asked, "disable", lambda schedules: schedules.disable(schedule))


@router.post("/{schedule}/run-now", operation_id="run_schedule_now", status_code=202)
async def run_now(asked: Starting, schedule: Name) -> dict[str, Any]:
    """Have a run started as soon as the schedules are looked at, whatever is due or open."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            handle = services.schedules.get(schedule)
            tick = handle.run_now()
            services.audit.note("schedules.run-now", handle.name, by=asked.origin(principal))
        return {"schedule": handle.id, "name": handle.name, **tick_document(tick)}

    return await asked.do(work)


@router.post("/{schedule}/backfills", operation_id="backfill_schedule", status_code=202)
async def backfill_schedule(asked: Starting, schedule: Name, body: bodies.NewBackfill) -> dict[str, Any]:
    """Have runs started for instants of the past."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            handle = services.schedules.get(schedule)
            made = handle.backfill(body.since, body.until, missing_only=body.missing_only, at_once=body.at_once)
            services.audit.note("schedules.backfill", handle.name, by=asked.origin(principal), after=made.origin)
        ticks = [tick for tick in handle.pending() if tick.origin == made.origin]
        return {"schedule": handle.id, "name": handle.name, **backfill_document(made, ticks)}

    return await asked.do(work)


@router.delete("/{schedule}", operation_id="delete_schedule", status_code=204, response_class=Response)
async def delete_schedule(asked: Publishing, schedule: Name) -> None:
    """Disable it for good, and free its name; its history stays under its id."""

    def how(schedules: ScheduleCollection) -> ScheduleHandle:
        handle = schedules.get(schedule)
        handle.delete()
        return handle

    await _change(asked, "delete", how)


async def _change(asked: Asked, verb: str, how: Callable[[ScheduleCollection], ScheduleHandle]) -> dict[str, Any]:
    """Change a schedule, and note who did, in one transaction; how it stands then."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        with services.records.batch():
            handle = how(services.schedules)
            services.audit.note(f"schedules.{verb}", handle.name, by=asked.origin(principal))
        return schedule_document(handle.record)

    return await asked.do(work)
