"""Published pipelines and pipeline endpoints in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pipelinekit.domain.pipeline_endpoints import EndpointStatus, EndpointVersion, PipelineEndpoint
from pipelinekit.domain.published_pipelines import PublishedPipeline, PublishedStatus
from pipelinekit.errors import ConflictError, NotFoundError, UsageError
from pipelinekit.late import late
from pipelinekit.storage.database import Database, Row
from pipelinekit.typed import TYPE_CHECKING
from pipelinekit.wire.publishing import endpoint_body, given_to_json, published_body, published_fields
from pipelinekit.wire.runs import paths_from_json
from pipelinekit.wire.values import dumps, loads, values_from_json

if TYPE_CHECKING:
    from pipelinekit.storage import outbox
    from pipelinekit.wire import webhooks
else:
    outbox = late("pipelinekit.storage.outbox")
    webhooks = late("pipelinekit.wire.webhooks")


class SQLPublishedPipelines:
    """Implements `ports.PublishedPipelineRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, pipeline: PublishedPipeline) -> None:
        """Keep a pipeline."""
        given, paths = map(dumps, given_to_json(pipeline))
        times = (pipeline.created_at, pipeline.updated_at)
        content = (given, paths, dumps(published_body(pipeline)))
        row = (pipeline.id, pipeline.name, pipeline.graph, str(pipeline.status), *content, *times)
        self._database.write("add_published", row)

    def get(self, pipeline: str) -> PublishedPipeline:
        """The pipeline of this id or unique beginning of one."""
        rows = self._database.read("published_like", (pipeline, pipeline + "~")) if pipeline else []
        if not rows:
            raise no_published(pipeline)
        if len(rows) > 1 and rows[0]["id"] != pipeline:
            raise UsageError(
                f"several published pipelines begin with {pipeline!r}", hint="give more characters of the id"
            )
        return _published(rows[0])

    def list(self, *, name: str = "") -> Sequence[PublishedPipeline]:
        """All of them, or those of a name."""
        found = self._database.read("list_published_of", (name,)) if name else self._database.read("list_published")
        return [_published(row) for row in found]

    def change(self, pipeline: str, how: Callable[[PublishedPipeline], PublishedPipeline]) -> PublishedPipeline:
        """Keep what `how` makes of it."""
        with self._database.transaction():
            self._database.lock()
            changed = how(self.get(pipeline))
            row = (str(changed.status), dumps(published_body(changed)), changed.updated_at, changed.id)
            self._database.write("replace_published", row)
        return changed

    def remove(self, pipeline: str) -> None:
        """Forget a pipeline."""
        with self._database.transaction():
            self._database.lock()
            found = self.get(pipeline).id
            if rows := self._database.read("versions_of_pipeline", (found,)):
                raise in_use(found, [(row["endpoint"], row["number"]) for row in rows])
            self._database.write("delete_published", (found,))


class SQLPipelineEndpoints:
    """Implements `ports.PipelineEndpointRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, endpoint: PipelineEndpoint) -> None:
        """Keep an endpoint."""
        row = (*_named(endpoint), endpoint.default, dumps(endpoint_body(endpoint)), endpoint.created_at)
        with self._database.transaction():
            if not self._database.write_returning("add_endpoint", (endpoint.id, *row, endpoint.updated_at)):
                raise name_taken(endpoint.name)
            self._add_versions(endpoint)

    def get(self, endpoint: str) -> PipelineEndpoint:
        """The endpoint of this name or id."""
        rows = self._database.read("get_endpoint", (endpoint.lower(), endpoint))
        if not rows:
            raise no_endpoint(endpoint, self.list())
        return _endpoint(rows[0], [row for row in rows if row["id"] == rows[0]["id"]])

    def list(self) -> Sequence[PipelineEndpoint]:
        """All of them."""
        versions: dict[str, list[Row]] = {}
        for row in self._database.read("all_endpoint_versions"):
            versions.setdefault(row["endpoint"], []).append(row)
        return [_endpoint(row, versions.get(row["id"], ())) for row in self._database.read("list_endpoints")]

    def change(self, endpoint: str, how: Callable[[PipelineEndpoint], PipelineEndpoint]) -> PipelineEndpoint:
        """Keep what `how` makes of it."""
        with self._database.transaction():
            self._database.lock()
            found = self.get(endpoint)
            changed = how(found)
            folded, *named = _named(changed)
            holders = [] if folded is None else self._database.read("holder_of_endpoint_name", (folded,))
            if any(row["id"] != changed.id for row in holders):
                raise name_taken(changed.name)
            row = (folded, *named, changed.default, dumps(endpoint_body(changed)), changed.updated_at, changed.id)
            self._database.write("replace_endpoint", row)
            self._add_versions(changed)
            if changed.default != found.default:
                at = changed.updated_at
                outbox.tell_if_heard(self._database, lambda: webhooks.default_changed_event(changed, found.default, at))
        return changed

    def remove(self, endpoint: str) -> None:
        """Forget an endpoint."""
        with self._database.transaction():
            self._database.lock()
            found = self.get(endpoint).id
            self._database.write("delete_endpoint_versions", (found,))
            self._database.write_returning("delete_endpoint", (found,))

    def _add_versions(self, endpoint: PipelineEndpoint) -> None:
        rows = [(endpoint.id, item.number, item.pipeline, item.added_at, item.added_by) for item in endpoint.versions]
        self._database.write_many("add_endpoint_version", rows)


def no_published(pipeline: str) -> NotFoundError:
    """What to say where a published pipeline is not."""
    return NotFoundError(
        f"there is no published pipeline {pipeline!r}",
        hint="'pipelinekit pipelines list' shows them; 'pipelinekit publish FILE' makes one",
    )


def in_use(pipeline: str, versions: Iterable[tuple[str, int]]) -> ConflictError:
    """What to say where a published pipeline is a version of endpoints."""
    places = ", ".join(f"version {number} of {name!r}" for name, number in versions)
    return ConflictError(
        f"published pipeline {pipeline} cannot be deleted: it is {places}",
        hint="disable it, or delete the endpoint first",
    )


def no_endpoint(name: str, known: Iterable[PipelineEndpoint]) -> NotFoundError:
    """What to say where a pipeline endpoint is not."""
    names = ", ".join(item.name for item in known if item.status is not EndpointStatus.ARCHIVED) or "none yet"
    return NotFoundError(
        f"there is no pipeline endpoint {name!r}",
        hint=f"there are: {names}; 'pipelinekit publish FILE --endpoint NAME' makes one",
    )


def name_taken(name: str) -> ConflictError:
    """What to say where another endpoint has the name."""
    return ConflictError(
        f"there is a pipeline endpoint {name!r} already", hint="choose another name, or archive that one first"
    )


def _named(endpoint: PipelineEndpoint) -> tuple[str | None, str, str]:
    folded = None if endpoint.status is EndpointStatus.ARCHIVED else endpoint.name.lower()
    return folded, endpoint.name, str(endpoint.status)


def _published(row: Row) -> PublishedPipeline:
    return PublishedPipeline(
        row["id"],
        row["name"],
        row["graph"],
        PublishedStatus(row["status"]),
        values=values_from_json(loads(row["given"])),
        paths=paths_from_json(loads(row["paths"])),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        **published_fields(loads(row["body"])),
    )


def _endpoint(row: Row, versions: Iterable[Row]) -> PipelineEndpoint:
    return PipelineEndpoint(
        row["id"],
        row["name"],
        tuple(
            EndpointVersion(item["number"], item["pipeline"], item["added_at"], item["added_by"]) for item in versions
        ),
        row["default_version"],
        EndpointStatus(row["status"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        **loads(row["body"]),
    )
