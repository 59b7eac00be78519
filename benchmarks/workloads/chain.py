"""`count` steps, each of which needs the one before."""

import bodies

from pipelinekit import pipeline, step


@step
def increment(value: int) -> int:
    return bodies.increment(value)


@pipeline
def chain(count: int = 50, change: int = 0):  # noqa: ARG001 - all workloads have it
    value = 1
    for _ in range(int(count)):
        value = increment(value)
    return value
