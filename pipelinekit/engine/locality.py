"""Which nodes hold large inputs, and where a bundle had better go: pure, as `placing` is.

It matters where nodes have folders of their own. What a driver knows is what it has heard: a node that has executed an
attempt holds the inputs that were brought to it, and the outputs that it has made. It may have removed them since: then
they are brought once more. A preference is never a reason to wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pipelinekit.classes import mutable
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent
from pipelinekit.domain.values import StoredValue

LARGE = 8 * 2**20  # bytes from which on inputs are worth a preference: less is brought sooner than it is thought about
MOST_VALUES = 10_000  # values that are remembered; those that were heard of longest ago are forgotten
MOST_NODES = 8  # that are remembered for one value
LONGEST_NAME = 200


@mutable
class _Travelling:
    """A bundle on its way: where it is, or is wanted to go; empty where that is not known."""

    bundle: Sequence[Attempt]
    node: str


class Whereabouts:
    """What one driver has heard of the nodes of a cluster; to be used by one thread at a time."""

    def __init__(self) -> None:
        self._holders: dict[str, dict[str, None]] = {}  # blob -> nodes, the latest last
        self._threads: dict[str, int] = {}
        self._travelling: dict[str, _Travelling] = {}
        self._keys: dict[str, str] = {}  # attempt -> bundle

    # -- where bundles are -------------------------------------------------------------------------------------------

    def sent(self, key: str, bundle: Sequence[Attempt], node: str = "") -> None:
        """A bundle is on its way, to a node that was preferred or to any."""
        self._travelling[key] = _Travelling(bundle, node)
        self._keys.update((attempt.id, key) for attempt in bundle)

    def came_back(self, key: str) -> None:
        """It is not any more."""
        if (travelling := self._travelling.pop(key, None)) is not None:
            for attempt in travelling.bundle:
                if self._keys.get(attempt.id) == key:
                    del self._keys[attempt.id]

    def heard(self, node: str, threads: int, events: Iterable[AttemptEvent]) -> None:
        """What a node says of attempts on their way; of others, and from nodes without a folder, nothing is kept."""
        if not node or "://" not in node or len(node) > LONGEST_NAME or threads < 1:
            return
        for event in events:
            key = self._keys.get(event.attempt)
            if key is None:
                continue
            self._threads[node] = threads
            travelling = self._travelling[key]
            travelling.node = node
            if isinstance(event, AttemptEnded) and event.failure is None:
                given = next(item for item in travelling.bundle if item.id == event.attempt).inputs.values()
                for blob, _ in _large([*given, *event.outputs.values()]):
                    self._note(blob, node)

    def forget(self, node: str) -> None:
        """A node has died: nothing is held there."""
        self._threads.pop(node, None)
        for holders in self._holders.values():
            holders.pop(node, None)

    def _note(self, blob: str, node: str) -> None:
        holders = self._holders.pop(blob, {})
        holders.pop(node, None)
        holders[node] = None
        self._holders[blob] = holders
        if len(holders) > MOST_NODES:
            del holders[next(iter(holders))]
        if len(self._holders) > MOST_VALUES:
            del self._holders[next(iter(self._holders))]

    # -- where one had better go -------------------------------------------------------------------------------------

    def preferred(self, bundle: Sequence[Attempt], slots: int) -> str:
        """The node that holds most of a bundle's large inputs, if it can begin at once; empty for any node.

        Where all slots are taken, so that the bundle waits wherever it goes, it may be one that has no more to do than
        any other.
        """
        held: Counter[str] = Counter()
        for blob, size in dict(_large(value for attempt in bundle for value in attempt.inputs.values())).items():
            for node in self._holders.get(blob, ()):
                held[node] += size
        if not held:
            return ""
        loads = self._loads()
        free = [node for node in held if loads[node] + min(_cores(bundle), self._threads[node]) <= self._threads[node]]
        if not free and sum(loads.values()) >= slots:
            least = min(loads[node] / self._threads[node] for node in loads)
            free = [node for node in held if loads[node] / self._threads[node] <= least]
        return max(free, key=lambda node: held[node], default="")

    def _loads(self) -> dict[str, float]:
        """The cores that are taken on each node by bundles on their way there."""
        loads = dict.fromkeys(self._threads, 0.0)
        for travelling in self._travelling.values():
            if travelling.node in loads:
                loads[travelling.node] += _cores(travelling.bundle)
        return loads


def _cores(bundle: Sequence[Attempt]) -> float:
    """What a bundle takes of a node: its attempts are executed one after another, by a thread of their own."""
    return max(bundle[0].task.resources.cpu, 1.0)


def _large(values: Iterable[StoredValue]) -> Iterator[tuple[str, int]]:
    """The large blobs among values, with the bytes that come with each: those of its files for a folder."""
    for value in values:
        if value.items:
            yield from _large(value.items)
        elif value.blob and value.size >= LARGE:
            yield value.blob, value.size
