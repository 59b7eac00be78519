"""doit: Python actions in this process; outputs are JSON files, what is up to date is told by their MD5 sums."""

import json
import os

import bodies
from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from doit.tools import config_changed

workload, count, change, state = bodies.arguments()
os.makedirs(f"{state}/out", exist_ok=True)


def path(name):
    return f"{state}/out/{name}"


def put(name, value):
    with open(path(name), "w") as stream:
        json.dump(value, stream)


def get(name):
    with open(path(name)) as stream:
        return json.load(stream)


def task_chain():
    for i in range(1, count + 1):

        def action(i=i):
            put(i, bodies.increment(get(i - 1) if i > 1 else 1))

        before = [path(i - 1)] if i > 1 else []
        yield {
            "name": str(i),
            "actions": [action],
            "targets": [path(i)],
            "file_dep": before,
            "uptodate": [] if before else [True],
        }


def task_source():
    return {
        "actions": [lambda: put("first", bodies.source())],
        "targets": [path("first")],
        "uptodate": [True],
    }


def task_leaf():
    for i, x in enumerate(bodies.extras(count, change)):

        def action(i=i, x=x):
            put(f"leaf{i}", bodies.leaf(get("first"), i, x))

        yield {
            "name": str(i),
            "actions": [action],
            "targets": [path(f"leaf{i}")],
            "file_dep": [path("first")],
            "uptodate": [config_changed(str(x))],
        }


def task_join():
    return {
        "actions": [lambda: put("join", bodies.join([get(f"leaf{i}") for i in range(count)]))],
        "targets": [path("join")],
        "file_dep": [path(f"leaf{i}") for i in range(count)],
    }


settings = {"dep_file": f"{state}/doit.db", "verbosity": 0}
if workload == "chain":
    tasks = {"task_chain": task_chain}
else:
    tasks = {"task_source": task_source, "task_leaf": task_leaf, "task_join": task_join}
code = DoitMain(ModuleTaskLoader({"DOIT_CONFIG": settings, **tasks})).run(["run", "-r", "zero"])
if code != 0:
    raise SystemExit(code)
bodies.check(workload, count, change, get(count if workload == "chain" else "join"))
