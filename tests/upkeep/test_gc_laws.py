"""Random runs and random clean-up, also in the midst of a run: every kept run's outputs load, and no result is wrong."""

import os
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelinekit import Folder, Workspace, pipeline, step
from pipelinekit.domain.upkeep import RetentionPolicy
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.sqlite_library import sqlite3
from pipelinekit.workspace.upkeep import Collector


@step
def spread(n: int, name: str) -> Folder:
    for number in range(3):
        Path("out", str(number)).mkdir(parents=True)
        Path("out", str(number), "text").write_text(f"{name} {n % (number + 2)} " * 100)
    return Folder("out")


@step
def spell(n: int) -> bytes:
    return bytes([n % 3]) * 6000


@step
def join(files: Folder, text: bytes) -> list[int]:
    return [len(text), text[0], *(len(path.read_text()) for path in sorted(files.rglob("text")))] * 1000


@pipeline
def laws(n: int):
    files = spread(n, "a")
    return {"files": files, "text": spell(n), "joined": join(files, spell(n + 1))}


def expected(n):
    texts = {str(number): f"a {n % (number + 2)} " * 100 for number in range(3)}
    joined = [6000, (n + 1) % 3, *(len(texts[name]) for name in sorted(texts))] * 1000
    return texts, bytes([n % 3]) * 6000, joined


def shown(run):
    folder = run.outputs["files"].load()
    texts = {path.parent.name: path.read_text() for path in Path(folder).rglob("text")}
    return texts, run.outputs["text"].load(), run.outputs["joined"].load()


class WatchedBlobs(FolderBlobs):
    """A store that calls a function before and after it is used: there the clean-up of another process may fall."""

    hook = staticmethod(lambda: None)

    def missing(self, digests):
        type(self).hook()
        found = super().missing(digests)
        type(self).hook()
        return found

    def put(self, source):
        type(self).hook()
        found = super().put(source)
        type(self).hook()
        return found

    def put_files(self, paths, *, move=False):
        type(self).hook()
        found = super().put_files(paths, move=move)
        type(self).hook()
        return found


@contextmanager
def at_call(number, action):
    """Do something when the store is used for that time; how often it was used by then is in the list."""
    calls = []

    def hook():
        calls.append(1)
        if len(calls) == number:
            action()

    WatchedBlobs.hook = hook
    try:
        yield calls
    finally:
        WatchedBlobs.hook = lambda: None


class World:
    """A workspace whose store can be made old, and whose clean-up may fall anywhere."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.workspace = Workspace.open(self.folder)
        self.workspace.services.__dict__["blobs"] = WatchedBlobs(self.workspace.services.home / "blobs")
        self.cleaned = 0

    def run(self, n):
        run = self.workspace.submit(laws, parameters={"n": n}, compute="in-process").wait()
        assert shown(run) == expected(n)
        assert all(step.outputs for step in run.steps)
        return run

    def age(self):
        then = time.time() - 10 * 86400
        for path in (self.workspace.services.home / "blobs").rglob("*"):
            if path.is_file():
                os.utime(path, (then, then))

    def collect(self, policy):
        """What another process would do, unless this one has the records locked."""
        services = Workspace.open(self.folder).services
        connection = sqlite3.connect(services.home / "records.db", timeout=0, isolation_level=None)
        try:
            connection.execute("begin immediate")
            connection.execute("rollback")
        except sqlite3.OperationalError:
            return
        finally:
            connection.close()
        Collector(services.upkeep).collect(policy)
        services.database.close()
        self.cleaned += 1

    def check(self):
        for run in self.workspace.runs.list():
            if run.status.final:
                n = run.record.arguments["n"].data()
                assert shown(run) == expected(n), run
                assert all(output.load() for step in run.steps for output in step.outputs.values())
                assert all(step.outputs for step in run.steps)


policies = st.builds(
    RetentionPolicy,
    keep_runs=st.sampled_from([None, 0, 1, 2]),
    unused_days=st.sampled_from([None, 0.0]),
    max_size=st.sampled_from([None, 0, 20_000]),
    grace=st.just(0.0),
)
actions = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 3)),
    st.tuples(st.just("run amid clean-up"), st.integers(0, 3), policies, st.integers(1, 40)),
    st.tuples(st.just("clean"), policies),
    st.tuples(st.just("pin"), st.booleans()),
    st.tuples(st.just("age")),
)


@pytest.mark.long
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(actions, min_size=3, max_size=9))
def test_clean_up_anywhere_loses_nothing_that_is_kept(found):
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        for action, *details in [("run", 1), ("age",), *found, ("run", 2)]:
            if action == "run":
                world.run(*details)
            elif action == "run amid clean-up":
                n, policy, number = details
                with at_call(number, partial(world.collect, policy)):
                    world.run(n)
            elif action == "clean":
                world.collect(*details)
            elif action == "pin" and world.workspace.runs.list():
                run = world.workspace.runs.list()[-1]
                world.workspace.services.upkeep.upkeep.pin(run.id, pinned=details[0])
            elif action == "age":
                world.age()
            world.check()


@pytest.mark.long
@pytest.mark.parametrize(
    ("n", "least"), [pytest.param(1, 4, marks=pytest.mark.slow), pytest.param(2, 4, marks=pytest.mark.slow), (3, 0)]
)
def test_clean_up_of_everything_at_every_moment_of_a_run_harms_nothing(n, least):
    """Of the run itself: what it names is there in the end, whether it found it, or made it again.

    A run that is carried over as a whole uses the store while it has the records locked, so that nothing falls into it.
    """
    everything = RetentionPolicy(keep_runs=0, unused_days=0.0, grace=0.0)
    cleaned, number, reused = 0, 0, set()
    while True:
        number += 1
        with tempfile.TemporaryDirectory() as folder:
            world = World(folder)
            world.run(1)
            world.run(3)
            world.age()
            with at_call(number, lambda world=world: world.collect(everything)) as calls:
                run = world.run(n)
            reused.update(step.name for step in run.steps if step.status == "Reused")
            world.check()
            world.age()
            world.collect(RetentionPolicy(keep_runs=1, unused_days=0.0, grace=0.0))
            assert shown(run) == expected(n)
            assert shown(world.run(n)) == expected(n)
            cleaned += world.cleaned > 1
        if len(calls) < number:
            break
    assert number > 4
    assert cleaned >= least
    assert reused
