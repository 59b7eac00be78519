"""The first page of a list over many runs: `make` fills a database once, `look` measures every kind of list."""

import json
import os
import statistics
import sys
import time
from functools import cache
from pathlib import Path

from pipelinekit import Workspace
from pipelinekit.bootstrap import open_services
from pipelinekit.domain.names import run_id
from pipelinekit.domain.run_queries import RunQuery, parse_condition
from pipelinekit.domain.runs import Failure, RunOptions, RunStatus
from pipelinekit.domain.values import plain
from pipelinekit.storage.sqlite_library import sqlite3
from pipelinekit.wire.runs import failure_to_json, options_to_json
from pipelinekit.wire.values import dumps, values_to_json

BEGAN = 1_700_000_000
SECONDS = 20  # between two runs
EXPERIMENTS, RATES, SEEDS = 50, 1_000, 100
MODELS = ("tree", "forest", "net", "linear")
REPEATS, SLOW = 5, 1.0  # so often each list is measured, unless that takes longer than so many seconds
AT_ONCE = 10_000  # runs that are made before they are written
DONE = "made"


# -- making ------------------------------------------------------------------------------------------------------------


@cache
def arguments(rate, model, seed):
    return dumps(values_to_json({"rate": plain(rate), "model": plain(model), "seed": plain(seed)}))


def status_of(number, count):
    if number >= count - 3:
        return RunStatus.RUNNING
    if number % 20 == 7:
        return RunStatus.FAILED
    return RunStatus.CANCELED if number % 10_000 == 3 else RunStatus.COMPLETED


class Made:
    """Run `number` of `count`; everything about it follows from its number."""

    def __init__(self, number, count):
        chance = number * 2_654_435_761 % 2**32  # spreads evenly, and is the same each time
        self.number = number
        self.at = BEGAN + number * SECONDS
        self.id = run_id(self.at * 1000, chance)
        self.experiment = "rare" if number % (count // 5) == 1 else f"experiment-{number % EXPERIMENTS}"
        self.rate = chance % RATES / RATES
        self.model = MODELS[chance // RATES % 4]
        self.seed = chance // 5_000 % SEEDS
        self.status = status_of(number, count)
        self.loss = (chance ^ 0x5A5A5A5A) / 2**32
        self.tags = {"team": f"team-{number % 7}", "stage": "trial" if number % 3 else "final"}
        if number % (count // 4) == 2:
            self.tags["kept"] = "yes"

    def run(self):
        failed = self.status is RunStatus.FAILED
        is_open = self.status is RunStatus.RUNNING
        return (
            *(self.id, self.number // EXPERIMENTS + 1, self.experiment, "train", "xxh3:0", str(self.status)),
            *(self.at, self.at + 1.0, None if is_open else self.at + 10.0),
            *(arguments(self.rate, self.model, self.seed), "[]", "{}", OPTIONS, FAILURE if failed else None),
            *("/home/somebody/project", DETAILS, OWNER if is_open else "", 1, 9e9, 9e9, 0, 4),
            *("pipeline", "", "", "", ""),
        )

    def parameters(self):
        yield self.id, "rate", str(self.rate), self.rate
        yield self.id, "model", self.model, None
        yield self.id, "seed", str(self.seed), float(self.seed)

    def metrics(self):
        yield self.id, "loss", self.loss, dumps(self.loss)
        yield self.id, "accuracy", 1 - self.loss, dumps(1 - self.loss)
        if self.number % 10 == 0:
            yield self.id, "f1", self.loss / 2, dumps(self.loss / 2)


OPTIONS = dumps(options_to_json(RunOptions()))
FAILURE = dumps(failure_to_json(Failure("user", "ValueError: the data has no rows", ("ValueError", "Exception"))))
DETAILS = dumps({"host": "machine", "folder": "/home/somebody/project", "pid": 1234, "user": "somebody"})
OWNER = "elsewhere|boot|1|1"
COLUMNS = [
    "id",
    "number",
    "experiment",
    "pipeline",
    "graph",
    "status",
    "created_at",
    "started_at",
    "ended_at",
    "arguments",
    "paths",
    "outputs",
    "options",
    "failure",
    "source",
    "details",
    "owner",
    "epoch",
    "lease_until",
    "renewed_at",
    "cancel_requested",
    "events",
    "kind",
    "parent",
    "parent_step",
    "display_name",
    "description",
]


def make(count, folder):
    """Fill the records of a workspace, unless that was done before. Indexes are made when everything is there."""
    if (folder / DONE).exists():
        return
    file = folder / ".pipelinekit" / "records.db"
    file.unlink(missing_ok=True)
    open_services(folder).database.close()
    database = sqlite3.connect(file, isolation_level=None)
    for setting in ("synchronous = off", "journal_mode = off", "cache_size = -400000"):
        database.execute(f"pragma {setting}")
    indexes = database.execute("select name, sql from sqlite_master where type = 'index' and sql <> ''").fetchall()
    for name, _ in indexes:
        database.execute(f"drop index {name}")
    database.execute("begin")
    sizes = [("rare", 5, BEGAN), *((f"experiment-{item}", count, BEGAN) for item in range(EXPERIMENTS))]
    fill(database, "experiments", ("name", "runs", "created_at"), sizes)
    for begin in range(0, count, AT_ONCE):
        some = [Made(number, count) for number in range(begin, min(begin + AT_ONCE, count))]
        fill(database, "runs", COLUMNS, [made.run() for made in some])
        tags = [(made.id, "", 0, *tag) for made in some for tag in made.tags.items()]
        fill(database, "run_tags", ("run", "step", "to_parent", "key", "value"), tags)
        fill(database, "run_parameters", ("run", "name", "value", "number"), [r for m in some for r in m.parameters()])
        fill(database, "run_metrics", ("run", "name", "number", "last"), [r for m in some for r in m.metrics()])
    database.execute("commit")
    for _, statement in indexes:
        database.execute(statement)
    database.close()
    (folder / DONE).write_text(str(count))


def fill(database, table, columns, rows):
    marks = ", ".join("?" * len(columns))
    database.executemany(f"insert into {table} ({', '.join(columns)}) values ({marks})", rows)


# -- looking -----------------------------------------------------------------------------------------------------------


def queries(count):
    """Every kind of list, by what is asked for."""
    middle = BEGAN + count // 2 * SECONDS

    def where(*texts, **others):
        return RunQuery(conditions=tuple(map(parse_condition, texts)), **others)

    loss, accuracy, rate = ("metric", "loss"), ("metric", "accuracy"), ("parameter", "rate")
    failed, canceled = (RunStatus.FAILED,), (RunStatus.CANCELED,)
    return {
        "newest": RunQuery(),
        "oldest": RunQuery(ascending=True),
        "experiment": RunQuery(experiment="experiment-7"),
        "experiment, few": RunQuery(experiment="rare"),
        "experiment, none": RunQuery(experiment="nobody's"),
        "pipeline": RunQuery(pipeline="train"),
        "pipeline, none": RunQuery(pipeline="nobody's"),
        "status": RunQuery(statuses=(RunStatus.COMPLETED,)),
        "status, some": RunQuery(statuses=failed),
        "status, few": RunQuery(statuses=canceled),
        "status, open": RunQuery(statuses=(RunStatus.RUNNING,)),
        "status, none": RunQuery(statuses=(RunStatus.QUEUED,)),
        "experiment and status": RunQuery(experiment="experiment-3", statuses=canceled),
        "tag": RunQuery(tags={"team": None}),
        "tag, few": RunQuery(tags={"kept": None}),
        "tag and value": RunQuery(tags={"team": "team-3"}),
        "tag and value, none": RunQuery(tags={"team": "team-9"}),
        "two tags": RunQuery(tags={"team": "team-3", "stage": "final"}),
        "two tags, few": RunQuery(tags={"team": "team-3", "kept": "yes"}),
        "parameter, text": where("param.model=tree"),
        "parameter, number": where("param.rate=0.123"),
        "parameter, range": where("param.rate<0.5"),
        "parameter, range, few": where("param.rate<0.003"),
        "parameter, range, none": where("param.rate>1"),
        "parameter, other than": where("param.model!=tree"),
        "two parameters": where("param.model=net", "param.rate=0.5"),
        "metric, range": where("metric.loss<0.5"),
        "metric, range, few": where("metric.loss<0.00001"),
        "metric, range, none": where("metric.loss<0"),
        "metric, range, one in a hundred": where("metric.loss<0.01"),
        "two metrics": where("metric.loss<0.2", "metric.f1<0.01"),
        "two metrics, few": where("metric.accuracy>0.9", "metric.loss<0.00002"),
        "metric and parameter": where("metric.loss<0.01", "param.model=net"),
        "since": RunQuery(since=BEGAN + (count - 30) * SECONDS),
        "since, all": RunQuery(since=BEGAN - 1.0),
        "since, none": RunQuery(since=BEGAN + count * SECONDS + 1.0),
        "until": RunQuery(until=middle),
        "until, few": RunQuery(until=BEGAN + 30 * SECONDS),
        "between": RunQuery(since=middle, until=middle + 500 * SECONDS),
        "sorted by a metric": RunQuery(sort=loss),
        "sorted by a metric, smallest first": RunQuery(sort=loss, ascending=True),
        "sorted by a parameter": RunQuery(sort=rate),
        "sorted, of an experiment": RunQuery(sort=loss, experiment="experiment-7"),
        "sorted, of an experiment, few": RunQuery(sort=loss, experiment="rare"),
        "sorted, with a status": RunQuery(sort=loss, statuses=failed),
        "sorted, with a status, few": RunQuery(sort=loss, statuses=canceled),
        "sorted, with a tag": RunQuery(sort=loss, tags={"team": "team-3"}),
        "sorted, with a tag, few": RunQuery(sort=loss, tags={"kept": "yes"}),
        "sorted, with a parameter": where("param.model=tree", sort=loss, ascending=True),
        "sorted, with a parameter, few": where("param.rate=0.123", sort=loss),
        "sorted, with a metric": where("metric.loss<0.5", sort=loss),
        "sorted by one metric, with another, few": where("metric.loss<0.00001", sort=accuracy, ascending=True),
        "sorted, since": RunQuery(sort=loss, since=BEGAN + (count - 30) * SECONDS),
    }


def seconds(workspace, query):
    """Wall and CPU seconds of a list, in the middle of several unless it is slow; and its runs."""
    taken = []
    while len(taken) < REPEATS and sum(wall for wall, _ in taken) < SLOW:
        wall, cpu = time.perf_counter(), time.process_time()
        found = workspace.runs.find(query)
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = (statistics.median(items) for items in zip(*taken, strict=True))
    return {"wall": round(wall, 4), "cpu": round(cpu, 4), "runs": len(found)}, found


def behind(query, run):
    """The same query, for the runs behind one."""
    return RunQuery(**{**{name: getattr(query, name) for name in RunQuery.__match_args__}, "after": run.id})


def look(count, folder):
    """Measure every kind of list: the first page, and the one behind it."""
    workspace = Workspace.open(folder)
    kinds = {}
    for name, query in queries(count).items():
        kinds[name], runs = seconds(workspace, query)
        if len(runs) == query.limit:
            kinds[name + ", next page"], _ = seconds(workspace, behind(query, runs[-1]))
    slowest = max(kinds, key=lambda name: kinds[name]["cpu"])
    found = {"lists": len(kinds), "slowest": slowest, "slowest_cpu": kinds[slowest]["cpu"]}
    found["slowest_wall"] = max(item["wall"] for item in kinds.values())
    found["slow"] = {name: item for name, item in kinds.items() if max(item["cpu"], item["wall"]) > SLOW / 10}
    print(json.dumps(found))


count, place = int(sys.argv[2]), Path(sys.argv[3])
place.mkdir(parents=True, exist_ok=True)
os.chdir(place)
{"make": make, "look": look}[sys.argv[1]](count, place)
