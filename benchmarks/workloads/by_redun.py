"""redun: its scheduler in this process, two threads; every job, call and value is recorded in SQLite."""

import logging

import bodies
from redun import Scheduler, task
from redun.config import Config

logging.getLogger("redun").setLevel(logging.ERROR)


@task(namespace="bench")
def source():
    return bodies.source()


@task(namespace="bench")
def leaf(first, number, extra):
    return bodies.leaf(first, number, extra)


@task(namespace="bench")
def join(values):
    return bodies.join(values)


@task(namespace="bench")
def increment(value):
    return bodies.increment(value)


@task(namespace="bench")
def chain(count):
    value = 1
    for _ in range(count):
        value = increment(value)
    return value


@task(namespace="bench")
def fan(extras):
    first = source()
    return join([leaf(first, i, x) for i, x in enumerate(extras)])


workload, count, change, state = bodies.arguments()
settings = {
    "backend": {"db_uri": f"sqlite:///{state}/redun.db"},
    "executors.default": {"type": "local", "max_workers": "2"},
}
scheduler = Scheduler(config=Config(settings))
scheduler.load()
scheduler.logger.setLevel(logging.ERROR)
call = chain(count) if workload == "chain" else fan(bodies.extras(count, change))
bodies.check(workload, count, change, scheduler.run(call))
