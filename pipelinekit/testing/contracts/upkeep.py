"""What upkeep of records and of stores must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

from pipelinekit.classes import frozen
from pipelinekit.domain.attempts import LogChunk, Told
from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.metrics import CHILD, END, FILE, SERIES, TAG, Entry
from pipelinekit.domain.run_queries import RunQuery
from pipelinekit.domain.runs import RunRecord, RunStatus, StepStatus
from pipelinekit.domain.upkeep import CompletionEntry, Removal
from pipelinekit.domain.values import StoredValue, plain
from pipelinekit.errors import IntegrityError, NotFoundError
from pipelinekit.ports import Blobs
from pipelinekit.ports.upkeep import BlobUpkeep, UpkeepRecords
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.records import MadeRecords, change, completion, key, new_run, refused
from pipelinekit.wire.values import value_to_json


@frozen
class MadeUpkeep:
    """The upkeep under test, and the records that it is about."""

    upkeep: UpkeepRecords
    records: MadeRecords


class UpkeepContract:
    """The suite for upkeep of records."""

    def make(self) -> MadeUpkeep:
        """Empty records."""
        raise NotImplementedError

    def done(self, made: MadeUpkeep, name: str, *steps: str) -> RunRecord:
        """A run that has ended, whose steps were executed."""
        records = made.records
        records.runs.create(new_run(name, at=records.clock.now()))
        run = records.driving.take(new_run(name).id, records.alive)
        records.reuse.claim(run.id, run.epoch, {step: key(step) for step in steps}, frozenset())
        for step in steps:
            records.driving.record(
                run.id,
                run.epoch,
                [change(run.id, step, StepStatus.COMPLETED, key=key(step), attempt=1)],
                [completion(run.id, step, step)],
            )
            records.logs.append([LogChunk(f"{run.id}/{step}/1", "stdout", step)], 0.0)
        records.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, {"output": plain(1)}, None)
        return records.runs.get(run.id)

    def reusing(self, made: MadeUpkeep, name: str, original: str, step: str) -> RunRecord:
        """A run that has ended, whose step was reused."""
        records = made.records
        records.runs.create(new_run(name, at=records.clock.now()))
        run = records.driving.take(new_run(name).id, records.alive)
        reused = change(
            run.id, step, StepStatus.REUSED, key=key(step), original_run=original, original_step=step, seconds=1.0
        )
        records.driving.record(run.id, run.epoch, [reused])
        records.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, {}, None)
        return records.runs.get(run.id)

    def completion_of(self, made: MadeUpkeep, run: str, step: str) -> CompletionEntry:
        """A completion as the inventory shows it."""
        return next(item for item in made.upkeep.inventory().completions if item.place == (run, step))

    def test_the_inventory_names_runs_steps_and_completions(self) -> None:
        made = self.make()
        first = self.done(made, "1", "load", "train")
        made.records.clock.turn(100)
        second = self.reusing(made, "2", first.id, "load")
        found = made.upkeep.inventory()
        assert {name: (run.status, run.graph, run.pinned, run.removed) for name, run in found.runs.items()} == {
            run.id: (RunStatus.COMPLETED, run.graph, False, False) for run in (first, second)
        }
        assert found.runs[first.id].values == (plain(1),)
        assert {(step.run, step.step, step.status, step.shown) for step in found.steps} == {
            (first.id, "load", StepStatus.COMPLETED, (first.id, "load")),
            (first.id, "train", StepStatus.COMPLETED, (first.id, "train")),
            (second.id, "load", StepStatus.REUSED, (first.id, "load")),
        }
        assert {(item.place, item.reusable, item.outputs) for item in found.completions} == {
            ((first.id, step), True, (plain(step),)) for step in ("load", "train")
        }
        assert found.claims == ()

    def test_a_reuse_is_a_use_of_the_completion(self) -> None:
        made = self.make()
        first = self.done(made, "1", "load", "train")
        before = self.completion_of(made, first.id, "load").used_at
        made.records.clock.turn(100)
        self.reusing(made, "2", first.id, "load")
        assert self.completion_of(made, first.id, "load").used_at == before + 100
        assert self.completion_of(made, first.id, "train").used_at == before

    def test_claims_are_told_with_the_state_of_their_run(self) -> None:
        made = self.make()
        records = made.records
        records.runs.create(new_run("1"))
        run = records.driving.take(new_run("1").id, records.alive)
        records.reuse.claim(run.id, run.epoch, {"load": key("load")}, frozenset())
        (claim,) = made.upkeep.inventory().claims
        assert (claim.key, claim.run, claim.step) == (key("load"), run.id, "load")
        assert (claim.epoch, claim.run_epoch, claim.status) == (run.epoch, run.epoch, RunStatus.RUNNING)

    def test_a_run_is_pinned_and_unpinned(self) -> None:
        made = self.make()
        run = self.done(made, "1", "load")
        assert not made.records.runs.get(run.id).pinned
        made.upkeep.pin(run.id, pinned=True)
        assert made.records.runs.get(run.id).pinned
        assert made.upkeep.inventory().runs[run.id].pinned
        made.upkeep.pin(run.id, pinned=False)
        assert not made.records.runs.get(run.id).pinned
        with refused(NotFoundError):
            made.upkeep.pin(new_run("9").id, pinned=True)

    def told(self, made: MadeUpkeep, run: str, step: str, child: str = "") -> None:
        """A step tells a metric, a tag and a file, and makes a child that keeps a file."""
        file = value_to_json(StoredValue(digest_bytes(b"file"), "file", 1, digest_bytes(b"blob")))
        entries = [
            Entry(TAG, "t", "1"),
            Entry(FILE, "f", file),
            Entry(SERIES, "m", {"values": [1], "steps": None, "at": [0]}),
        ]
        if child:
            entries += [Entry(CHILD, "", {"parent": ""}, child, 1.0), Entry(FILE, "g", file, child)]
            entries += [Entry(END, "Completed", "", child, 1.0)]
        made.records.facts.tell([Told(f"{run}/{step}/1", tuple(entries))])

    def test_what_was_told_of_a_run_is_kept_and_goes_with_it(self) -> None:
        made = self.make()
        first = self.done(made, "1", "load", "train")
        kept, gone = f"{'kept':0>14}", f"{'gone':0>14}"
        self.told(made, first.id, "load", kept)
        self.told(made, first.id, "train", gone)
        made.records.facts.set_tags(first.id, {"own": "1"})
        inventory = made.upkeep.inventory()
        assert list(inventory.runs) == [first.id]
        blob = digest_bytes(b"blob")
        assert [blob in value.blobs() for value in inventory.runs[first.id].values].count(True) == 4
        for step in ("load", "train"):
            found = self.completion_of(made, first.id, step).outputs
            assert [blob in value.blobs() for value in found].count(True) == 2
        made.upkeep.remove(Removal(removed=(first.id,), stays=frozenset({(first.id, "load")})), ())
        facts, metrics = made.records.facts, made.records.metrics
        assert facts.tags(first.id) == {}
        assert facts.tags(first.id, step="load") == {"t": "1"}
        assert [metric.name for metric in metrics.of_step(first.id, "load")] == ["m"]
        assert list(facts.files(kept)) == ["g"]
        assert facts.tags(first.id, step="train") == {}
        assert metrics.of_step(first.id, "train") == []
        assert facts.files(gone) == {}
        with refused(NotFoundError):
            made.records.runs.get(gone)

    def test_a_removed_run_vanishes_but_what_others_show_of_it_stays(self) -> None:
        made = self.make()
        first = self.done(made, "1", "load", "train")
        second = self.reusing(made, "2", first.id, "load")
        train = self.completion_of(made, first.id, "train")
        removal = Removal((first.id,), stays=frozenset({(first.id, "load")}), revoked=(train,), deleted=(train,))
        made.upkeep.remove(removal, [])
        runs = made.records.runs
        assert [run.id for run in made.records.queries.find(RunQuery())] == [second.id]
        assert [step.name for step in runs.steps(first.id)] == ["load"]
        assert runs.steps(second.id)[0].outputs == {"output": plain("load")}
        assert made.records.logs.read(first.id, "load")
        assert made.records.logs.read(first.id, "train") == []
        assert made.records.reuse.find([key("load"), key("train")]).keys() == {key("load")}
        assert (runs.get(first.id).removed, runs.get(second.id).removed) == (True, False)
        entry = made.upkeep.inventory().runs[first.id]
        assert (entry.removed, entry.values) == (True, ())
        with refused(NotFoundError):
            made.upkeep.pin(first.id, pinned=True)

    def test_what_a_removed_run_used_stays_noted(self) -> None:
        made = self.make()
        first = self.done(made, "1", "load", "train")
        made.records.clock.turn(100)
        second = self.reusing(made, "2", first.id, "load")
        used = self.completion_of(made, first.id, "load").used_at
        made.upkeep.remove(Removal(removed=(second.id,), erased=(second.id,)), [])
        assert self.completion_of(made, first.id, "load").used_at == used

    def test_previous_step_runs_are_those_that_are_still_there(self) -> None:
        made = self.make()
        first = self.done(made, "1", "load")
        second = self.reusing(made, "2", first.id, "load")
        assert made.records.reuse.previous("pipe", ["load"])["load"].run == second.id
        made.upkeep.remove(Removal(removed=(second.id,), erased=(second.id,)), [])
        self.done(made, "3", "other")
        assert made.records.reuse.previous("pipe", ["load"])["load"].run == first.id

    def test_the_newest_run_is_one_that_is_there(self) -> None:
        made = self.make()
        first = self.done(made, "1", "load")
        second = self.done(made, "2", "train")
        made.upkeep.remove(Removal((second.id,), stays=frozenset({(second.id, "train")})), [])
        assert made.records.runs.get("latest").id == first.id
        assert [item.runs for item in made.records.experiments.list()] == [2]

    def test_an_erased_run_leaves_nothing(self) -> None:
        made = self.make()
        run = self.done(made, "1", "load")
        item = self.completion_of(made, run.id, "load")
        made.upkeep.remove(Removal((run.id,), (run.id,), revoked=(item,), deleted=(item,)), [])
        found = made.upkeep.inventory()
        assert (dict(found.runs), found.steps, found.completions) == ({}, (), ())
        assert made.upkeep.logs() == {}
        with refused(NotFoundError):
            made.records.runs.get(run.id)

    def test_doomed_completions_stay_until_they_are_deleted(self) -> None:
        made = self.make()
        run = self.done(made, "1", "load")
        item = self.completion_of(made, run.id, "load")
        stays = frozenset({item.place})
        made.upkeep.remove(Removal((run.id,), stays=stays, revoked=(item,), doomed=(item,)), [])
        doomed = self.completion_of(made, run.id, "load")
        assert (doomed.reusable, doomed.doomed_at) == (False, made.records.clock.now())
        assert made.records.reuse.find([key("load")]) == {}

    def test_documents_and_compiled_graphs_come_and_go(self) -> None:
        made = self.make()
        made.records.documents.put({"one": "12345", "two": "1"})
        made.upkeep.keep_compiled("one")
        assert made.upkeep.documents() == {"one": 5, "two": 1}
        assert made.upkeep.inventory().compiled == {"one": made.records.clock.now()}
        made.upkeep.remove(Removal(graphs=("one",)), ["one"])
        assert made.upkeep.documents() == {"two": 1}
        assert made.upkeep.inventory().compiled == {}

    def test_the_history_of_a_run_tells_its_steps_and_its_end(self) -> None:
        made = self.make()
        run = self.done(made, "1", "load")
        history = made.upkeep.histories()[run.id]
        assert history.counted == len(history.events) == 3
        assert [event.sequence for event in history.events] == [1, 2, 3]
        assert [event.steps for event in history.events] == [(), (("load", "Completed"),), ()]
        assert [event.ended for event in history.events] == ["", "", "Completed"]
        assert made.upkeep.damages() in ((), [])
        made.upkeep.remove(Removal((run.id,), stays=frozenset({(run.id, "load")})), [])
        assert made.upkeep.histories() == {}

    def test_claims_are_ended_whoever_holds_them(self) -> None:
        made = self.make()
        records = made.records
        records.runs.create(new_run("1"))
        run = records.driving.take(new_run("1").id, records.alive)
        records.reuse.claim(run.id, run.epoch, {"a": key("a"), "b": key("b")}, frozenset())
        made.upkeep.end_claims([key("a")])
        assert [claim.step for claim in made.upkeep.inventory().claims] == ["b"]

    def test_losses_are_known_until_the_blob_is_there_again(self) -> None:
        made = self.make()
        made.upkeep.lose(["a", "b"])
        made.upkeep.lose(["b"])
        assert made.upkeep.inventory().losses == {"a", "b"}
        made.upkeep.regain(["a"])
        assert made.upkeep.inventory().losses == {"b"}


@frozen
class MadeStore:
    """The store under test, with its upkeep."""

    blobs: Blobs
    upkeep: BlobUpkeep
    clock: HandClock


class BlobUpkeepContract:
    """The suite for upkeep of stores."""

    def make(self) -> MadeStore:
        """An empty store."""
        raise NotImplementedError

    def damage(self, blobs: Blobs, digest: str) -> None:
        """Change a blob's bytes behind the store's back."""
        raise NotImplementedError

    def age(self, made: MadeStore, seconds: float) -> None:
        """Let everything in the store be unused for so long."""
        raise NotImplementedError

    def test_blobs_are_listed_with_size_and_use(self) -> None:
        made = self.make()
        digest, size = made.blobs.put(b"content")
        (entry,) = made.upkeep.blobs()
        assert (entry.digest, entry.size) == (digest, size)
        self.age(made, 1000)
        (older,) = made.upkeep.blobs()
        assert older.used_at < made.clock.now() - 900

    def test_old_blobs_go_and_young_ones_stay(self) -> None:
        made = self.make()
        old, _ = made.blobs.put(b"old")
        self.age(made, 1000)
        young, _ = made.blobs.put(b"young")
        assert made.upkeep.remove([old, young, digest_bytes(b"absent")], made.clock.now() - 500) == [old]
        assert made.blobs.missing([old, young]) == {old}

    def test_a_blob_that_is_found_or_stored_again_is_young_again(self) -> None:
        made = self.make()
        found, stored, unused = (made.blobs.put(word)[0] for word in (b"found", b"stored", b"unused"))
        self.age(made, 1000)
        assert made.blobs.missing([found]) == set()
        made.blobs.put(b"stored")
        assert made.upkeep.remove([found, stored, unused], made.clock.now() - 500) == [unused]

    def test_discarded_blobs_are_gone(self) -> None:
        made = self.make()
        digest, _ = made.blobs.put(b"content")
        made.upkeep.discard(digest)
        made.upkeep.discard(digest)
        assert (made.upkeep.verify(digest), list(made.upkeep.blobs())) == ("missing", [])

    def test_verifying_is_no_use(self) -> None:
        made = self.make()
        digest, _ = made.blobs.put(b"content")
        self.age(made, 1000)
        assert made.upkeep.verify(digest) == ""
        assert made.upkeep.read(digest) == b"content"
        assert made.upkeep.remove([digest], made.clock.now() - 500) == [digest]

    def test_damaged_and_missing_blobs_are_told(self) -> None:
        made = self.make()
        digest, _ = made.blobs.put(b"precious")
        self.damage(made.blobs, digest)
        assert made.upkeep.verify(digest) == "damaged"
        assert made.upkeep.verify(digest_bytes(b"absent")) == "missing"
        for wrong in (digest, digest_bytes(b"absent")):
            with refused(IntegrityError):
                made.upkeep.read(wrong)
        assert made.upkeep.verify(digest) == "damaged", "looking changes nothing"
