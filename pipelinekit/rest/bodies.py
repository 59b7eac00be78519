"""What requests may send: bodies that are read strictly. A key that is not known is refused with those that are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipelinekit.domain.upkeep import GRACE_SECONDS, SHORTEST_GRACE

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


class Started(Body):
    """What is said of any run that is asked for."""

    experiment: str = Field("", description="the experiment that the run belongs to")
    tags: dict[str, str] = Field({}, description="tags of the run")
    display_name: str = Field("", max_length=255, description="what the run is shown as")
    continue_on_step_failure: bool | None = Field(None, description="after a failure skip only what depends on it")
    regenerate: bool | Annotated[list[Pattern], Field(max_length=500)] = Field(
        False, description="execute whatever was kept: all, or steps by pattern"
    )
    compute: str = Field("", description="where steps run")
    priority: int | None = Field(
        None, description="of runs that wait, one with a higher priority goes first; 0 is usual"
    )
    max_queue_seconds: float | None = Field(
        None, ge=0, description="the run is canceled when nobody has taken it for so long; 0 for never"
    )
    callback: str = Field("", max_length=2000, description="an address that is told of the end of the run")


class Call(Started):
    """A call of a published pipeline. What is not said is as it was published."""

    version: int | None = Field(None, ge=0, description="the endpoint's version; its default by default")
    parameters: dict[str, Any] = Field({}, description="values of parameters, by name")


class Submission(Started):
    """A run of a pipeline that was uploaded."""

    upload: str = Field(max_length=64, description="the digest of the upload's document, which is a blob in the store")
    max_seconds: float = Field(0.0, ge=0, description="the run is canceled when it has taken so long; 0 for never")


class Publication(Body):
    """A pipeline that was uploaded, or the one of a run, to be published."""

    upload: str = Field("", description="the digest of the upload's document, which is a blob in the store")
    run: str = Field("", max_length=64, description="the run whose pipeline is published, instead of an upload")
    name: str = Field("", max_length=255, description="what it is published as; the pipeline's name")
    description: str = Field("", max_length=10_000)
    version: str = Field("", max_length=255, description="a version text of your own")
    experiment: str = Field("", description="the experiment of its runs; its name")
    compute: str = Field("", description="where its steps run; the server's default")
    continue_on_step_failure: bool = Field(False, description="after a failure skip only what depends on it")
    max_seconds: float = Field(0.0, ge=0, description="runs are canceled when they have taken so long; 0 for never")
    tags: dict[str, str] = Field({}, description="tags of its runs")
    endpoint: str = Field("", description="add it to this pipeline endpoint, made if there is none")
    default: bool = Field(False, description="as the version that calls of the endpoint mean")


class Digests(Body):
    """Blobs that are asked for."""

    digests: list[str] = Field(max_length=10_000)


class Environment(Body):
    """An environment that is to be locked."""

    name: str = Field("", description="a registered one, as NAME or NAME:VERSION")
    environment: dict[str, Any] | None = Field(None, description="what it consists of, where it is not registered")


class NewDraft(Body):
    """A pipeline draft that is to be made: of what is in the workspace, or of a pipeline that was uploaded."""

    source: str = Field("", max_length=300, description="run:ID, pipeline:ID, endpoint:NAME[@VERSION] or draft:ID")
    upload: str = Field("", max_length=64, description="instead of a source, the digest of an upload's document")
    name: str = Field("", max_length=255)
    description: str = Field("", max_length=10_000)
    experiment: str = Field("", description="the experiment of its runs")
    parameters: dict[str, Any] = Field({}, description="values that are other than there, by name")
    compute: str = Field("", description="where its steps run")
    continue_on_step_failure: bool | None = Field(None, description="after a failure skip only what depends on it")
    max_seconds: float = Field(0.0, ge=0, description="of an upload: runs are canceled when they have taken so long")
    tags: dict[str, str] | None = Field(None, description="tags of its runs")


class DraftChange(Body):
    """What is to change of a pipeline draft; what is not given stays."""

    name: str | None = Field(None, max_length=255)
    description: str | None = Field(None, max_length=10_000)
    experiment: str | None = None
    parameters: dict[str, Any] = Field({}, description="values that change, by name")
    compute: str = Field("", description="where its steps run")
    continue_on_step_failure: bool | None = Field(None, description="after a failure skip only what depends on it")
    tags: dict[str, str] | None = Field(None, description="all tags of its runs")
    version: int | None = Field(None, ge=1, description="the version that is changed; refused where it is another now")


class DraftPublication(Body):
    """How a pipeline draft is to be published; what is not given is as the draft has it."""

    name: str = Field("", max_length=255)
    description: str = Field("", max_length=10_000)
    version: str = Field("", max_length=255, description="a version text of your own")
    endpoint: str = Field("", description="add it to this pipeline endpoint, made if there is none")
    default: bool = Field(False, description="as the version that calls of the endpoint mean")


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
    priority: int = Field(0, description="of runs that wait, one with a higher priority goes first")
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


class NewWebhook(Body):
    """An address that is to be told of events."""

    name: str
    url: str = Field(max_length=2000, description="https, or on a host that an owner allowed")
    on: list[str] = Field([], description="events, such as run.failed; how runs end by default")
    endpoint: str = Field("", description="only what belongs to this pipeline endpoint")
    schedule: str = Field("", description="only what belongs to this schedule")
    experiment: str = Field("", description="only what belongs to this experiment")


class WebhookChange(Body):
    """What is to change of a webhook; what is not given stays. An empty text takes a limit away."""

    url: str | None = Field(None, max_length=2000, description="https, or on a host that an owner allowed")
    on: list[str] | None = Field(None, description="events, such as run.failed; none for how runs end")
    endpoint: str | None = Field(None, description="only what belongs to this pipeline endpoint")
    schedule: str | None = Field(None, description="only what belongs to this schedule")
    experiment: str | None = Field(None, description="only what belongs to this experiment")


class NewToken(Body):
    """A token that is to be made."""

    name: str
    role: str | None = None
    kind: str | None = None
    endpoint: str = ""
    expires: float | str = "90d"


class TagChange(Body):
    """Tags that are to be set, and those that are to be removed."""

    set: dict[str, str] = {}
    remove: list[str] = []


class NewProperties(Body):
    """Properties that are to be added."""

    add: dict[str, str]


class RunDescription(Body):
    """How a run is to be shown; what is not given stays."""

    display_name: str | None = Field(None, max_length=255)
    description: str | None = Field(None, max_length=10_000)


class NewExperiment(Body):
    """An experiment that is to be there."""

    name: str


class ExperimentChange(TagChange):
    """What is to change of an experiment; what is not given stays."""

    description: str | None = Field(None, max_length=10_000)


class RunLimits(Body):
    """How many runs may be under way at once."""

    max_runs: int = Field(description="so many at once; 0 for no limit")


class NewDatastore(Body):
    """A datastore that is to be registered."""

    name: str
    url: str = Field(description="s3://, az://, gs://, https://, http://, sftp://, or the whole path of a folder")
    options: dict[str, str] = Field({}, description="how to reach it")
    secrets: dict[str, str] = Field({}, description="by option, the workspace's secret that holds a credential")
    allow_private: bool = Field(False, description="a web server may have an address of the server's network")
    overwrite: bool = Field(False, description="replace a datastore of this name")
    skip_validation: bool = Field(False, description="do not look whether it can be reached")
    default: bool = Field(False, description="use it where none is named")


class DatasetSource(Body):
    """Where files of a dataset are: a path, folder or pattern in a datastore."""

    store: str = ""
    path: str


class NewDataset(Body):
    """A version of a dataset that is to be registered: files, or a table in files."""

    name: str
    sources: list[DatasetSource] = Field(min_length=1, max_length=1000)
    kind: Literal["file", "tabular"] = "file"
    format: str = Field("", description="parquet, csv, json or arrow, of a table; its suffix says it by default")
    delimiter: str = ","
    header: bool = True
    columns: list[str] = Field([], description="names of columns of CSV without a header")
    encoding: str = "utf8"
    null_values: list[str] = []
    types: dict[str, str] = Field({}, description="of columns of CSV and JSON")
    partitioning: str = ""
    recipe: list[list[Any]] = Field([], description="what is done to the table before it is read")
    description: str = Field("", max_length=10_000)
    tags: dict[str, str] = {}
    create_new_version: bool = Field(False, description="add a version to a dataset that is there")
    exist_ok: bool = Field(False, description="do nothing where the newest version is the same")
    profile: bool = Field(True, description="look through the table")


class DatasetChange(Body):
    """What is to change of a version of a dataset; what is not given stays."""

    description: str | None = Field(None, max_length=10_000)
    add_tags: dict[str, str] = {}
    remove_tags: list[str] = []


class NewEnvironment(Body):
    """An environment that is to be registered."""

    name: str
    version: int | None = Field(None, ge=1, description="that number and no other")
    packages: list[str] = []
    variables: dict[str, str] = {}
    python: str = ""
    image: str = ""
    dockerfile: str = Field("", max_length=100_000)


class Clone(Body):
    """A copy under another name."""

    name: str


class SecretValue(Body):
    """The value of a secret. Nothing shows it again."""

    value: str


class Repetition(Body):
    """How a run is to be done again."""

    verify: bool = Field(False, description="execute every step that would be reused, and compare")


class Invalidation(Body):
    """Which results are to be reused no more: those that fit all that is given."""

    step: str = Field("", description="a pattern of names of steps")
    pipeline: str = Field("", description="a pattern of names of pipelines")
    run: str = Field("", description="the id of the run that made them")
    before: float = Field(0.0, description="made before then, in seconds since 1970")
    cause: str = Field("", description="why their steps ran")
    why: str = Field("it was invalidated by hand", max_length=1000, description="told when a step runs again")
    dry_run: bool = Field(False, description="only tell which")


_DIGEST = r"^xxh3:[0-9a-f]{32}$"


class Blob(Body):
    """Bytes that were sent before."""

    blob: str = Field(pattern=_DIGEST, description="the digest of the bytes")


class NewFile(Blob):
    """A file or folder that is to be kept."""

    name: str
    folder: bool = Field(False, description="the bytes are the manifest of a folder, whose files were sent, too")
    suffix: str = Field("", max_length=20, description="of the file's name, as .csv")


class Repair(Body):
    """A check that mends."""

    quick: bool = Field(False, description="look whether blobs are there, without reading them")


class CleanUp(Body):
    """A clean-up. Without any key only what nothing refers to goes."""

    dry_run: bool = Field(False, description="only tell what would go")
    keep_days: float | None = Field(None, ge=0, description="remove runs that are older")
    keep_runs: int | None = Field(None, ge=0, description="remove runs beyond the newest of each pipeline")
    unused_days: float | None = Field(None, ge=0, description="give up results that nobody has used for so long")
    max_bytes: int | None = Field(None, ge=0, description="give up results until the store is no larger")
    grace_seconds: float = Field(GRACE_SECONDS, ge=SHORTEST_GRACE, description="keep files that were used so lately")
