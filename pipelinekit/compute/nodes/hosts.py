"""Which host the next node is to run on: the one with the fewest, and not at once again one that has just failed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from pipelinekit.classes import entity
from pipelinekit.domain.providers import Host

FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0  # seconds before a host that failed is tried again; doubled each time
STEADY_SECONDS = 60.0  # after which a node has lived long enough for its host to count as well


@entity
class Place:
    """A host, its nodes that live or are being started, and what went wrong there last."""

    host: Host
    nodes: int = 0
    failures: int = 0
    not_before: float = 0.0
    trouble: str = ""

    @property
    def pause(self) -> float:
        """For how many seconds it is to be left alone."""
        return max(self.not_before - time.monotonic(), 0.0)

    def failed(self, why: str) -> None:
        """Note what went wrong."""
        self.trouble = why
        self.not_before = time.monotonic() + min(FIRST_PAUSE * 2.0**self.failures, LAST_PAUSE)
        self.failures = min(self.failures + 1, 10)

    def well(self) -> None:
        """A node lives there."""
        self.trouble = ""


class Hosts:
    """The hosts of a cluster. It is used by one thread alone, that of the scheduler."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._places = [Place(host) for host in hosts]

    def choose(self, most: int) -> Place:
        """The place for one more node, where `most` are to be spread over all; it may have to be waited for."""
        share = math.ceil(most / len(self._places))
        free = [place for place in self._places if place.nodes < share] or self._places
        chosen = min(free, key=lambda place: (place.pause, place.nodes))
        chosen.nodes += 1
        return chosen

    def troubles(self) -> list[str]:
        """What is wrong with hosts now, each with its name."""
        return [f"{place.host}: {place.trouble}" for place in self._places if place.trouble]
