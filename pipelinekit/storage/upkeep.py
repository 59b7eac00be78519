"""Upkeep of the records in the database: one look at everything that names something, and what is removed at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.domain.upkeep import (
    ClaimEntry,
    CompletionEntry,
    EventEntry,
    History,
    Inventory,
    Place,
    Removal,
    RunEntry,
    StepEntry,
)
from pipelinekit.domain.values import StoredValue
from pipelinekit.domain.vitals import CLEANED
from pipelinekit.errors import NotFoundError
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database, Row
from pipelinekit.wire.runs import paths_from_json
from pipelinekit.wire.values import loads, value_from_json, values_from_json

_TOLD = ("drop_metrics", "drop_chunks", "delete_tags", "delete_properties", "delete_files")


class SQLUpkeep:
    """Implements `ports.UpkeepRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def pin(self, run: str, *, pinned: bool) -> None:
        """Keep a run whatever the policy says, or no longer."""
        if self._database.write("pin_run", (int(pinned), run)) == 0:
            raise NotFoundError(f"there is no run {run!r}", hint="'pipelinekit runs list' shows the runs")

    def keep_compiled(self, graph: str) -> None:
        """Note that a graph was compiled to a document, which may be submitted later."""
        self._database.write("keep_compiled", (graph, self._clock.now()))

    def inventory(self) -> Inventory:
        """Everything that names something else, at one moment."""
        read = self._database.read
        with self._database.transaction():
            self._database.lock()
            runs, steps, completions = read("all_runs"), read("all_steps"), read("all_completions")
            compiled, claims, losses = read("list_compiled"), read("all_claims"), read("all_losses")
            files, children, published = read("all_files"), read("all_children"), read("all_published")
        kept = _files(files, {row["id"]: (row["parent"], row["parent_step"]) for row in children})
        return Inventory(
            {row["id"]: _run(row, kept) for row in runs},
            tuple(map(_step, steps)),
            tuple(_completion(row, kept) for row in completions),
            {row["graph"]: row["compiled_at"] for row in compiled},
            tuple(map(_claim, claims)),
            frozenset(row["blob"] for row in losses),
            tuple((row["graph"], _published(row)) for row in published),
        )

    def documents(self) -> Mapping[str, int]:
        """The digest and length of every document."""
        return {row["digest"]: row["size"] for row in self._database.read("document_sizes")}

    def logs(self) -> Mapping[Place, int]:
        """The length of the log of every step that wrote one."""
        return {(row["run"], row["step"]): row["size"] for row in self._database.read("log_sizes")}

    def remove(self, removal: Removal, documents: Iterable[str]) -> None:
        """Do to the records what was decided, and delete documents."""
        write = self._database.write_many
        now = self._clock.now()
        with self._database.transaction():
            write("revoke_completion", [_place(item) for item in removal.revoked])
            write("doom_completion", [(now, *_place(item)) for item in removal.doomed])
            write("delete_completion", [_place(item) for item in removal.deleted])
            hidden = set(removal.removed) - set(removal.erased)
            write("hide_run", [(now, run) for run in hidden])
            stubs = {run for run, _ in removal.stays}
            leaving = sorted({*removal.removed, *removal.erased, *stubs})
            for run in leaving:
                self._strip(run, removal.stays)
            if leaving:
                self._database.write("drop_latest")
                self._database.write("renew_latest")
            write("delete_run", [(run,) for run in removal.erased])
            write("delete_compiled", [(graph,) for graph in removal.graphs])
            write("delete_document", [(digest,) for digest in documents])
            self._database.write("set_total", (CLEANED, "", now))

    def histories(self) -> Mapping[str, History]:
        """The events of every run that is not removed."""
        events: dict[str, list[EventEntry]] = {}
        with self._database.transaction():
            self._database.lock()
            counts = self._database.read("event_counts")
            rows = self._database.read("all_events")
        for row in rows:
            body = loads(row["body"])
            if "carried" in body:
                body["steps"] = self._carried(row["run"], body.get("but", ()))
            steps = tuple((name, status) for name, status in body.get("steps", ()))
            events.setdefault(row["run"], []).append(EventEntry(row["sequence"], steps, _ending(body)))
        return {row["id"]: History(row["events"], tuple(events.get(row["id"], ()))) for row in counts}

    def _carried(self, run: str, but: Iterable[int]) -> list[tuple[str, str]]:
        """What carrying over told of the steps of a run: that they are reused, or skipped for good."""
        skipped, left_out = StepStatus.SKIPPED.value, set(but)
        return [
            (row["step"], skipped if row["status"] == skipped else StepStatus.REUSED.value)
            for row in self._database.read("statuses_of_run", (run,))
            if row["node"] not in left_out
        ]

    def damages(self) -> Sequence[str]:
        """What the database finds wrong with its file."""
        return self._database.check()

    def end_claims(self, keys: Iterable[str]) -> None:
        """End claims."""
        self._database.write_many("end_claim", [(key,) for key in keys])

    def lose(self, blobs: Iterable[str]) -> None:
        """Note that blobs are lost for good, so that it is known."""
        now = self._clock.now()
        self._database.write_many("add_loss", [(blob, now) for blob in blobs])

    def regain(self, blobs: Iterable[str]) -> None:
        """Note that blobs that were lost are there again."""
        self._database.write_many("drop_loss", [(blob,) for blob in blobs])

    def _strip(self, run: str, stays: frozenset[Place]) -> None:
        """Leave of a removed run only the steps whose results stay, with all they said; what it used stays noted."""
        uses = [
            (row["ended_at"], row["original_run"], row["original_step"], row["ended_at"])
            for row in self._database.read("uses_by", (run,))
        ]
        self._database.write_many("use_completion", uses)
        for query, delete in (("steps_of", "delete_step"), ("logged_steps_of", "delete_log")):
            leaving = [(run, row["step"]) for row in self._database.read(query, (run,))]
            self._database.write_many(delete, [place for place in leaving if place not in stays])
        told = [(run, row["step"]) for row in self._database.read("told_steps_of", (run,) * 4)]
        for delete in _TOLD:
            self._database.write_many(delete, [place for place in told if place not in stays])
        for child in self._database.read("children_made_by", (run,)):
            if (run, child["parent_step"]) not in stays:
                self._strip(child["id"], frozenset())
                self._database.write("delete_run", (child["id"],))
        for delete in ("delete_events", "delete_claims", "delete_parameters", "delete_run_metrics", "delete_changes"):
            self._database.write(delete, (run,))


def _place(item: CompletionEntry) -> tuple[str, str, int]:
    return item.run, item.step, item.attempt


def _files(rows: Iterable[Row], parents: Mapping[str, Place]) -> Mapping[Place, list[StoredValue]]:
    """What is kept with runs, by run and step, and by run with an empty step; what a child has is its parent's."""
    found: dict[Place, list[StoredValue]] = {}
    for row in rows:
        run, step, value = row["run"], row["step"], value_from_json(loads(row["value"]))
        while run in parents:
            run, step = parents[run]
        for place in {(run, step), (run, "")}:
            found.setdefault(place, []).append(value)
    return found


def _published(row: Row) -> tuple[StoredValue, ...]:
    values, paths = values_from_json(loads(row["given"])), paths_from_json(loads(row["paths"]))
    return (*values.values(), *paths.values())


def _run(row: Row, files: Mapping[Place, list[StoredValue]]) -> RunEntry:
    values = (
        *values_from_json(loads(row["arguments"])).values(),
        *paths_from_json(loads(row["paths"])).values(),
        *values_from_json(loads(row["outputs"])).values(),
        *files.get((row["id"], ""), ()),
    )
    return RunEntry(
        row["id"],
        row["pipeline"],
        row["graph"],
        RunStatus(row["status"]),
        row["created_at"],
        values,
        bool(row["pinned"]),
        row["removed_at"] is not None,
    )


def _step(row: Row) -> StepEntry:
    shown = (row["original_run"], row["original_step"]) if row["original_run"] else (row["run"], row["step"])
    return StepEntry(row["run"], row["step"], StepStatus(row["status"]), row["key"], shown, row["attempt"])


def _completion(row: Row, files: Mapping[Place, list[StoredValue]]) -> CompletionEntry:
    return CompletionEntry(
        row["run"],
        row["step"],
        row["attempt"],
        row["key"],
        row["definition"],
        (*values_from_json(loads(row["outputs"])).values(), *files.get((row["run"], row["step"]), ())),
        row["seconds"],
        max(row["noted_at"], row["shown_at"] or 0.0),
        bool(row["reusable"]),
        row["doomed_at"],
    )


def _claim(row: Row) -> ClaimEntry:
    status = RunStatus(row["status"]) if row["status"] else None
    return ClaimEntry(row["key"], row["run"], row["step"], row["epoch"], row["run_epoch"], status)


def _ending(event: Mapping[str, str]) -> str:
    """The status that a run ended with at this event; empty when it only was queued again."""
    status = event.get("status", "")
    return status if status and RunStatus(status).final else ""
