"""How many nodes a cluster is to have: as many as the work takes, and no fewer than are still warm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipelinekit.classes import frozen

Needs = tuple[tuple[str, float], ...]  # amounts of resources, by name


@frozen
class NodeUse:
    """A node as it is now: for how many seconds it has had nothing to do; 0 while it is at work."""

    name: str
    idle_seconds: float


def nodes_needed(asked: Mapping[Needs, int], node: Mapping[str, float]) -> int:
    """How many nodes with these resources it takes to have all work under way at once.

    `asked` says how many pieces of work there are of each kind of needs. Each takes its share of a node: one of as many
    as fit into it. What fits into none calls for no node.
    """
    share = 0.0
    for needs, count in asked.items():
        fitting = min((math.floor(node.get(name, 0.0) / amount) for name, amount in needs if amount > 0), default=1)
        share += count / fitting if fitting else 0.0
    return math.ceil(share - 1e-9)


def target_nodes(needed: int, uses: Sequence[NodeUse], least: int, most: int, patience: float) -> int:
    """How many nodes there are to be, from `least` to `most`.

    A node at work is kept, and one that has been idle for less than `patience` seconds, too: more work may come, and to
    start a node costs more than to keep one for a while.
    """
    warm = sum(use.idle_seconds < patience or use.idle_seconds == 0 for use in uses)
    return min(max(needed, warm, least), most)


def nodes_to_give_back(uses: Sequence[NodeUse], target: int) -> list[str]:
    """Which nodes are to go so that `target` of them are left: the longest idle first, and never one at work."""
    idle = sorted((use for use in uses if use.idle_seconds > 0), key=lambda use: -use.idle_seconds)
    return [use.name for use in idle[: max(len(uses) - target, 0)]]
