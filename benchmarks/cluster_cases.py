"""Cases and figures of servers and clusters: how long a team waits for a first step, a node, or after a death."""

from __future__ import annotations

from benchmarks.cases import Case, own_script
from benchmarks.environments import CLUSTERS, OWN
from benchmarks.figures import Figure, Round

WAITING = "first steps, nodes and deaths"
CLUSTER_CASES: tuple[Case, ...] = (Case(WAITING, ("run",), (own_script("recovery", environment=CLUSTERS),), rounds=3),)


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
CLUSTER_FIGURES: tuple[Figure, ...] = tuple(_waited(quantity) for quantity in _WAITED)
