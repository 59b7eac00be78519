"""The state machine: random worlds, edits, faults and drivers; every run is held against the oracles."""

import json
import os
from collections import Counter

import pytest
from bench import Bench, Crash, Effects
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from model import Elements, Model, contents, evaluate, output
from worlds import EDITS, Editor, File, Folder, Items, Plain, freeze, thaw, worlds

from pipelinekit.domain.runs import RunStatus
from pipelinekit.errors import IntegrityError, LeaseLostError

GOOD = ("Completed", "Reused")


class ReuseMachine(RuleBasedStateMachine):
    """Random life of one workspace."""

    def __init__(self):
        super().__init__()
        self.bench = Bench()
        self.model = Model()
        self.world = None
        self.past = []
        self.rows = {}
        self.spoiled = None

    def teardown(self):
        self.bench.close()

    @initialize(world=worlds(), order=st.integers(0, 2**16))
    def begin(self, world, order):
        self.world = world
        self.bench.order.seed(order)

    # -- edits -----------------------------------------------------------------------------------------------------

    @rule(data=st.data(), names=st.lists(st.sampled_from(EDITS), min_size=1, max_size=2))
    def edit_and_run(self, data, names):
        self.edit(data, names)
        self.run()

    def edit(self, data, names):
        self.past.append(self.world)
        for name in names:
            editor = Editor(data.draw, self.world)
            self.world = getattr(editor, name)()
            for _, file in editor.disk:
                self.bench.touch(file)

    @rule()
    def run_again(self):
        self.run()
        self.run()
        if not any(self.is_unsteady(step) for step in self.world.steps):
            assert not self.reusable_executions, "the same run again executes nothing that may be reused"

    def is_unsteady(self, step):
        """Whether a step gives something else each time."""
        return self.world.functions[step.function].op == "nonce" and not step.allow_reuse

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def revert_and_run(self, data):
        self.past.append(self.world)
        self.world = data.draw(st.sampled_from(self.past[:-1] or self.past), label="world")
        self.run()

    @rule(data=st.data())
    def force_one(self, data):
        step = data.draw(st.sampled_from(self.world.steps), label="forced")
        if self.is_shared(step):
            return  # equal elements would be ready at different times, and each of them is asked for anew
        self.run(forced=step.name)

    def is_shared(self, step):
        """Whether a step is mapped over the elements of another one, each as soon as it is there."""
        return step.mapped and self.world.steps[step.xs[0]].mapped

    @rule()
    def time_passes(self):
        self.bench.clock.turn(20_000.0)
        self.run()

    # -- faults ----------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def delete_blobs(self, data):
        found = self.bench.stored()
        paths = sorted(set(found.values()))
        if not paths:
            return
        numbers = st.lists(st.integers(0, len(paths) - 1), max_size=3, unique=True)
        for number in data.draw(numbers, label="blobs"):
            path = paths[number]
            self.model.gone.update(content for content, place in found.items() if place == path)
            if data.draw(st.booleans(), label="misnamed"):
                other = path.with_name("0" * 29 + str(number % 10))
                os.replace(path, other)
                self.bench.misnamed.add(other)
            else:
                path.unlink()
        self.run()

    @rule(
        data=st.data(), names=st.lists(st.sampled_from(EDITS), max_size=2), how=st.sampled_from(["flip", "cut", "swap"])
    )
    def damage_one_blob(self, data, names, how):
        """A blob that one producer made is damaged: its readers have it made again, or it is told when it is read."""
        self.edit(data, names)
        self.bench.bring(self.world)
        items = self.items(self.foretold)
        now = self.bench.clock.now()
        makers = Counter()
        for identity, value in {item.identity: item.value for item in items if item.outcome == "value"}.items():
            makers.update(contents(value) if identity is not None else ())
        others = {content for item in items if item.identity for content in contents(item.identity[-1])}
        usable = [item for item in items if item.outcome == "value" and self.model.usable(item, now)]
        found = self.bench.stored()
        choices = sorted(
            {c for item in usable for c in contents(item.value) if makers[c] == 1 and c not in others and c in found},
            key=repr,
        )
        if not choices:
            return
        content = data.draw(st.sampled_from(choices), label="damaged")
        path = found[content]
        good = path.read_bytes()
        self.spoil(path, good, how, found)
        manifest = isinstance(content, Folder)
        if manifest:
            self.model.gone.add(content)  # whoever looks a folder up reads its tree
        self.spoiled = content
        readers = sorted({item.step.name for item in items if content in item.reads and not self.is_shared(item.step)})
        forced = data.draw(st.sampled_from(["", *readers]), label="reader")
        self.run(forced, None if manifest else content)
        self.spoiled = None
        if path.exists() and path.read_bytes() != good:
            with pytest.raises(IntegrityError):
                self.bench.blobs.read("xxh3:" + path.parent.name + path.name)
        if not path.exists():
            self.model.gone.add(content)
        self.audit()

    @staticmethod
    def spoil(path, good, how, found):
        bad = {
            "flip": bytes([good[0] ^ 1]) + good[1:] if good else b"grown",
            "cut": good[: len(good) // 2] if good else b"grown",
            "swap": next((c for c in found if isinstance(c, bytes) and c != good), good + b"grown"),
        }[how]
        path.chmod(0o644)
        path.write_bytes(bad)
        path.chmod(0o444)

    @rule(data=st.data())
    def drop_rows(self, data):
        known = sorted(self.model.seen.keys() & self.model.keys.keys(), key=repr)
        if not known:
            return
        for identity in data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True), label="dropped"):
            del self.model.seen[identity]
            self.bench.sql("delete from completions where key = ?", (self.model.keys[identity],))
        self.rows = self.completions()
        self.run()

    @rule(keep=st.integers(1, 4))
    def clean_up(self, keep):
        """What goes is no longer reused; what stays is whole."""
        self.bench.clean_up(keep)
        rows = self.completions()
        left = {row[0] for row in rows.values() if row[-1]}
        self.model.seen = {
            identity: kept for identity, kept in self.model.seen.items() if self.model.keys[identity] in left
        }
        self.rows = rows
        present = self.bench.stored().keys()
        for value, _ in self.model.seen.values():
            if not contents(value) & self.model.gone:
                assert contents(value) <= present, "clean-up took what a reusable result needs"
        for value, _ in self.model.seen.values():
            self.model.gone |= contents(value) - present  # of a folder whose tree is lost nobody knows the files
        runs = self.bench.sql("select id from runs where removed_at is null and status = 'Completed'")
        for (run,) in runs:
            for name, value in self.bench.records.runs.get(run).outputs.items():
                lost = self.bench.blobs.missing(value.blobs())
                assert not lost or self.model.gone, f"clean-up took output {name} of run {run}"
        self.run()

    @rule(data=st.data())
    def invalidate(self, data):
        known = sorted(self.model.seen.keys() & self.model.keys.keys(), key=repr)
        if not known:
            return
        for identity in data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True), label="invalidated"):
            del self.model.seen[identity]
            self.bench.records.reuse.revoke([self.model.keys[identity]], "the test says so")
        self.rows = self.completions()
        self.run()

    @precondition(lambda self: not any(self.world.functions[step.function].op == "nonce" for step in self.world.steps))
    @rule()
    def verify(self):
        """Every result is executed again, and found equal."""
        run = self.bench.submit(self.world, self.bench.options(verify=1.0))
        self.bench.drive(run)
        found = evaluate(self.world, self.drawn_in(run))
        items = [item for each in found for item in each]
        executed = self.executions(run, items)
        assert all(executed[item.identity] for item in items if item.identity), "something was not executed again"
        assert all(times <= sum(item.identity == key for item in items) for key, times in executed.items())
        self.check_run(run, self.world, found)
        steps = {step.name: step for step in self.bench.records.runs.steps(run)}
        assert "different" not in {step.verified for step in steps.values()}
        self.learn(items, executed)
        self.audit()

    @rule(nth=st.integers(1, 40), after=st.booleans())
    def crash_and_recover(self, nth, after):
        """The driver dies at its n-th effect; the next one goes on from what was accepted."""
        run = self.submit()
        try:
            self.bench.drive(run, effects=Effects(nth, after))
        except Crash:
            self.bench.declare_dead(run)
            self.bench.records.driving.recover(30)
            self.accept_part(run, self.world, lost=1)
            status = self.bench.records.runs.get(run).status
            assert status.final or (status is RunStatus.QUEUED and nth == 1), "a run that nobody took waits, others end"
            self.bench.records.runs.request_cancel(run)
        else:
            self.accept(run, self.world)
        self.audit()
        self.run()

    @rule(deaths=st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=2))
    def drivers_die_and_others_go_on(self, deaths):
        """A detached run comes to its end; each driver that dies costs one execution at most."""
        run, vain, ended = self.submit(detached=True), [], False
        for nth, after in deaths:
            begun = len(self.bench.executed)
            try:
                self.bench.drive(run, effects=Effects(nth, after))
            except Crash:
                self.bench.declare_dead(run)
                ended = self.bench.records.runs.get(run).status.final
                self.bench.clock.turn(31.0)  # who was told of the run before has had its time
                assert self.bench.records.driving.recover(0) == ([] if ended else [run])
                vain += [name for owner, name in self.bench.executed[begun:][-1:] if not self.has_ended(run, name)]
            else:
                ended = True
            if ended:
                break
        if not ended:
            self.bench.drive(run)
        self.accept(run, self.world, vain=vain)
        self.model.gone -= self.bench.stored().keys()
        self.audit()

    def has_ended(self, run, name):
        return any(step.name == name and step.status.final for step in self.bench.records.runs.steps(run))

    @rule(nth=st.integers(1, 12))
    def cancel_midway(self, nth):
        count = [0]

        def before(attempt, turns):
            count[0] += 1
            if count[0] == nth:
                turns.cancel()

        run = self.submit()
        self.bench.drive(run, before=before)
        if any(str(step.status) == "Canceled" for step in self.bench.records.runs.steps(run)):
            self.accept_part(run, self.world, lost=0)
        else:
            self.accept(run, self.world)
        self.audit()

    # -- two drivers -----------------------------------------------------------------------------------------------

    @rule(data=st.data(), seed=st.integers(0, 2**16), names=st.lists(st.sampled_from(EDITS), max_size=2))
    def two_drivers(self, data, seed, names):
        """Two runs at once execute what either needs, and what both need once."""
        first, other = self.submit(), self.world
        self.edit(data, names)
        second = self.submit()
        ended = self.bench.together([first, second], seed)
        for result in ended:
            if isinstance(result, BaseException):
                raise result
        self.accept_both([(first, other), (second, self.world)])
        self.audit()

    @rule(seed=st.integers(0, 2**16), nth=st.integers(1, 25), after=st.booleans())
    def one_of_two_drivers_dies(self, seed, nth, after):
        """The other takes over what the dead one had claimed, and comes to its end."""
        runs = [self.submit(), self.submit()]
        ended = self.bench.together(runs, seed, Effects(nth, after))
        if isinstance(ended[1], BaseException):
            raise ended[1]
        if isinstance(ended[0], Crash):
            self.bench.records.driving.recover(30)
            self.accept_both([(runs[1], self.world)], part=(runs[0], self.world))
        elif isinstance(ended[0], BaseException):
            raise ended[0]
        else:
            self.accept_both([(run, self.world) for run in runs])
        self.audit()

    @rule(nth=st.integers(1, 12))
    def a_driver_sleeps_too_long(self, nth):
        """A driver is held for dead while it executes; another does its work; what the first brings is refused."""
        run, count, late = self.submit(), [0], []

        def before(attempt, turns):
            count[0] += 1
            if count[0] == nth:
                self.bench.declare_dead(run)
                self.bench.records.driving.recover(30)
                self.accept_part(run, self.world, lost=0)
                self.run()
                late.append(len(self.bench.executed))

        try:
            self.bench.drive(run, before=before)
        except LeaseLostError:
            (at,) = late
            assert len(self.bench.executed) <= at + 1
            del self.bench.executed[at:]  # what came too late counts for nothing
            self.model.gone -= self.bench.stored().keys()
        else:
            assert not late, "a driver that lost its run went on"
            self.accept(run, self.world)
        self.audit()

    # -- checks ----------------------------------------------------------------------------------------------------

    def submit(self, forced="", detached=False):
        run = self.bench.submit(self.world, self.bench.options(forced), detached)
        if self.model.gone:
            self.model.gone -= self.bench.stored().keys() - {self.spoiled}
        return run

    def run(self, forced="", damaged=None):
        """Run the world as it is now, to its end, and hold it against the oracles."""
        run = self.submit(forced)
        self.bench.drive(run)
        self.accept(run, self.world, forced, damaged)
        self.audit()

    def items(self, drawn, world=None):
        return [item for found in evaluate(world or self.world, drawn) for item in found]

    def foretold(self, name, identity):
        kept = self.model.seen.get(identity)
        return thaw(kept[0].value) if kept else "?"

    def drawn_in(self, run):
        """What each nonce drew, as this run shows it; it must be what the execution that it names drew."""
        steps = {step.name: step for step in self.bench.records.runs.steps(run)}

        def drawn(name, identity):
            step = steps.get(name)
            if step is None or str(step.status) not in GOOD:
                return "?"
            value = step.outputs["output"].inline
            assert value.startswith(f"{step.original_run or run}/{step.original_step or name}/")
            return value

        return drawn

    def executions(self, run, items):
        by_name = {item.name: item for item in items}
        return Counter(by_name[name].identity for owner, name in self.bench.executed if owner == run)

    def accept(self, run, world, forced="", damaged=None, vain=()):
        """A run came to its end: values, statuses and the list of executions are those of the oracles.

        Of steps that were executed in `vain` the driver died before it could tell; they may have had to be done again.
        """
        found = evaluate(world, self.drawn_in(run))
        items = [item for each in found for item in each]
        executed = self.executions(run, items)
        expected = self.model.expected(items, self.bench.clock.now(), forced, damaged)
        identities = {item.name: item.identity for item in items}
        for identity in map(identities.get, vain):
            if executed[identity] > expected[identity]:
                executed[identity] -= 1
        self.compare(executed, expected, items)
        self.reusable_executions = [
            item.name
            for item in items
            if item.outcome == "value" and item.step.allow_reuse
            if executed[item.identity] > self.model.volatile(items, item.identity)
        ]
        self.check_run(run, world, found)
        self.learn(items, executed)

    def compare(self, executed, expected, items):
        """Equal, apart from results whose lost bytes another step of the same run may have brought back before."""
        for identity in self.model.ambiguous(items, expected):
            if executed[identity] == expected[identity] - 1:
                expected[identity] -= 1
        assert +executed == +expected, self.words(executed, expected, items)

    def words(self, executed, expected, items):
        names = {item.identity: item.name for item in items}
        more = [names.get(identity, identity) for identity in (executed - expected).elements()]
        less = [names.get(identity, identity) for identity in (expected - executed).elements()]
        return f"executed without need: {more}; taken although it had to be executed: {less}"

    def check_run(self, run, world, found):
        steps = {step.name: step for step in self.bench.records.runs.steps(run)}
        wanted = {}
        for step, each in zip(world.steps, found, strict=True):
            if isinstance(each, Elements) and not each:
                wanted[step.name] = GOOD
            for item in each:
                wanted[item.name] = {"value": GOOD, "failed": ("Failed",)}.get(item.outcome, ("Skipped",))
        assert wanted.keys() == steps.keys()
        for name, step in steps.items():
            assert str(step.status) in wanted[name], f"{name} is {step.status}, not {wanted[name]}"
        record = self.bench.records.runs.get(run)
        failed = any(item.outcome == "failed" for each in found for item in each)
        assert record.status is (RunStatus.FAILED if failed else RunStatus.COMPLETED)
        outputs = {f"o{position}": value for position, each in enumerate(found) if (value := self.whole(each))}
        assert record.outputs.keys() == outputs.keys()
        for name, value in outputs.items():
            try:
                assert self.read(record.outputs[name]) == value
            except IntegrityError:
                assert self.spoiled in contents(value), "an output of the run cannot be read"
        self.check_keys([item for each in found for item in each], steps)

    @staticmethod
    def whole(each):
        broken = any(item.outcome in ("failed", "broken") for item in each)
        return None if broken else output(each)

    def read(self, stored):
        blobs = self.bench.blobs
        if stored.format == "list":
            return Items(tuple(self.read(item) for item in stored.items))
        if stored.format == "file":
            return File(blobs.read(stored.blob), stored.suffix)
        if stored.format == "folder":
            entries = json.loads(blobs.read(stored.blob))["entries"]
            return Folder(frozenset((path, blobs.read(blob), bool(runs)) for path, blob, _, runs in entries))
        return Plain(freeze(stored.inline))

    def check_keys(self, items, steps):
        """One key for each identity, and one identity for each key, in all that was ever seen."""
        for item in items:
            key = steps[item.name].key if item.name in steps else ""
            if item.identity and key:
                assert self.model.keys.setdefault(item.identity, key) == key, f"{item.name}: one identity, two keys"
        assert len(set(self.model.keys.values())) == len(self.model.keys), "two identities have one key"

    def learn(self, items, executed):
        now = self.bench.clock.now()
        for item in items:
            if item.outcome == "value" and executed[item.identity]:
                self.model.learn(item, item.value, now)

    def accept_part(self, run, world, lost):
        """A run ended before its end: what is recorded as completed counts, and little else was executed."""
        items = self.items(self.drawn_in(run), world)
        executed = self.executions(run, items)
        expected = self.model.expected(items, self.bench.clock.now())
        assert executed <= expected, self.words(executed, expected, items)
        statuses = {step.name: str(step.status) for step in self.bench.records.runs.steps(run)}
        done = {item.identity for item in items if statuses.get(item.name) == "Completed"}
        unfinished = [
            item.name
            for item in items
            if executed[item.identity] and item.outcome == "value" and item.identity not in done
        ]
        assert len({item.identity for item in items if item.name in unfinished}) <= lost
        assert done <= executed.keys()
        self.learn([item for item in items if item.identity in done], executed)
        self.model.gone -= self.bench.stored().keys()
        self.check_keys(items, {step.name: step for step in self.bench.records.runs.steps(run)})

    def accept_both(self, runs, part=None):
        total, wanted, everything = Counter(), Counter(), []
        now = self.bench.clock.now()
        self.model.mended = set()
        needed = set()
        for run, world in runs:
            found = evaluate(world, self.drawn_in(run))
            items = [item for each in found for item in each]
            total += self.executions(run, items)
            for item in items:
                if item.outcome == "failed" or (item.outcome == "value" and not item.step.allow_reuse):
                    wanted[item.identity] += 1
                elif item.outcome == "value" and not self.model.usable(item, now):
                    needed.add(item.identity)
            everything += items
            self.check_run(run, world, found)
        wanted.update(needed)
        if part is not None:
            self.take_over(part, total, wanted, everything)
        self.compare(total, wanted, everything)
        self.learn(everything, total)

    def take_over(self, part, total, wanted, everything):
        """Count what the driver that died executed: at most one execution was in vain."""
        run, world = part
        now = self.bench.clock.now()
        items = {item.name: item for item in self.items(self.drawn_in(run), world)}
        steps = {step.name: step for step in self.bench.records.runs.steps(run)}
        self.check_keys(items.values(), steps)
        vain = 0
        for name in [step for owner, step in self.bench.executed if owner == run]:
            item = items[name]
            total[item.identity] += 1
            if item.outcome != "value" or not item.step.allow_reuse:
                wanted[item.identity] += 1
            elif name not in steps or str(steps[name].status) != "Completed":
                wanted[item.identity] += 1
                vain += 1
                if item.identity in self.model.seen:  # the lost files of what was kept may be back by it
                    self.model.mended.add(item.identity)
            elif not self.model.usable(item, now):  # what it drew before may have been its own
                wanted[item.identity] = max(wanted[item.identity], 1)
        assert vain <= 1, "more than what was in flight was executed in vain"
        everything += items.values()

    # -- audit -----------------------------------------------------------------------------------------------------

    def completions(self):
        rows = self.bench.sql(
            "select run, step, attempt, key, definition, outputs, seconds, created_at, reusable from completions"
        )
        return {row[:3]: row[3:] for row in rows}

    def audit(self):
        """What must hold of the records at any time between runs."""
        rows = self.completions()
        for place, row in self.rows.items():
            assert rows[place][:-1] == row[:-1], "an accepted completion was changed"
            assert rows[place][-1] <= row[-1], "a completion became reusable again"
        self.rows = rows
        executed = set(self.bench.executed)
        for (run, step, _), row in rows.items():
            assert (run, step) in executed, "a completion of what was never executed"
            assert row[-1] in (0, 1)
        reusable = [row[0] for row in rows.values() if row[-1]]
        assert len(reusable) == len(set(reusable)), "two reusable completions of one key"
        keys = {self.model.keys.get(identity) for identity in self.model.seen}
        assert set(reusable) <= keys, "a reusable completion that nobody accepted"
        assert self.bench.sql("select key from claims") == [], "a claim outlived its run"
        self.fold()
        assert not [fault for fault in self.bench.faults() if fault[0] not in ("I2", "I5")]  # rows may be dropped here
        assert not list((self.bench.folder / "blobs" / "staging").glob("*")), "a temporary file was left"

    def fold(self):
        """Events one after another give the statuses as they stand."""
        for (run,) in self.bench.sql("select distinct run from events"):
            rows = self.bench.sql("select sequence, body from events where run = ? order by sequence", (run,))
            assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
            steps, ends = {}, []
            for _, body in rows:
                body = json.loads(body)
                assert not ends, "something happened after the end"
                steps.update(body.get("steps") or self.taken_over(run, body))
                ends += [body["status"]] if body.get("status", "Queued") != "Queued" else []
            found = dict(self.bench.sql("select step, status from step_runs where run = ?", (run,)))
            assert found == steps
            if ends:
                assert self.bench.sql("select status from runs where id = ?", (run,)) == [(ends[0],)]

    def taken_over(self, run, body):
        """How steps stand that were carried over, by the run that they were carried from if it is there."""
        if "carried" not in body:
            return {}
        query = "select step, node, status from step_runs where run = ?"
        removed = self.bench.sql("select 1 from runs where id = ? and removed_at is null", (body["carried"],)) == []
        rows = self.bench.sql(query, (run if removed else body["carried"],))
        left_out = body.get("but", ())
        return {
            name: "Skipped" if status == "Skipped" else "Reused" for name, node, status in rows if node not in left_out
        }
