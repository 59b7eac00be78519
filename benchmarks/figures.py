"""From measurements to figures: ratios of things that were measured in one run, so that machines matter little."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.environments import OWN

IN_PROCESS = "pipelinekit --in-process"
IMPORT_ALLOWANCE = 0.030  # seconds that an import may take beside what Python itself takes
GIGABYTE = 1e9


class MissingError(Exception):
    """A figure needs something that was not measured."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of all cases: what each side took in each phase."""

    measured: Mapping[tuple[str, str, str], Mapping[str, Any]]

    def get(self, case: str, side: str, phase: str, quantity: str = "cpu") -> float:
        """One quantity: `cpu` and `wall` in seconds, `tree` and `largest` in bytes, or what the process printed."""
        try:
            return float(self.measured[case, side, phase][quantity])
        except (KeyError, TypeError) as error:
            raise MissingError(f"{case} / {side} / {phase} / {quantity}") from error


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio. `limit` is what it should not exceed; None for a figure that is only reported."""

    name: str
    value: Callable[[Round], float]
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A figure over all rounds."""

    name: str
    limit: float | None
    values: Sequence[float] = field(default_factory=tuple)

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        return self.limit is None or self.median <= self.limit


def ratio(case: str, phase: str, ours: str, theirs: str, quantity: str = "cpu") -> Callable[[Round], float]:
    """One side's quantity over another's."""
    return lambda seen: seen.get(case, ours, phase, quantity) / seen.get(case, theirs, phase, quantity)


def per_step(seen: Round, side: str, phase: str, small: tuple[str, int], large: tuple[str, int]) -> float:
    """CPU seconds of one more step: the difference between a large and a small case, if it can be told from noise."""
    more = seen.get(large[0], side, phase) - seen.get(small[0], side, phase)
    if more <= 0:
        raise MissingError(f"{large[0]} / {side} / {phase}: more steps took less")
    return more / (large[1] - small[1])


TWENTY, TWO_HUNDRED, RECORDED = ("fan of 20", 20), ("fan of 200", 200), ("fan of 200, recorded", 200)
TWO_THOUSAND, TWENTY_THOUSAND = ("fan of 2,000", 2_000), ("fan of 20,000", 20_000)
TEN, HUNDRED = ("graph of 10,000", 10_000), ("graph of 100,000", 100_000)


# a tool whose start-up varies by more than 200 of its steps take is measured with more of them
LARGE = {"prefect": ("fan of 1,000, recorded", 1000)}


def recording(tool: str, phase: str) -> Callable[[Round], float]:
    """Our CPU time for one more step over that of a tool that records runs, too."""

    def value(seen: Round) -> float:
        ours = per_step(seen, OWN, phase, TWO_HUNDRED, TWO_THOUSAND)
        return ours / per_step(seen, tool, phase, TWENTY, LARGE.get(tool, RECORDED))

    return value


def one_leaf_changed(seen: Round) -> float:
    """A run of 2,000 in which one leaf is new, without what it costs to start a cluster for three steps, over warm."""
    start = seen.get("fan of 1", OWN, "cold") - seen.get("fan of 1", OWN, "warm")
    case = TWO_THOUSAND[0]
    return (seen.get(case, OWN, "change") - start) / seen.get(case, OWN, "warm")


def imported(seen: Round) -> float:
    """`import pipelinekit` without its allowance over Python that imports nothing."""
    return (seen.get("start", "import pipelinekit", "run") - IMPORT_ALLOWANCE) / seen.get("start", "python", "run")


def reused_step(seen: Round) -> float:
    """One of 100,000 steps compiled, keyed and reused over one warm call of joblib.Memory."""
    warm_call = per_step(seen, "joblib", "warm", TWO_HUNDRED, TWO_THOUSAND)
    return seen.get(HUNDRED[0], IN_PROCESS, "warm") / HUNDRED[1] / warm_call


def linear(seen: Round) -> float:
    """CPU time of a step among 100,000 over that of a step among 10,000."""
    hundred, ten = (seen.get(case, IN_PROCESS, "warm") / count for case, count in (HUNDRED, TEN))
    return hundred / ten


FIGURES: tuple[Figure, ...] = (
    Figure("cold 2,000 / Dask", ratio("fan of 2,000", "cold", OWN, "dask"), 0.25),
    Figure("cold 2,000 / joblib", ratio("fan of 2,000", "cold", OWN, "joblib"), 1.0),
    Figure("cold 2,000 in-process / joblib", ratio("fan of 2,000", "cold", IN_PROCESS, "joblib"), 0.4),
    Figure("warm 200 / doit", ratio("fan of 200", "warm", OWN, "doit"), 0.5),
    Figure("warm 2,000 / joblib", ratio("fan of 2,000", "warm", OWN, "joblib"), 0.3),
    Figure("warm 2,000 / by hand", ratio("fan of 2,000", "warm", OWN, "by hand"), 3.0),
    Figure(
        "warm 20,000 / warm 2,000",
        lambda seen: seen.get("fan of 20,000", OWN, "warm") / seen.get("fan of 2,000", OWN, "warm"),
        12.0,
    ),
    Figure("one leaf of 2,000 changed, without start / warm", one_leaf_changed, 1.3),
    *(
        Figure(f"{phase}, one more step / {tool}", recording(tool, phase), 1 / 20)
        for tool in ("redun", "prefect", "dagster")
        for phase in ("cold", "warm")
    ),
    Figure("(import pipelinekit - 30 ms) / python", imported, 1.5),
    Figure("pipelinekit --help / doit help", ratio("start", "run", "pipelinekit --help", "doit help"), 0.5),
    Figure("warm 100,000, one step / warm call of joblib", reused_step, 0.6),
    Figure("warm 100,000 / warm 10,000, one step", linear, 1.2),
    Figure(
        "warm 100,000, memory in GB",
        lambda seen: seen.get("graph of 100,000", IN_PROCESS, "warm", "largest") / GIGABYTE,
        1.0,
    ),
    Figure("table of 500 MB, cold / by hand", ratio("table of 500 MB", "cold", OWN, "by hand"), 1.5),
    Figure("table of 500 MB, warm / empty run", ratio("table of 500 MB", "warm", OWN, "empty run"), 1.1),
    Figure(
        "table of 500 MB, warm, memory in 100 MB",
        lambda seen: seen.get("table of 500 MB", OWN, "warm", "largest") / 1e8,
        1.0,
    ),
    Figure("array of 2 GB, cold / by hand", ratio("array of 2 GB", "cold", OWN, "by hand"), 1.5),
    Figure("array of 2 GB, memory / by hand", ratio("array of 2 GB", "cold", OWN, "by hand", "largest"), 1.2),
    Figure("folder of 1,000 files, cold / by hand", ratio("folder of 1,000 MB", "cold", OWN, "by hand"), 1.5),
    Figure(
        "10,000 elements, one changed / one of one changed",
        lambda seen: (
            (seen.get("mapped over 10,000", OWN, "change") - seen.get("mapped over 10,000", OWN, "warm"))
            / (seen.get("mapped over 10,000", "mapped over 1", "change"))
        ),
        1.5,
    ),
    Figure(
        "10,000 elements, memory in GB",
        lambda seen: seen.get("mapped over 10,000", OWN, "cold", "largest") / GIGABYTE,
        0.5,
    ),
)
