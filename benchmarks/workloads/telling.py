"""Steps that tell much: points of a metric, and lines of a log, a hundredth of them with a secret."""

import bodies

from pipelinekit import get_context, pipeline, step


@step
def tell_points(count: int) -> int:
    context = get_context()
    for number in range(count):
        context.log("loss", 1.0 / (1 + number), step=number)
    return count


@step
def write_lines(count: int, number: int) -> int:
    bodies.write_lines(count, "a text with nothing to hide")
    return number


@step(secrets=["TOKEN"])
def write_hidden_lines(count: int, number: int) -> int:
    bodies.write_lines(count, get_context().get_secret("TOKEN"))
    return number


@step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@pipeline
def points(count: int = 1):
    return tell_points(count)


@pipeline
def lines(count: int = 1, steps: int = 1):
    return total([write_lines(count, number) for number in range(steps)])


@pipeline
def hidden_lines(count: int = 1, steps: int = 1):
    return total([write_hidden_lines(count, number) for number in range(steps)])
