"""One step mapped over a list of `count` numbers; a change is a change of one element."""

import bodies

from pipelinekit import pipeline, step


@step
def numbers(count: int, change: int) -> list[int]:
    return [number + extra * count for number, extra in enumerate(bodies.extras(count, change))]


@step
def square(value: int) -> int:
    bodies.mark()
    return value * value


@pipeline
def mapped(count: int = 100, change: int = 0):
    return square.map(numbers(count, change))
