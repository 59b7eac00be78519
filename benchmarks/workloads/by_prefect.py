"""Prefect: tasks on the default thread runner; its API server is started by the flow, runs are recorded in SQLite."""

import bodies
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE

kept = task(cache_policy=INPUTS + TASK_SOURCE, persist_result=True)


@kept
def source():
    return bodies.source()


@kept
def leaf(first, number, extra):
    return bodies.leaf(first, number, extra)


@kept
def join(values):
    return bodies.join(values)


@kept
def increment(value):
    return bodies.increment(value)


@flow
def chain(count):
    value = 1
    for _ in range(count):
        value = increment.submit(value)
    return value.result()


@flow
def fan(extras):
    first = source.submit()
    return join.submit([leaf.submit(first, i, x) for i, x in enumerate(extras)]).result()


workload, count, change, _ = bodies.arguments()
found = chain(count) if workload == "chain" else fan(bodies.extras(count, change))
bodies.check(workload, count, change, found)
