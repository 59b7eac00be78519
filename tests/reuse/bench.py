"""A workspace for the proof: real orchestrator, driver, performer, records and blobs; steps are programs in this process."""

import json
import os
import random
import shutil
import tempfile
import threading
import time
from collections import deque
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from model import surroundings
from stopping import Counted
from worlds import PARAMETERS, File, Folder, Items, Plain, Refused, freeze, run_op, thaw

from pipelinekit.domain.attempts import AttemptEnded, AttemptStarted
from pipelinekit.domain.environments import Software, variable_identity
from pipelinekit.domain.graphs import CompiledStep, Condition, Definition, Graph, ListOf, Literal, Node, OutputRef
from pipelinekit.domain.graphs import ParameterRef as Argument
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.runs import Failure, RunOptions, RunRecord, RunStatus
from pipelinekit.domain.steps import Port, StepOptions
from pipelinekit.domain.types import ANY, PathRef, PortType
from pipelinekit.domain.upkeep import RetentionPolicy
from pipelinekit.engine.checking import order_of, record_faults
from pipelinekit.engine.code.closure import closure_of
from pipelinekit.harness.execute import Place, execute, run_python
from pipelinekit.runtime.driver import Driver
from pipelinekit.runtime.records import Records
from pipelinekit.storage import leases
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.cache import FileCache
from pipelinekit.storage.carrying import SQLCarrying
from pipelinekit.storage.documents import SQLDocuments
from pipelinekit.storage.facts import SQLFacts
from pipelinekit.storage.leftovers import HomeSweeper
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.reuse import SQLReuse
from pipelinekit.storage.runs import SQLDriving, SQLRuns
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.sqlite_library import sqlite3
from pipelinekit.storage.sweeping import FolderSweeper
from pipelinekit.storage.upkeep import SQLUpkeep
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.code import MemoryCode
from pipelinekit.wire.graphs import graph_digest, graph_text
from pipelinekit.workspace.observing import ObservedFiles
from pipelinekit.workspace.pipelines import Pipelines
from pipelinekit.workspace.upkeep import Collector, Stores

OUTPUTS = {"file": PortType("file"), "folder": PortType("folder")}
PORTS = (Port("xs", ANY), Port("k", ANY), Port("data", ANY, required=False), Port("note", ANY, keyed=False))
FAST_DISK = "/dev/shm" if os.path.isdir("/dev/shm") else None
MOST_LOOKS = 5000  # at the clock, by one driver
_closures = {}


class Crash(BaseException):
    """The driver dies here."""


# -- graphs ------------------------------------------------------------------------------------------------------------


def source_text(world):
    """The code of a world: what its steps' functions look like to the compiler."""
    parts = [
        "#\n" * world.place,
        f"def unused():\n    return {world.unused}\n",
        f"def helper():\n    return {world.helper}\n",
    ]
    for number, function in enumerate(world.functions):
        calls = "helper()" if function.helper else "None"
        parts.append(
            f'def f{number}(xs, k, data=None, note=None):\n    """Words {function.comment}."""\n'
            f"    version = {function.code}  # {function.comment}\n    return {function.op!r}, {calls}\n"
        )
    return "\n".join(parts)


def code_of(world, number):
    """The code that a function reaches, as the compiler tells it."""
    text = source_text(world)
    if (text, number) not in _closures:
        _closures[text, number] = closure_of([("main", f"f{number}")], MemoryCode({"main.py": text})).code
    return _closures[text, number]


def compiled(world, step):
    function = world.functions[step.function]
    software = Software(
        world.python, (("library", world.library),), (("MODE", variable_identity("MODE", step.mode)),), step.lock
    )
    definition = Definition(
        "python",
        f"main:f{step.function}",
        code_of(world, step.function),
        software,
        (Port("output", OUTPUTS.get(function.kind, ANY)),),
        step.cache_version,
    )
    options = StepOptions(step.allow_reuse, step.cache_version, variables={"MODE": step.mode}, max_age=step.max_age)
    return CompiledStep(f"f{step.function}", definition, PORTS, options, "")


def bound(world, step):
    """The inputs of a node."""
    refs = [OutputRef(position, "output") for position in step.xs]
    inputs = {
        "xs": refs[0] if step.direct and len(refs) == 1 else ListOf(tuple(refs)),
        "k": Literal(PARAMETERS[step.k]) if isinstance(step.k, int) else Argument(step.k),
        "note": Literal(step.note),
    }
    if step.data:
        inputs["data"] = Literal(PathRef(f"data/{step.data}", folder=step.data == "set"))
    return inputs


def graph_of(world):
    """The compiled pipeline of a world."""
    nodes = []
    for position, step in enumerate(world.steps):
        conditions = (Condition(OutputRef(step.condition, "output")),) if step.condition >= 0 else ()
        each = ("xs",) if step.mapped else ()
        nodes.append(Node(step.name, position, bound(world, step), (), conditions, each, "main.py", world.place + 1))
    return Graph(
        "pipe",
        tuple(compiled(world, step) for step in world.steps),
        tuple(nodes),
        tuple(Parameter(name, ANY) for name, _ in world.parameters),
        tuple((f"o{position}", OutputRef(position, "output")) for position in range(len(nodes))),
    )


# -- execution ---------------------------------------------------------------------------------------------------------


def taken(value):
    """An input as a step gets it, in the oracle's terms."""
    if isinstance(value, Path) and value.is_dir():
        files = (path for path in value.rglob("*") if path.is_file())
        return Folder(
            frozenset((str(path.relative_to(value)), path.read_bytes(), os.access(path, os.X_OK)) for path in files)
        )
    if isinstance(value, Path):
        return File(value.read_bytes(), value.suffix)
    return Plain(freeze(value))


def given(value, folder):
    """A result as a step returns it."""
    match value:
        case Plain():
            return thaw(value.value)
        case File(data=data, suffix=suffix):
            path = folder.with_suffix(suffix)
            path.write_bytes(data)
            return path
        case Folder(files=files):
            for name, data, runs in files:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                path.chmod(0o755 if runs else 0o644)
            return folder
        case Items(values=values):
            return [given(item, folder.with_name(f"{folder.name}{number}")) for number, item in enumerate(values)]


class Programs:
    """A compute target: executes one attempt each time it is asked to advance. `before` is told of each one."""

    def __init__(self, bench, sink, blobs, before):
        self.bench = bench
        self.sink = sink
        self.blobs = blobs
        self.before = before
        self.queue = deque()

    def start(self, attempts):
        self.queue.extend(attempts)

    def stop(self, attempts):
        for attempt in [item for item in self.queue if item.id in attempts]:
            self.queue.remove(attempt)
            self.sink(AttemptEnded(attempt.id, self.bench.clock.now(), 0.0, failure=Failure("canceled", "canceled")))

    def advance(self):
        if not self.queue:
            return False
        self.queue.rotate(self.bench.order.randrange(len(self.queue)))
        attempt = self.queue.popleft()
        self.before(attempt)
        self.sink(AttemptStarted(attempt.id, self.bench.clock.now()))
        place = Place(self.blobs, self.bench.folder / "scratch" / attempt.id.replace("/", "_"), self.bench.folder)
        self.sink(execute(attempt, place, partial(run_python, find=lambda entry: self.function(attempt))))
        return True

    def waiting(self):
        return len(self.queue)

    def trouble(self):
        return ""

    def close(self, *, now=False):
        self.queue.clear()

    def function(self, attempt):
        """What the attempt calls: its program, which also notes that it was executed."""
        world = self.bench.worlds[attempt.run]
        step = next(item for item in world.steps if item.name == attempt.step.partition("[")[0])
        function = world.functions[step.function]

        def program(xs, k, note=None, data=None):
            stored = attempt.inputs["xs"]
            if step.mapped or (step.direct and len(step.xs) == 1):
                values = [converted(stored, xs)]
            else:
                values = [converted(item, value) for item, value in zip(stored.items, xs, strict=True)]
            self.bench.executed.append((attempt.run, attempt.step))
            seen = taken(data) if data is not None else None
            around = surroundings(world, step)
            try:
                value = run_op(
                    function.op, taken(k), values, seen, around, lambda: f"{attempt.id}#{len(self.bench.executed)}"
                )
            except Refused as error:
                raise ValueError(str(error)) from None
            return given(value, Path.cwd() / "result")

        return program


def converted(stored, value):
    """An input in the oracle's terms; lists that are stored item by item are told from plain ones."""
    if stored.format == "list":
        return Items(tuple(converted(item, inner) for item, inner in zip(stored.items, value, strict=True)))
    return taken(value)


class Watcher:
    """Looks at nothing, but lets another driver go on whenever it is told of something."""

    def __init__(self, pause):
        self.pause = pause

    def begun(self, run, graph):
        self.pause()

    def carried(self, carried, read):
        self.pause()

    def changed(self, changes):
        self.pause()

    def logged(self, chunks):
        pass

    def waiting(self):
        self.pause()


class Hurried:
    """A clock for one driver: whoever looks at it sees time pass, so that nobody waits for long."""

    def __init__(self, clock):
        self.clock = clock
        self.looks = 0

    def now(self):
        self.looks += 1
        assert self.looks < MOST_LOOKS, "the run does not come to its end"
        return self.clock.now() + self.looks / 2


class Effects:
    """Counts what a driver makes durable, and lets it die before or after the n-th."""

    def __init__(self, nth=0, after=False):
        self.left = nth
        self.after = after
        self.dead = False

    def wrap(self, port, *names):
        return Counted(port, self, *names)

    def perform(self, effect):
        self.left -= 1
        if self.dead or (self.left == 0 and not self.after):
            self.dead = True
            raise Crash
        result = effect()
        if self.left == 0:
            self.dead = True
            raise Crash
        return result

    @contextmanager
    def batch(self, transaction):
        """A transaction; dying after it is dying after its commit."""
        with transaction():
            yield
        self.perform(lambda: None)


class Turns:
    """Lets one of several threads go on at a time, as a seed says; who has it passes it on by `pause`."""

    def __init__(self, count, seed):
        self.random = random.Random(seed)
        self.alive = set(range(count))
        self.turn = self.random.randrange(count)
        self.condition = threading.Condition()

    def wait(self, who):
        with self.condition:
            assert self.condition.wait_for(lambda: self.turn == who, timeout=60), "the other driver never went on"

    def pause(self, who):
        with self.condition:
            self.turn = self.random.choice(sorted(self.alive))
            self.condition.notify_all()
        self.wait(who)

    def leave(self, who):
        with self.condition:
            self.alive.discard(who)
            if self.alive:
                self.turn = self.random.choice(sorted(self.alive))
            self.condition.notify_all()


class Bench:
    """One workspace folder, and the drivers on it."""

    def __init__(self):
        self.order = random.Random(0)  # which of the attempts that wait is executed next
        self.folder = Path(tempfile.mkdtemp(dir=FAST_DISK, prefix="reuse-"))
        self.clock = HandClock()
        self.worlds = {}
        self.orders = {}
        self.executed = []
        self.count = 0
        self.misnamed = set()
        self.known = {}  # the bytes that each stored file had when it was first seen
        (self.folder / "data").mkdir()
        (self.folder / "blobs").mkdir()
        self.blobs = FolderBlobs(self.folder / "blobs")
        self.cache = FileCache(self.folder / "cache.db")
        self.database = SQLiteDatabase(self.folder / "records.db")
        self.records = self.open(self.database)
        self.opened = {}  # connections to the records' file itself, by thread

    def close(self):
        self.database.close()
        for connection in self.opened.values():
            connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self, database, effects=None):
        effects = effects or Effects()
        return Records(
            SQLRuns(database, self.clock),
            effects.wrap(SQLDriving(database, self.clock), "take", "record", "finish"),
            effects.wrap(SQLReuse(database, self.clock), "claim", "release"),
            effects.wrap(SQLCarrying(database, self.clock), "carry"),
            effects.wrap(SQLDocuments(database), "put"),
            SQLLogs(database),
            lambda: SQLFacts(database, self.clock),
            lambda: effects.batch(database.transaction),
            database.lock,
        )

    # -- files ---------------------------------------------------------------------------------------------------------

    def bring(self, world):
        """Make the files on disk those of the world; what is equal stays untouched."""
        root = self.folder / "data"
        wanted = {path: (data, runs) for path, data, runs in world.files}
        for path in [item for item in root.rglob("*") if item.is_file()]:
            if str(path.relative_to(root)) not in wanted:
                path.unlink()
        for name, (data, runs) in wanted.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_bytes() != data:
                before = path.stat() if path.exists() else None
                path.write_bytes(data)
                if before is not None:  # as tools do that keep times
                    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            path.chmod(0o755 if runs else 0o644)

    def touch(self, name):
        path = self.folder / "data" / name
        if path.exists():
            os.utime(path)

    def stored(self):
        """What the store holds: the file of each content, in the oracle's terms. Names are not looked into."""
        files = {}
        for path in sorted(set((self.folder / "blobs").glob("??/*")) - self.misnamed):
            files[path.parent.name + path.name] = path
            self.known.setdefault(path.parent.name + path.name, path.read_bytes())
        found = {}
        for name, path in files.items():
            data = self.known[name]
            found[data] = path
            if data.startswith(b'{"tree":'):
                entries = json.loads(data)["entries"]
                found[
                    Folder(frozenset((file, self.known.get(blob[5:]), bool(runs)) for file, blob, _, runs in entries))
                ] = path
        return found

    # -- runs ----------------------------------------------------------------------------------------------------------

    def submit(self, world, options, detached=False):
        """Compile, store and record a run of this world as it is now; its id."""
        self.bring(world)
        self.count += 1
        graph = graph_of(world)
        text = graph_text(graph)
        self.orders[graph_digest(text)] = order_of(graph)
        pipelines = Pipelines(self.records.runs, self.records.documents, self.blobs, self.cache, self.clock, None)
        values = {name: PARAMETERS[position] for name, position in world.parameters}
        arguments = pipelines.arguments(graph, values, self.folder)
        self.records.documents.put({graph_digest(text): text})
        record = RunRecord(
            f"{self.count:0>14}", 0, "exp", graph.name, graph_digest(text), RunStatus.QUEUED, self.clock.now(),
            arguments.values, arguments.paths, options=options, detached=detached,
        )  # fmt: skip
        self.worlds[record.id] = world
        return self.records.runs.create(record).id

    def drive(self, run, *, effects=None, before=lambda attempt, turns: None, pause=lambda: None):
        """Drive a run with a driver of its own, on a connection and a store of its own."""
        database = SQLiteDatabase(self.folder / "records.db")
        blobs = FolderBlobs(self.folder / "blobs")
        records = self.open(database, effects)
        if effects is not None:
            blobs = effects.wrap(blobs, "put", "put_file", "put_files")

        def make_compute(target, sink, attempts):
            return Programs(self, sink, blobs, lambda attempt: (pause(), before(attempt, turns)))

        driver = Driver(
            leases.owner_id(), records, blobs, Hurried(self.clock), lambda: ObservedFiles(blobs, self.cache, ()), make_compute,
            lambda: SQLDriving(SQLiteDatabase(self.folder / "records.db"), self.clock), Watcher(pause),
        )  # fmt: skip
        try:
            turns = driver.turns(driver.begin(run))
            return turns.drive() if turns else RunStatus.COMPLETED
        finally:
            database.close()

    def declare_dead(self, run):
        """From now on the driver of this run counts as dead."""
        self.sql("update runs set owner = 'nobody' where id = ? and owner != ''", (run,))

    def sql(self, statement, parameters=()):
        return self.raw().execute(statement, parameters).fetchall()

    def raw(self):
        """This thread's connection to the records' file itself. To open one takes longer than to ask it."""
        thread = threading.get_ident()
        if thread not in self.opened:
            self.opened[thread] = sqlite3.connect(
                self.folder / "records.db", isolation_level=None, check_same_thread=False
            )
        return self.opened[thread]

    def together(self, runs, seed, effects=None):
        """Drive several runs at once, each in a thread, one step at a time as the seed says; how each ended."""
        turns = Turns(len(runs), seed)
        ended = [None] * len(runs)

        def work(who):
            turns.wait(who)
            try:
                own = effects if who == 0 else None
                ended[who] = self.drive(runs[who], effects=own, pause=lambda: turns.pause(who))
            except BaseException as error:
                ended[who] = error
                if isinstance(error, Crash):
                    self.declare_dead(runs[who])
            finally:
                turns.leave(who)

        threads = [threading.Thread(target=work, args=(who,)) for who in range(len(runs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ended

    def options(self, forced="", verify=0.0):
        return RunOptions((forced,) if forced else (), continue_on_step_failure=True, compute="programs", verify=verify)

    def faults(self):
        """Where the records contradict themselves, as `fsck` tells it: rule, object and words."""
        upkeep = SQLUpkeep(self.database, self.clock)
        found = record_faults(upkeep.inventory(), upkeep.histories(), self.orders)
        return [(fault.rule, fault.object, fault.message) for fault in found]

    def clean_up(self, keep):
        """Keep the newest runs only, long after all blobs were used."""
        records, blobs = self.records, self.folder / "blobs"
        clock = HandClock(time.time() + 1_000_000)
        stores = Stores(
            SQLUpkeep(self.database, clock), lambda: records.driving.recover(30), records.reuse, records.documents, records.batch,
            FolderSweeper(blobs), HomeSweeper(self.folder), clock,
        )  # fmt: skip
        return Collector(stores).collect(RetentionPolicy(keep_runs=keep))
