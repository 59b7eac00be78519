"""Cases and figures of servers and clusters: how long a team waits for a first step, a node, or after a death.

And how many decisions a driver makes for a thousand nodes, which are imaginary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.cases import Case, Side, own_script
from benchmarks.environments import CLUSTERS, OWN
from benchmarks.figures import GIGABYTE, Figure, Round

WAITING = "first steps, nodes and deaths"
IMAGINARY, COUNTS = "a thousand imaginary nodes", (25_000, 50_000, 100_000)
NODES, LIFE, SEED, DRIVERS = "1000", "600", "1", "1"


def _imaginary(count: int) -> Side:
    side = own_script("imaginary_nodes", str(count), NODES, LIFE, SEED, DRIVERS)
    return replace(side, name=f"{count} steps")


CLUSTER_CASES: tuple[Case, ...] = (
    Case(WAITING, ("run",), (own_script("recovery", environment=CLUSTERS),), rounds=3),
    Case(IMAGINARY, ("run",), tuple(map(_imaginary, COUNTS)), rounds=3),
)


def _a_step(quantity: str, count: int) -> Callable[[Round], float]:
    return lambda seen: seen.get(IMAGINARY, f"{count} steps", "run", quantity) / count


def _growth(quantity: str) -> Callable[[Round], float]:
    """What a step among most takes over what it takes among fewest: 1 where the whole grows as the steps do."""
    return lambda seen: _a_step(quantity, COUNTS[-1])(seen) / _a_step(quantity, COUNTS[0])(seen)


def _decision(seen: Round) -> float:
    """A rate as what one takes, so that less is better, as with all figures."""
    return 1e6 / seen.get(IMAGINARY, f"{COUNTS[-1]} steps", "run", "decisions_per_second")


def _waited(quantity: str) -> Figure:
    name, limit = _WAITED[quantity]

    def value(seen: Round) -> float:
        return seen.get(WAITING, OWN, "run", quantity)

    return Figure(f"{name}, s of the clock", value, limit)


_WAITED = {
    "first_step": ("from submission to the first step on a warm server", 0.15),
    "scale_up": ("until a cluster of no nodes has one", None),
    "scale_down": ("until a node that is idle for long enough has gone", None),
    "driver": ("until a run goes on whose driver was killed", 10.0),
    "node": ("until a run goes on whose only node was killed", 30.0),
    "scheduler": ("until a run goes on whose scheduler was killed", 30.0),
}
CLUSTER_FIGURES: tuple[Figure, ...] = (
    *(_waited(quantity) for quantity in _WAITED),
    Figure("100,000 steps on 1,000 imaginary nodes, µs of CPU a decision (100 is 10,000 a second)", _decision, 200.0),
    Figure("the same, one step among 100,000 over one among 25,000, CPU", _growth("seconds"), 1.25),
    Figure("the same, memory", _growth("peak_bytes"), 1.25),
    Figure("the same, memory in GB", lambda seen: _a_step("peak_bytes", 100_000)(seen) * 100_000 / GIGABYTE, 1.0),
)
