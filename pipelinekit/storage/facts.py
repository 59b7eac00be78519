"""What is told of runs besides metrics, in the database: tags, properties, files, names, children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.attempts import LogChunk, Told, attempt_id, split_id
from pipelinekit.domain.metrics import CHILD, END, FILE, IMAGE, LOG, METRIC_KINDS, PROPERTY, TAG, Entry
from pipelinekit.domain.runs import Failure, RunRecord
from pipelinekit.domain.values import StoredValue
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.metrics import Place, add_metric, place_of
from pipelinekit.storage.runs import run_record
from pipelinekit.wire.runs import failure_to_json
from pipelinekit.wire.values import dumps, loads, value_from_json, value_to_json

_KEPT_BY = {TAG: "put_tag", PROPERTY: "add_property"}


class SQLFacts:
    """Implements `ports.FactRecords` on a database. An empty step means the run itself."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._attempts: dict[tuple[str, str], int] = {}
        self._logs = SQLLogs(database)

    # -- what steps tell ---------------------------------------------------------------------------------------------

    def tell(self, told: Sequence[Told]) -> None:
        """Keep what attempts told, in its order; what an earlier attempt of a step told as metrics goes."""
        with self._database.transaction():
            for event in told:
                run, step, number = split_id(event.attempt)
                if self._attempts.setdefault((run, step), number) < number:
                    self._attempts[run, step] = number
                    self._database.write("drop_metrics", (run, step))
                    self._database.write("drop_chunks", (run, step))
                for entry in event.entries:
                    self._keep(run, step, entry)

    def tell_run(self, run: str, entries: Sequence[Entry]) -> None:
        """Keep what was told of a run that has no steps, and of children of it."""
        with self._database.transaction():
            for entry in entries:
                self._keep(run, "", entry)

    def end_children(self, owner: str) -> None:
        """End the children that the steps of this driver left open, because they were killed."""
        failure = Failure("lost", "what made this child run ended before it did")
        self._database.write("end_children_of", (dumps(failure_to_json(failure)), self._clock.now(), owner))

    def _keep(self, run: str, step: str, entry: Entry) -> None:
        place = place_of(run, step, entry)
        places = [place, (run, "", 0)] if place[2] else [place]  # what is told to the run belongs to it as well
        if entry.kind in METRIC_KINDS:
            add_metric(self._database, place, entry)
            if entry.kind == IMAGE:
                self._put(places, "put_file", f"images/{entry.name}", dumps(entry.body), entry.at)
        elif entry.kind == FILE:
            self._put(places, "put_file", entry.name, dumps(entry.body), entry.at)
        elif entry.kind == LOG:
            self._logs.append([LogChunk(attempt_id(*place[:2], 1), entry.name, entry.body)], entry.at)
        elif entry.kind in _KEPT_BY:
            self._put(places, _KEPT_BY[entry.kind], entry.name, entry.body)
        elif entry.kind == CHILD:
            parent = entry.body["parent"] or run
            step = "" if entry.body["parent"] else step
            self._database.write("add_child", (entry.place, entry.at, entry.at, parent, step, entry.name, run))
        elif entry.kind == END:
            failure = dumps(failure_to_json(Failure("user", entry.body))) if entry.body else None
            self._database.write("end_child", (entry.name, entry.at, failure, entry.place))
            self._database.write("gather_own_metrics", (entry.place,))

    def _put(self, places: Sequence[Place], query: str, *values: Any) -> None:
        self._database.write_many(query, [(*place, *values) for place in places])

    # -- what people tell and ask ------------------------------------------------------------------------------------

    def set_tags(self, run: str, tags: Mapping[str, str], *, step: str = "") -> None:
        """Set tags; others stay."""
        self._database.write_many("put_tag", [(run, step, 0, key, value) for key, value in tags.items()])

    def remove_tags(self, run: str, keys: Sequence[str], *, step: str = "") -> None:
        """Remove tags; those that are not there need not be."""
        self._database.write_many("drop_tag", [(run, step, key) for key in keys])

    def add_properties(self, run: str, properties: Mapping[str, str], *, step: str = "") -> None:
        """Add properties; one that is there stays as it is."""
        self._database.write_many("add_property", [(run, step, 0, key, value) for key, value in properties.items()])

    def put_file(self, run: str, name: str, value: StoredValue, *, step: str = "") -> None:
        """Keep a stored file with a run; one of the same name is replaced."""
        self._database.write("put_file", (run, step, 0, name, dumps(value_to_json(value)), self._clock.now()))

    def rename(self, run: str, *, display_name: str | None = None, description: str | None = None) -> None:
        """Change how a run is shown; None leaves it as it is."""
        with self._database.transaction():
            if display_name is not None:
                self._database.write("name_run", (display_name, run))
            if description is not None:
                self._database.write("describe_run", (description, run))

    def tags(self, run: str, *, step: str = "") -> Mapping[str, str]:
        """Tags by key."""
        return {row["key"]: row["value"] for row in self._database.read("tags_of", (run, step))}

    def properties(self, run: str, *, step: str = "") -> Mapping[str, str]:
        """Properties by key."""
        return {row["key"]: row["value"] for row in self._database.read("properties_of", (run, step))}

    def files(self, run: str, *, step: str = "") -> Mapping[str, StoredValue]:
        """Files by name."""
        rows = self._database.read("files_of", (run, step))
        return {row["name"]: value_from_json(loads(row["value"])) for row in rows}

    def children(self, run: str, *, step: str = "") -> Sequence[RunRecord]:
        """Child runs in the order in which they began: of any step of a run, or of one."""
        return [run_record(row) for row in self._database.read("children_of", (run, step, step))]
