"""One source, `count` leaves and a join; `change` is the input of one leaf."""

import bodies

from pipelinekit import pipeline, step


@step
def source() -> int:
    return bodies.source()


@step
def leaf(first: int, number: int, extra: int) -> int:
    return bodies.leaf(first, number, extra)


@step
def join(values: list[int]) -> int:
    return bodies.join(values)


@pipeline
def fan(count: int = 200, change: int = 0):
    first = source()
    return join([leaf(first, i, x) for i, x in enumerate(bodies.extras(int(count), int(change)))])
