"""Attempts on their way to the nodes of a cluster: what travels together, how much at once, what is queued again.

Short attempts are bundled, because one message costs milliseconds of CPU: the size follows measured durations, so that
a bundle stays short. Nothing here sends anything or knows what time it is: `compute.dask_cluster` sends what is decided
here through Dask, a twin sends it to imaginary nodes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence

from pipelinekit.domain.attempts import Attempt, AttemptEnded
from pipelinekit.domain.runs import Failure

BUNDLE_TARGET = 0.15  # seconds of execution that one message is worth
BUNDLE_MAX = 256
RETURNS = 2  # how often an attempt goes back into the queue that was on a node which died, and had told of no beginning
IN_FLIGHT = 2  # bundles on their way for each slot


class Placing:
    """The attempts that one driver has at a cluster of so many slots; to be used by one thread at a time.

    An attempt is open from `add` until `ended` or `drop` is told of it. Only the first of these counts.
    """

    def __init__(self, slots: int) -> None:
        self.slots = max(slots, 1)
        self._pending: deque[Attempt] = deque()  # those that were withdrawn lie in it until they are come to
        self._queued: set[str] = set()  # ids of those in it that count
        self._open: dict[str, Attempt] = {}
        self._bundles: dict[str, list[Attempt]] = {}
        self._begun: set[str] = set()
        self._returned: Counter[str] = Counter()
        self._alone: set[str] = set()  # attempts that may have killed a node: they share no bundle
        self._stopped: set[str] = set()  # attempts that nobody wants any more, on their way
        self._durations: dict[str, float] = {}
        self._runs: set[str] = set()

    # -- the queue ---------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many attempts are queued."""
        return len(self._queued)

    @property
    def is_at_work(self) -> bool:
        """Whether there are attempts that have not ended."""
        return bool(self._open)

    @property
    def on_their_way(self) -> int:
        """How many bundles have been sent and not come back."""
        return len(self._bundles)

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts."""
        for attempt in attempts:
            self._open[attempt.id] = attempt
            self._runs.add(attempt.run)
            self._pending.append(attempt)
            self._queued.add(attempt.id)
        if any(attempt.idle for attempt in self._pending):
            self._pending = deque(sorted(self._pending, key=lambda attempt: attempt.idle))

    def add_at_work(self, attempt: Attempt) -> None:
        """A node has this attempt already: it is sent there past the queue."""
        self._open[attempt.id] = attempt
        self._runs.add(attempt.run)
        self._alone.add(attempt.id)

    def withdraw(self) -> list[str]:
        """Empty the queue; the ids of those that were in it. They are open still."""
        found = [attempt.id for attempt in self._pending if attempt.id in self._queued]
        self._queued.clear()
        return found

    def stop(self, wanted: Iterable[str]) -> tuple[list[str], list[str]]:
        """Nobody wants these any more: the ids of those that were queued, and of those that are on their way."""
        known = sorted(attempt for attempt in wanted if attempt in self._open)
        queued = [attempt for attempt in known if attempt in self._queued]
        self._queued.difference_update(queued)
        sent = [attempt for attempt in known if attempt not in set(queued)]
        self._stopped.update(sent)
        return queued, sent

    def _give_back(self, attempts: Iterable[Attempt]) -> list[str]:
        """Put attempts where they came from, before all others; the ids of those that are not wanted any more."""
        still = [attempt for attempt in attempts if attempt.id in self._open]
        wanted = [attempt for attempt in still if attempt.id not in self._stopped]
        self._pending.extendleft(reversed(wanted))
        self._queued.update(attempt.id for attempt in wanted)
        return [attempt.id for attempt in still if attempt.id in self._stopped]

    def _head(self) -> Attempt | None:
        while self._pending and self._pending[0].id not in self._queued:
            self._pending.popleft()
        return self._pending[0] if self._pending else None

    def _pop(self) -> Attempt:
        attempt = self._pending.popleft()
        self._queued.discard(attempt.id)
        return attempt

    # -- bundles -----------------------------------------------------------------------------------------------------

    def next_bundle(self) -> list[Attempt]:
        """The attempts that are to travel next, together; none while as many bundles as may be are on their way."""
        if len(self._bundles) >= self.slots * IN_FLIGHT or self._head() is None:
            return []
        first = self._pop()
        size = 1 if self._travels_alone(first) else self._bundle_size(first)
        bundle = [first]
        while len(bundle) < size and (following := self._head()) is not None:
            if (following.task.resources, following.task.snapshot) != (first.task.resources, first.task.snapshot):
                break
            if self._travels_alone(following) or following.idle is not first.idle:
                break
            bundle.append(self._pop())
        return bundle

    def _travels_alone(self, attempt: Attempt) -> bool:
        return attempt.id in self._alone or attempt.task.dask_client

    def _bundle_size(self, attempt: Attempt) -> int:
        """How many attempts like this one make a message: one at first, more as they turn out to be short."""
        seconds = self._durations.get(attempt.task.entry)
        if seconds is None:
            return 1
        share = -(-len(self._queued) // self.slots)
        return max(1, min(BUNDLE_MAX, share, int(BUNDLE_TARGET / max(seconds, 1e-4))))

    def sent(self, key: str, bundle: list[Attempt]) -> None:
        """A bundle is on its way, under a key of its own."""
        self._bundles[key] = bundle

    def not_sent(self, bundle: Sequence[Attempt]) -> None:
        """It could not be sent: it waits for another time."""
        self._give_back(bundle)

    def bundles_of(self, attempts: Collection[str]) -> list[str]:
        """The keys of bundles on their way that hold one of these."""
        return [key for key, bundle in self._bundles.items() if any(attempt.id in attempts for attempt in bundle)]

    def came_back(self, key: str) -> list[Attempt]:
        """A bundle is not on its way any more: what was in it; nothing if it came back before."""
        return self._bundles.pop(key, [])

    def stopped_of(self, bundle: Iterable[Attempt]) -> list[str]:
        """The ids of those of a bundle that are open, and that nobody wants any more."""
        return [attempt.id for attempt in bundle if attempt.id in self._open and attempt.id in self._stopped]

    def not_begun(self, bundle: Iterable[Attempt], unstarted: Collection[str]) -> list[str]:
        """The node has left these of a bundle to others: they are queued, but for those that are returned.

        Nobody wants these any more, and so it is below.
        """
        return self._give_back(attempt for attempt in bundle if attempt.id in unstarted)

    def node_died(self, bundle: Sequence[Attempt]) -> tuple[Attempt | None, list[str]]:
        """The attempt that its node died over, if that is known; the others go back into the queue.

        An attempt that the node had begun alone is; others may be innocent. If the node had begun a bundle of several,
        they go back one by one.
        """
        begun = bool(bundle) and (bundle[0].id not in self._open or bundle[0].id in self._begun)
        if len(bundle) == 1 and (begun or self._returned[bundle[0].id] >= RETURNS):
            return bundle[0], []
        left = [attempt.id for attempt in bundle if attempt.id in self._open]
        self._returned.update(left)
        self._alone.update(left if begun else ())
        self._begun.difference_update(left)
        return None, self._give_back(bundle)

    # -- attempts ----------------------------------------------------------------------------------------------------

    def is_ours(self, attempt: str) -> bool:
        """Whether an attempt is of a run that was ever placed here: what nodes tell of others is not theirs to tell."""
        return attempt.partition("/")[0] in self._runs

    def started(self, attempt: str) -> bool:
        """Its node has begun an attempt: whether that is to be told."""
        if attempt not in self._open:
            return False
        self._begun.add(attempt)
        return True

    def ended(self, event: AttemptEnded) -> AttemptEnded | None:
        """A node says how an attempt has ended: what is to be told of it, once; None for what is not ours or not news.

        Whatever else it says, an attempt has the outputs that its step declares, or has failed.
        """
        found = self._close(event.attempt)
        if found is None:
            return None
        known = self._durations.get(found.task.entry, event.seconds)
        self._durations[found.task.entry] = 0.5 * known + 0.5 * event.seconds
        return checked_outputs(found, event)

    def drop(self, attempt: str) -> bool:
        """An attempt ends without having been executed, as far as is known: whether that is to be told."""
        return self._close(attempt) is not None

    def _close(self, attempt: str) -> Attempt | None:
        for marked in (self._begun, self._queued, self._alone, self._stopped):
            marked.discard(attempt)
        self._returned.pop(attempt, None)
        return self._open.pop(attempt, None)


def checked_outputs(attempt: Attempt, event: AttemptEnded) -> AttemptEnded:
    """How an attempt has ended, once its outputs were compared with those that its step declares."""
    declared = {port.name for port in attempt.task.outputs}
    if event.failure is not None or set(event.outputs) == declared:
        return event
    words = f"its node says that it gave {_listed(event.outputs)}, but the step declares {_listed(declared)}"
    return AttemptEnded(event.attempt, event.at, event.seconds, failure=Failure("output", words))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "no output"
