"""What requests may send: bodies that are read strictly. A key that is not known is refused with those that are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

SHOWN_KEYS = 20  # of those that are not known
Pattern = Annotated[str, Field(max_length=255)]


class Body(BaseModel):
    """A body without unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            if unknown := [str(key) for key in data if key not in known]:
                shown = ", ".join(repr(key[:80]) for key in unknown[:SHOWN_KEYS])
                raise PydanticCustomError(
                    "unknown_keys",
                    "there is no key {unknown}",
                    {"unknown": shown, "valid": f"there are: {', '.join(known)}"},
                )
        return data


class Call(Body):
    """A call of a published pipeline. What is not said is as it was published."""

    version: int | None = Field(None, ge=0, description="the endpoint's version; its default by default")
    experiment: str = Field("", description="the experiment that the run belongs to")
    parameters: dict[str, Any] = Field({}, description="values of parameters, by name")
    tags: dict[str, str] = Field({}, description="tags of the run")
    display_name: str = Field("", max_length=255, description="what the run is shown as")
    continue_on_step_failure: bool | None = Field(None, description="after a failure skip only what depends on it")
    regenerate: bool | Annotated[list[Pattern], Field(max_length=500)] = Field(
        False, description="execute whatever was kept: all, or steps by pattern"
    )
    compute: str = Field("", description="where steps run")


class Description(Body):
    """A new description."""

    description: str = Field(max_length=10_000)


class NewEndpoint(Body):
    """A pipeline endpoint that is to be made."""

    name: str
    pipeline: str = Field(description="the id of the published pipeline that is its version 0")
    description: str = ""
    tags: dict[str, str] = {}
    proven: bool = Field(False, description="a version becomes the default only after a run of it has completed")


class EndpointChange(Body):
    """What is to change of a pipeline endpoint; what is not given stays."""

    description: str | None = None
    tags: dict[str, str] | None = None
    proven: bool | None = None
    default_version: int | None = Field(None, ge=0)


class NewVersion(Body):
    """A version that is to be added to an endpoint."""

    pipeline: str = Field(description="the id of the published pipeline")
    default: bool = Field(False, description="make it the default")


class Reactivation(Body):
    """The name under which an archived endpoint is used again."""

    name: str = Field("", description="its old one, if that is free, by default")


class ScheduleBody(Body):
    """What a schedule says: one rule, one target, and what its runs are given. Everything wrong with it is told."""

    cron: str = Field("", description="minute, hour, day of month, month, day of week; or @daily and the like")
    recurrence: dict[str, Any] = Field({}, description="frequency, interval, hours, minutes, week_days, time_of_day")
    data_change: dict[str, Any] = Field({}, description="datastore and path, or dataset; parameter, poll, settle")
    endpoint: str = Field("", description="the pipeline endpoint whose default version is run")
    pipeline: str = Field("", description="the id of the published pipeline that is run")
    experiment: str = Field("", description="the experiment that its runs belong to")
    zone: str = Field("UTC", description="whose clocks count, such as Europe/Berlin")
    start: float | str | None = Field(None, description="from when, as its clocks show it; or seconds since 1970")
    end: float | str | None = Field(None, description="until when")
    policies: dict[str, Any] = Field({}, description="overlap, catch_up, gap, repeat, jitter and their bounds")
    parameters: dict[str, Any] = Field({}, description="values; texts may hold {{due}}, {{due_date}} and others")
    continue_on_step_failure: bool = Field(False, description="after a failure skip only what depends on it")
    notify: list[str] = Field([], description="who is told of runs that failed")
    description: str = ""
    tags: dict[str, str] = {}


class NewSchedule(ScheduleBody):
    """A schedule that is to be made."""

    name: str
    enabled: bool = Field(True, description="whether instants come due")


class NewBackfill(Body):
    """Instants of the past that runs are to be started for."""

    since: float | str = Field(description="as the schedule's clocks show it, such as 2026-01-31T09:30")
    until: float | str = Field(description="the last instant that counts")
    missing_only: bool = Field(True, description="leave out those that a run was started for")
    at_once: int = Field(1, ge=1, le=10_000, description="so many runs open at a time")


class NewToken(Body):
    """A token that is to be made."""

    name: str
    role: str | None = None
    kind: str | None = None
    endpoint: str = ""
    expires: str = "90d"


class TagChange(Body):
    """Tags that are to be set, and those that are to be removed."""

    set: dict[str, str] = {}
    remove: list[str] = []
