"""Steps on a thousand imaginary nodes, in imaginary time: real driver, orchestrator, records, placement and scaling.

    imaginary_nodes.py STEPS NODES LIFE SEED DRIVERS FOLDER

Nodes are slow, die after LIFE seconds in the mean, lose bundles and answers; some steps fail at first, and of DRIVERS
drivers all but the last die. What comes of it is held against what each step is to give: one end of each step and no
more, nothing executed that was recorded, and the outputs of a run that nothing disturbs.
"""

import json
import random
import resource
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from pipelinekit.classes import replace
from pipelinekit.domain.attempts import AttemptEnded
from pipelinekit.domain.computes import Cluster
from pipelinekit.domain.environments import Software
from pipelinekit.domain.graphs import CompiledStep, Definition, Graph, ListOf, Literal, Node, OutputRef
from pipelinekit.domain.runs import Failure, RunOptions, RunRecord, RunStatus
from pipelinekit.domain.steps import Port, Resources, Retry, StepOptions
from pipelinekit.domain.types import ANY
from pipelinekit.domain.values import plain
from pipelinekit.runtime.driver import Driver
from pipelinekit.runtime.records import Records
from pipelinekit.storage.carrying import SQLCarrying
from pipelinekit.storage.documents import SQLDocuments
from pipelinekit.storage.facts import SQLFacts
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.reuse import SQLReuse
from pipelinekit.storage.runs import SQLDriving, SQLRuns
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.imaginary_cluster import ImaginaryCluster, Weather
from pipelinekit.testing.stores import MemoryBlobs, MemoryFiles
from pipelinekit.wire.graphs import graph_digest, graph_text

RUN = "00000000000001"
ROUGH = Weather(slow_nodes=0.02, lost=0.003, silent=0.003, early=0.2)
KINDS = {"short": (0.02, 1.0), "long": (1.0, 1.0), "wide": (3.0, 2.0)}  # seconds, and cores
SHARES = ("short",) * 5 + ("long",) * 4 + ("wide",)
LAYERS = 10
CORES = 2
FLAKY = 100  # of so many steps one fails at its first attempt
MODULUS = 1_000_003


class DriverDied(BaseException):
    """Nothing more is done by this driver."""


def compiled(kind):
    """One step, which is tried again when it fails."""
    definition = Definition("python", f"main:{kind}", (), Software("py"), (Port("output", ANY),))
    options = StepOptions(resources=Resources(cpu=KINDS[kind][1]), retry=Retry(2, delay=1.0))
    return CompiledStep(kind, definition, (Port("xs", ANY), Port("n", ANY)), options, "")


def graph_of(steps):
    """Layers of steps, each with two of the layer before; the last takes in the whole last layer."""
    width = max((steps - 1) // LAYERS, 1)
    choose = random.Random(0)
    nodes = []
    for number in range(steps - 1):
        first = (number // width - 1) * width
        parents = [] if first < 0 else [OutputRef(choose.randrange(first, first + width), "output") for _ in range(2)]
        kind = SHARES[number % len(SHARES)]
        place = list(KINDS).index(kind)
        nodes.append(Node(f"{kind}-{number}", place, {"xs": ListOf(tuple(parents)), "n": Literal(number)}))
    last = ListOf(tuple(OutputRef(number, "output") for number in range(max(steps - 1 - width, 0), steps - 1)))
    nodes.append(Node("last", 0, {"xs": last, "n": Literal(steps)}))
    return Graph("pipe", tuple(map(compiled, KINDS)), tuple(nodes), (), (("output", OutputRef(steps - 1, "output")),))


def undisturbed(graph):
    """What each step is to give."""
    values = []
    for node in graph.nodes:
        given = [values[ref.node] for ref in node.inputs["xs"].items]
        values.append((sum(given) * 31 + node.inputs["n"].value) % MODULUS)
    return values


class Site:
    """Records, one run, and who sees to it."""

    def __init__(self, graph, nodes, life, seed, folder):
        self.graph, self.seed = graph, seed
        self.weather = replace(ROUGH, node_life=float(life))
        self.cluster = Cluster(nodes, cores=CORES, idle_seconds_before_scaledown=5.0)
        self.clock = HandClock()
        self.flaky = {node.name for number, node in enumerate(graph.nodes) if (number * 7 + seed) % FLAKY == 0}
        self.committed, self.attempts, self.again = set(), Counter(), []
        self.changes, self.dies_at, self.counts = 0, 0, Counter()
        self.path = folder / "records.db"
        self.database = SQLiteDatabase(self.path)
        self.records = Records(
            SQLRuns(self.database, self.clock),
            SQLDriving(self.database, self.clock),
            SQLReuse(self.database, self.clock),
            SQLCarrying(self.database, self.clock),
            SQLDocuments(self.database),
            SQLLogs(self.database),
            lambda: SQLFacts(self.database, self.clock),
            self.database.transaction,
            self.database.lock,
        )
        text = graph_text(graph)
        self.records.documents.put({graph_digest(text): text})
        options = RunOptions(compute="nodes")
        about = (RUN, 0, "experiment", graph.name, graph_digest(text), RunStatus.QUEUED, 0.0)
        self.records.runs.create(RunRecord(*about, options=options))

    # -- what a driver is given ----------------------------------------------------------------------------------------

    def execute(self, attempt):
        """An attempt comes to a node."""
        self.attempts[attempt.step] += 1
        if attempt.step in self.committed:
            self.again.append(attempt.id)
        seconds = KINDS[attempt.task.entry.removeprefix("main:")][0]
        if attempt.number == 1 and attempt.step in self.flaky:
            return AttemptEnded(attempt.id, 0.0, seconds, failure=Failure("user", "not at first", ("ValueError",)))
        given = [item.inline for item in attempt.inputs["xs"].items or ()]
        value = (sum(given) * 31 + attempt.inputs["n"].inline) % MODULUS
        return AttemptEnded(attempt.id, 0.0, seconds, {"output": plain(value)})

    def make_compute(self, _, sink, __):
        self.nodes = ImaginaryCluster(sink, self.clock, self.execute, self.cluster, self.weather, self.seed)
        return self.nodes

    def renew(self, *_):
        """Nobody else looks for a driver here."""
        return False

    def begun(self, *_):
        """An observer's: nothing to see."""

    carried = logged = begun

    def waiting(self):
        raise AssertionError("a turn in which nothing happens would wait for the clock on the wall")

    def changed(self, changes):
        """These are recorded."""
        self.changes += len(changes)
        self.committed.update(change.name for change in changes if change.status.final)
        if self.dies_at and len(self.committed) >= self.dies_at:
            raise DriverDied

    def drive(self, drivers):
        """Drive the run to its end by so many drivers, all but the last of which die on the way."""
        for number in range(1, drivers + 1):
            self.dies_at = len(self.graph.nodes) * number // drivers if number < drivers else 0
            stores = MemoryBlobs(), self.clock, MemoryFiles, self.make_compute, lambda: self, self
            driver = Driver(f"driver {number}", self.records, *stores)
            try:
                status = driver.drive(RUN, self.graph)
            except DriverDied:
                status = None
            for name in ("bundles", "executed", "nodes", "deaths", "returned", "looks"):
                self.counts[name] += getattr(self.nodes.counts, name)
        assert status is RunStatus.COMPLETED, self.records.runs.get(RUN).failure

    def check(self):
        """Each step has one end, which is Completed, and gives what it gives where nothing goes wrong."""
        assert not self.again, f"executed again: {self.again[:5]}"
        ends = Counter()
        for _, changes in self.records.runs.changes(RUN):
            for name, status in changes:
                assert not ends[name], f"{name} became {status} after its end"
                ends[name] += status == "Completed"
        assert set(ends.values()) == {1}
        assert len(ends) == len(self.graph.nodes)
        values = undisturbed(self.graph)
        found = {step.name: step.outputs["output"].inline for step in self.records.runs.steps(RUN)}
        assert found == {node.name: value for node, value in zip(self.graph.nodes, values, strict=True)}
        assert self.records.runs.get(RUN).outputs == {"output": plain(values[-1])}
        with closing(sqlite3.connect(self.path)) as connection:
            kept = connection.execute("select count(*), count(distinct key), sum(reusable) from completions").fetchone()
            assert kept == (len(ends), len(ends), len(ends))
            assert connection.execute("select count(*) from claims").fetchone() == (0,)


steps, nodes, life, seed, drivers = map(int, sys.argv[1:6])
folder = Path(sys.argv[6])
folder.mkdir(parents=True, exist_ok=True)
graph = graph_of(steps)
site = Site(graph, nodes, life, seed, folder)
began_at, began = site.clock.now(), time.process_time()
site.drive(drivers)
seconds = time.process_time() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
site.check()
site.database.close()
decisions = site.changes + site.counts["bundles"] + site.counts["nodes"] + site.counts["looks"]
print(
    json.dumps(
        {
            "steps": steps,
            "seconds": seconds,
            "imaginary_seconds": site.clock.now() - began_at,
            "decisions": decisions,
            "decisions_per_second": decisions / seconds,
            "peak_bytes": peak,
            "repeated": sum(site.attempts.values()) - steps,
            **site.counts,
        }
    )
)
