"""What every implementation of the records must do.

Derive a test class, and give it `make()`: records with two owners, one that counts as alive and one as dead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipelinekit.classes import frozen
from pipelinekit.domain.attempts import LogChunk
from pipelinekit.domain.digests import digest
from pipelinekit.domain.runs import (
    NEWEST_EXECUTIONS,
    Completion,
    Failure,
    Reason,
    RunOptions,
    RunRecord,
    RunStatus,
    StepRecord,
    StepStatus,
)
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue, list_of, plain
from pipelinekit.errors import LeaseLostError, NotFoundError, PipelinekitError, UsageError
from pipelinekit.ports import CarryRecords, Documents, DriverRecords, LogRecords, ReuseRecords, RunRecords
from pipelinekit.ports.facts import ExperimentRecords, FactRecords, MetricRecords, RunQueries
from pipelinekit.testing.clock import HandClock


@frozen
class MadeRecords:
    """The records under test, and the owners to use with them."""

    runs: RunRecords
    driving: DriverRecords
    reuse: ReuseRecords
    carrying: CarryRecords
    documents: Documents
    logs: LogRecords
    facts: FactRecords
    metrics: MetricRecords
    queries: RunQueries
    experiments: ExperimentRecords
    clock: HandClock
    alive: str
    dead: str


@contextmanager
def refused(kind: type[PipelinekitError]) -> Iterator[None]:
    """The block must raise this error."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def new_run(name: str, *, experiment: str = "exp", at: float = 0.0, status: RunStatus = RunStatus.QUEUED) -> RunRecord:
    """A run that has not been recorded yet."""
    identity = f"{name:0>14}"
    return RunRecord(identity, 0, experiment, "pipe", digest("graph"), status, at)


def key(name: str) -> str:
    """Some key."""
    return digest(["key", name])


def change(run: str, step: str, status: StepStatus, **details: object) -> StepRecord:
    """A step run as the driver records it."""
    return StepRecord(run, step, 0, status, **details)  # type: ignore[arg-type]


def completion(run: str, step: str, value: object, *, of: str = "", seconds: float = 1.0) -> Completion:
    """A completion under the key that is named like the step, or `of`."""
    return Completion(key(of or step), run, step, {"output": plain(value)}, seconds, 1, digest("definition"))


class RecordsContract:
    """The suite. `make` is called once for every test."""

    def make(self) -> MadeRecords:
        """Empty records."""
        raise NotImplementedError

    def started(self, records: MadeRecords, name: str, owner: str = "") -> RunRecord:
        """A run that a driver has taken."""
        records.runs.create(new_run(name))
        return records.driving.take(new_run(name).id, owner or records.alive)

    # -- runs ------------------------------------------------------------------------------------------------------

    def test_a_run_comes_back_as_it_was_recorded(self) -> None:
        records = self.make()
        run = RunRecord(
            "00000000000abc",
            0,
            "exp",
            "pipe",
            digest("graph"),
            RunStatus.QUEUED,
            12.5,
            {"alpha": plain(0.5), "names": list_of([plain("é"), plain(None)])},
            {PathRef("data.csv"): StoredValue(digest(1), "file", 3, digest(2), suffix=".csv")},
            options=RunOptions(("train*",), True, "tcp://host:1"),
            source="pipeline.py",
            details={"user": "ada"},
        )
        created = records.runs.create(run, {"colour": "red"})
        assert created == records.runs.get(run.id)
        assert records.facts.properties(run.id) == {"colour": "red"}
        assert created.number == 1
        assert created.arguments == run.arguments
        assert created.paths == run.paths
        assert created.options == run.options
        assert created.details == run.details

    def test_runs_are_numbered_within_their_experiment(self) -> None:
        records = self.make()
        numbers = [
            records.runs.create(new_run(name, experiment=experiment)).number
            for name, experiment in [("1", "a"), ("2", "b"), ("3", "a")]
        ]
        assert numbers == [1, 1, 2]
        assert {item.name: item.runs for item in records.experiments.list()} == {"a": 2, "b": 1}

    def test_runs_are_found_by_id_by_its_beginning_and_as_the_newest(self) -> None:
        records = self.make()
        with refused(NotFoundError):
            records.runs.get("latest")
        for name in ("aaa1", "aaa2", "bbb1"):
            records.runs.create(RunRecord(name.ljust(14, "0"), 0, "e", "p", "g", RunStatus.QUEUED, 0.0))
        assert records.runs.get("latest").id == "bbb10000000000"
        assert records.runs.get("bb").id == "bbb10000000000"
        with refused(UsageError):
            records.runs.get("aaa")
        with refused(NotFoundError):
            records.runs.get("zzz")

    # -- leases ----------------------------------------------------------------------------------------------------

    def test_a_driver_takes_a_run_and_the_epoch_grows(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        assert (run.status, run.owner, run.epoch) == (RunStatus.RUNNING, records.alive, 1)
        assert run.started_at == records.clock.now()
        assert records.driving.take(run.id, records.alive).epoch == 2

    def test_a_run_of_a_live_driver_cannot_be_taken_by_another(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        with refused(LeaseLostError):
            records.driving.take(run.id, "somebody else")

    def test_a_run_of_a_dead_driver_is_taken_over_and_the_late_one_is_fenced(self) -> None:
        records = self.make()
        old = self.started(records, "1", records.dead)
        new = records.driving.take(old.id, records.alive)
        assert new.epoch == old.epoch + 1
        with refused(LeaseLostError):
            records.driving.record(old.id, old.epoch, [change(old.id, "a", StepStatus.QUEUED)])
        with refused(LeaseLostError):
            records.driving.renew(old.id, old.epoch)
        with refused(LeaseLostError):
            records.reuse.claim(old.id, old.epoch, {"a": key("a")}, frozenset())
        with refused(LeaseLostError):
            records.driving.finish(old.id, old.epoch, RunStatus.COMPLETED, {}, None)
        assert records.runs.steps(old.id) == []

    def test_runs_of_dead_drivers_are_told_to_be_lost(self) -> None:
        records = self.make()
        lost = self.started(records, "1", records.dead)
        records.driving.record(
            lost.id,
            lost.epoch,
            [change(lost.id, "a", StepStatus.COMPLETED), change(lost.id, "b", StepStatus.RUNNING)],
        )
        records.reuse.claim(lost.id, lost.epoch, {"b": key("b")}, frozenset())
        well = self.started(records, "2")
        assert records.driving.recover(30) == []
        assert records.runs.get(lost.id).status is RunStatus.FAILED
        assert records.runs.get(well.id).status is RunStatus.RUNNING
        assert {step.name: step.status for step in records.runs.steps(lost.id)} == {
            "a": StepStatus.COMPLETED,
            "b": StepStatus.CANCELED,
        }
        granted, _, _ = records.reuse.claim(well.id, well.epoch, {"b": key("b")}, frozenset())
        assert list(granted) == ["b"]
        assert records.driving.recover(30) == []

    def test_a_finished_run_is_final(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        failure = Failure("user", "it broke", ("ValueError",), "trace", "mend it", 3, "SIGKILL", 12)
        records.clock.turn(5)
        records.driving.finish(run.id, run.epoch, RunStatus.FAILED, {"model": plain(1)}, failure)
        ended = records.runs.get(run.id)
        assert (ended.status, ended.failure, ended.owner) == (RunStatus.FAILED, failure, "")
        assert ended.outputs == {"model": plain(1)}
        assert ended.ended_at == records.clock.now()
        with refused(LeaseLostError):
            records.driving.take(run.id, records.alive)
        with refused(LeaseLostError):
            records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.QUEUED)])
        assert records.runs.request_cancel(run.id).status is RunStatus.FAILED

    def test_a_run_without_a_driver_is_canceled_at_once_and_others_are_asked_to_end(self) -> None:
        records = self.make()
        waiting = records.runs.create(new_run("1"))
        assert records.runs.request_cancel(waiting.id).status is RunStatus.CANCELED
        running = self.started(records, "2")
        assert records.driving.renew(running.id, running.epoch) is False
        assert records.runs.request_cancel(running.id).status is RunStatus.CANCEL_REQUESTED
        assert records.driving.renew(running.id, running.epoch) is True

    # -- steps -----------------------------------------------------------------------------------------------------

    def test_a_step_run_comes_back_as_it_was_recorded_last(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        reasons = (Reason("code", "helpers.clean changed", "helpers:clean", "helpers.py", 4, "a", "b"),)
        queued = change(run.id, "clean", StepStatus.QUEUED, key=key("clean"), reasons=reasons, note="waits")
        records.driving.record(run.id, run.epoch, [queued])
        assert records.runs.steps(run.id) == [queued]
        failed = change(
            run.id,
            "clean",
            StepStatus.FAILED,
            key=key("clean"),
            attempt=2,
            started_at=1.0,
            ended_at=3.0,
            seconds=2.0,
            reasons=reasons,
            failure=Failure("user", "no", ("ValueError",)),
        )
        records.driving.record(run.id, run.epoch, [failed])
        assert records.runs.steps(run.id) == [failed]

    def test_steps_are_in_the_order_of_the_graph_and_elements_by_number(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        changes = [
            StepRecord(run.id, name, node, StepStatus.QUEUED, element=element)
            for name, node, element in [("b", 2, -1), ("m[10]", 1, 10), ("m[2]", 1, 2), ("a", 0, -1)]
        ]
        records.driving.record(run.id, run.epoch, changes)
        assert [step.name for step in records.runs.steps(run.id)] == ["a", "m[2]", "m[10]", "b"]

    def test_a_step_that_has_ended_does_not_move_again(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.FAILED)])
        with refused(LeaseLostError):
            records.driving.record(
                run.id, run.epoch, [change(run.id, "b", StepStatus.QUEUED), change(run.id, "a", StepStatus.RUNNING)]
            )
        assert [(step.name, step.status) for step in records.runs.steps(run.id)] == [("a", StepStatus.FAILED)]

    def test_a_good_step_may_be_made_again(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        for status in (StepStatus.REUSED, StepStatus.QUEUED, StepStatus.COMPLETED, StepStatus.QUEUED):
            records.driving.record(run.id, run.epoch, [change(run.id, "a", status)])
        assert records.runs.steps(run.id)[0].status is StepStatus.QUEUED

    def test_a_final_step_gets_the_time_of_its_end(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        records.clock.turn(7)
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.SKIPPED)])
        assert records.runs.steps(run.id)[0].ended_at == records.clock.now()

    # -- reuse -----------------------------------------------------------------------------------------------------

    def complete(self, records: MadeRecords, run: RunRecord, step: str, value: object, of: str = "") -> Completion:
        """Claim a key, and complete it."""
        records.reuse.claim(run.id, run.epoch, {step: key(of or step)}, frozenset({step}))
        done = completion(run.id, step, value, of=of)
        records.driving.record(
            run.id, run.epoch, [change(run.id, step, StepStatus.COMPLETED, attempt=1, key=done.key)], [done]
        )
        return done

    def test_a_claimed_completion_can_be_reused_by_key(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        self.complete(records, run, "a", {"x": [1, None, "é"]})
        found = records.reuse.find([key("a"), key("other")])
        assert set(found) == {key("a")}
        assert (found[key("a")].run, found[key("a")].step) == (run.id, "a")
        assert found[key("a")].outputs == {"output": plain({"x": [1, None, "é"]})}
        assert found[key("a")].seconds == 1.0

    def test_a_completion_without_a_claim_is_kept_but_never_reused(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        done = completion(run.id, "a", 5)
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.COMPLETED, attempt=1)], [done])
        assert records.reuse.find([key("a")]) == {}
        assert records.runs.steps(run.id)[0].outputs == {"output": plain(5)}

    def test_a_key_is_claimed_by_one_live_run_only(self) -> None:
        records = self.make()
        first, second = self.started(records, "1"), self.started(records, "2")
        assert list(records.reuse.claim(first.id, first.epoch, {"a": key("a")}, frozenset())[0]) == ["a"]
        granted, held, landed = records.reuse.claim(second.id, second.epoch, {"b": key("a")}, frozenset())
        assert (list(granted), dict(landed)) == ([], {})
        assert held == {"b": f"step 'a' of run {first.id}"}
        records.reuse.release(first.id, first.epoch, [key("a")])
        assert list(records.reuse.claim(second.id, second.epoch, {"b": key("a")}, frozenset())[0]) == ["b"]

    def test_a_claim_ends_with_its_run(self) -> None:
        records = self.make()
        first, second = self.started(records, "1"), self.started(records, "2")
        records.reuse.claim(first.id, first.epoch, {"a": key("a")}, frozenset())
        records.driving.finish(first.id, first.epoch, RunStatus.CANCELED, {}, None)
        assert list(records.reuse.claim(second.id, second.epoch, {"a": key("a")}, frozenset())[0]) == ["a"]

    def test_a_claim_of_a_dead_run_is_taken_over(self) -> None:
        records = self.make()
        dead, second = self.started(records, "1", records.dead), self.started(records, "2")
        records.reuse.claim(dead.id, dead.epoch, {"a": key("a")}, frozenset())
        assert list(records.reuse.claim(second.id, second.epoch, {"a": key("a")}, frozenset())[0]) == ["a"]
        late = completion(dead.id, "a", "late")
        records.driving.record(dead.id, dead.epoch, [change(dead.id, "a", StepStatus.COMPLETED, attempt=1)], [late])
        assert records.reuse.find([key("a")]) == {}, "a late result must not become reusable"

    def test_a_claim_finds_what_was_completed_meanwhile_unless_it_is_forced(self) -> None:
        records = self.make()
        first, second = self.started(records, "1"), self.started(records, "2")
        self.complete(records, first, "a", 1)
        granted, _, landed = records.reuse.claim(second.id, second.epoch, {"b": key("a")}, frozenset())
        assert list(granted) == []
        assert landed["b"].outputs == {"output": plain(1)}
        granted, _, landed = records.reuse.claim(second.id, second.epoch, {"b": key("a")}, frozenset({"b"}))
        assert (list(granted), dict(landed)) == (["b"], {})

    def test_the_newest_completion_of_a_key_is_the_one_that_is_reused(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        self.complete(records, run, "a", "old")
        self.complete(records, self.started(records, "2"), "a", "new")
        assert records.reuse.find([key("a")])[key("a")].outputs == {"output": plain("new")}

    def test_revoked_completions_are_not_found(self) -> None:
        records = self.make()
        self.complete(records, self.started(records, "1"), "a", 1)
        assert records.reuse.revoke([key("a"), key("unknown")], "it is wrong") == 1
        assert records.reuse.find([key("a")]) == {}
        assert records.reuse.revoked([key("a"), key("unknown")]) == {key("a"): "it is wrong"}

    def test_what_may_be_reused_is_listed_with_why_it_ran(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        assert records.reuse.kept() == []
        records.reuse.claim(run.id, run.epoch, {"a": key("a")}, frozenset())
        ran = change(run.id, "a", StepStatus.COMPLETED, reasons=(Reason("code", "x"), Reason("code", "y")))
        records.driving.record(run.id, run.epoch, [ran], [completion(run.id, "a", 1)])
        (found,) = records.reuse.kept()
        assert (found.run, found.step, found.pipeline, found.causes) == (run.id, "a", run.pipeline, ("code",))
        records.reuse.revoke([found.key], "wrong")
        assert records.reuse.kept() == []

    def test_the_newest_reason_for_revoking_counts(self) -> None:
        records = self.make()
        for name, why in (("1", "old"), ("2", "new")):
            self.complete(records, self.started(records, name), "a", 1)
            records.reuse.revoke([key("a")], why)
        assert records.reuse.revoked([key("a")]) == {key("a"): "new"}

    def test_a_completion_says_when_it_was_made(self) -> None:
        records = self.make()
        self.complete(records, self.started(records, "1"), "a", 1)
        assert records.reuse.find([key("a")])[key("a")].created_at > 0

    def test_a_completion_may_be_filed_under_another_key_than_was_claimed(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        records.reuse.claim(run.id, run.epoch, {"a": key("a")}, frozenset())
        done = Completion(key("b"), run.id, "a", {"output": plain(1)}, claim=key("a"))
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.COMPLETED)], [done])
        assert set(records.reuse.find([key("a"), key("b")])) == {key("b")}
        other = self.started(records, "2")
        assert records.reuse.claim(other.id, other.epoch, {"a": key("a")}, frozenset())[0] == ["a"]

    def test_sets_of_files_that_were_opened_are_remembered_once(self) -> None:
        records = self.make()
        for files in (["file:b", "file:a"], ["file:a", "file:b"], ["file:c"]):
            records.reuse.observe("definition", files)
        assert records.reuse.observed(["other"]) == {}
        found = records.reuse.observed(["definition", "other"])
        assert {name: sorted(sets) for name, sets in found.items()} == {
            "definition": [("file:a", "file:b"), ("file:c",)]
        }

    def test_what_verifying_showed_is_kept(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        records.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.COMPLETED, verified="equal")])
        assert records.runs.steps(run.id)[0].verified == "equal"

    def test_a_reused_step_shows_the_outputs_of_its_original(self) -> None:
        records = self.make()
        first, second = self.started(records, "1"), self.started(records, "2")
        self.complete(records, first, "a", 1)
        reused = change(second.id, "b", StepStatus.REUSED, original_run=first.id, original_step="a")
        records.driving.record(second.id, second.epoch, [reused])
        assert records.runs.steps(second.id)[0].outputs == {"output": plain(1)}

    def test_previous_executions_are_found_by_step(self) -> None:
        records = self.make()
        first, second = self.started(records, "1"), self.started(records, "2")
        self.complete(records, first, "a", 1)
        self.complete(records, second, "a", 2, of="a2")
        found = records.reuse.previous("pipe", ["a", "unknown"])
        assert {step: (item.run, item.key) for step, item in found.items()} == {"a": (second.id, key("a2"))}
        assert records.reuse.previous("pipe", ["a"], before=second.id)["a"].key == key("a")
        assert records.reuse.previous("pipe", ["a"], before=first.id) == {}
        assert records.reuse.previous("another", ["a"]) == {}

    def test_reused_step_runs_are_previous_ones_too_and_failed_ones_are_not(self) -> None:
        records = self.make()
        first, second, third = (self.started(records, number) for number in "123")
        self.complete(records, first, "a", 1)
        reused = change(second.id, "a", StepStatus.REUSED, key=key("a"), original_run=first.id, original_step="a")
        records.driving.record(second.id, second.epoch, [reused])
        records.driving.record(third.id, third.epoch, [change(third.id, "a", StepStatus.FAILED, key=key("a3"))])
        assert records.reuse.previous("pipe", ["a"])["a"].run == second.id

    def test_previous_step_runs_are_found_however_many_runs_lacked_the_step(self) -> None:
        records = self.make()
        runs = [self.started(records, number) for number in "12345"]
        self.complete(records, runs[0], "a", 1)
        self.complete(records, runs[1], "a", 2, of="a2")
        self.complete(records, runs[3], "a", 3, of="a3")
        self.complete(records, runs[4], "b", 1)
        before = {run.id: records.reuse.previous("pipe", ["a", "b"], before=run.id) for run in runs}
        assert [found["a"].key if "a" in found else "" for found in before.values()] == [
            "",
            key("a"),
            key("a2"),
            key("a2"),
            key("a3"),
        ]
        assert not any("b" in found for found in before.values())
        assert records.reuse.previous("pipe", ["a", "b"]).keys() == {"a", "b"}

    def test_definitions_tell_how_long_they_took(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        assert records.reuse.definitions([digest("definition")]) == {}
        self.complete(records, run, "a", 1)
        assert records.reuse.definitions([digest("definition"), "unknown"]) == {digest("definition"): 1.0}
        for seconds in (50.0, 3.0):  # the newest count
            records.clock.turn(1)
            names = [f"{seconds}-{number}" for number in range(NEWEST_EXECUTIONS)]
            records.reuse.claim(run.id, run.epoch, {name: key(name) for name in names}, frozenset(names))
            changes = [change(run.id, name, StepStatus.COMPLETED, attempt=1, key=key(name)) for name in names]
            done = [completion(run.id, name, 1, seconds=seconds) for name in names]
            records.driving.record(run.id, run.epoch, changes, done)
        assert records.reuse.definitions([digest("definition")]) == {digest("definition"): 3.0}

    def test_many_keys_at_once(self) -> None:
        records = self.make()
        run = self.started(records, "1")
        names = [f"s{number}" for number in range(1203)]
        granted, _, _ = records.reuse.claim(run.id, run.epoch, {name: key(name) for name in names}, frozenset())
        assert set(granted) == set(names)
        changes = [change(run.id, name, StepStatus.COMPLETED, attempt=1) for name in names]
        records.driving.record(run.id, run.epoch, changes, [completion(run.id, name, name) for name in names])
        assert len(records.reuse.find(key(name) for name in names)) == len(names)
        assert len(records.runs.steps(run.id)) == len(names)

    # -- documents and logs ----------------------------------------------------------------------------------------

    def test_documents_are_written_once(self) -> None:
        records = self.make()
        records.documents.put({"d1": "one", "d2": "two"})
        records.documents.put({"d1": "another", "d3": "three"})
        assert records.documents.get(["d1", "d3", "d4"]) == {"d1": "one", "d3": "three"}

    def test_logs_come_back_in_order_and_from_a_position(self) -> None:
        records = self.make()
        chunks = [
            LogChunk("r/outer/a/1", stream, text)
            for stream, text in [("stdout", "1"), ("stderr", "2"), ("stdout", "é")]
        ]
        records.logs.append(chunks[:2], 1.0)
        records.logs.append(chunks[2:], 2.0)
        found = records.logs.read("r", "outer/a")
        assert [chunk for _, chunk in found] == chunks
        assert [chunk for _, chunk in records.logs.read("r", "outer/a", found[1][0])] == chunks[2:]
        assert records.logs.read("r", "other") == []
