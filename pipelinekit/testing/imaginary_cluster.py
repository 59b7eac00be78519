"""A cluster of imaginary nodes, in imaginary time: what is decided of attempts and nodes is decided as for real ones.

Bundles are made and queued again by `engine.placing`, nodes come and go by `engine.scaling`. Nodes are slow, die, and
their answers are lost, as a seed says. Nothing waits: whoever advances it turns the clock to what happens next.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

from pipelinekit.classes import field, frozen, mutable
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent, AttemptStarted
from pipelinekit.domain.computes import Cluster
from pipelinekit.domain.runs import Failure
from pipelinekit.engine.placing import Placing
from pipelinekit.engine.scaling import NodeUse, nodes_needed, nodes_to_give_back, target_nodes
from pipelinekit.ports import Sink
from pipelinekit.testing.clock import HandClock

ADAPT_SECONDS = 0.25  # between two looks at what is queued
GATHER_SECONDS = 0.05  # what happens in quick succession is told at once
BUNDLE_SECONDS = 1.0  # after which a node leaves the rest of a bundle to others
ANSWER_SECONDS = 0.002  # that an answer is on its way
SLOWNESS = 10.0  # how much longer a slow node takes
CORES = "cpu"

Execute = Callable[
    [Attempt], AttemptEnded
]  # what an attempt comes to; its `seconds` are those of a node that is not slow


@frozen
class Weather:
    """What goes wrong: seconds that nodes live (in the mean; 0 for as long as they are wanted), and shares of the rest.

    `lost` bundles never come to a node, `silent` ones are executed and their answer is lost; `early` ends are told
    ahead of the answer as well as with it.
    """

    node_life: float = 0.0
    slow_nodes: float = 0.0
    lost: float = 0.0
    silent: float = 0.0
    early: float = 0.0
    start_seconds: float = 2.0


@mutable
class Sent:
    """A bundle on its way."""

    key: str
    attempts: list[Attempt]
    cores: float
    events: list[AttemptEvent] = field(default_factory=list)
    unstarted: list[str] = field(default_factory=list)


@mutable
class Machine:
    """A node."""

    name: str
    free: float
    idle_since: float
    slowness: float
    at_work: dict[str, Sent] = field(default_factory=dict)


@mutable
class Counts:
    """How often what happened."""

    bundles: int = 0
    executed: int = 0
    nodes: int = 0
    deaths: int = 0
    returned: int = 0
    looks: int = 0


class ImaginaryCluster:
    """Implements `ports.Compute`."""

    def __init__(
        self, sink: Sink, clock: HandClock, execute: Execute, cluster: Cluster, weather: Weather, seed: int = 0
    ) -> None:
        self.counts = Counts()
        self._sink = sink
        self._clock = clock
        self._execute = execute
        self._cluster = cluster
        self._weather = weather
        self._random = random.Random(seed)  # noqa: S311 - so that a course of events can be had again
        self._placing = Placing(cluster.max_nodes * cluster.cores)
        self._numbers = itertools.count()
        self._happens: list[tuple[float, int, Callable[[], None]]] = []
        self._queue: deque[Sent] = deque()
        self._asked: Counter[float] = Counter()  # bundles that are queued or at work, by the cores that they ask for
        self._nodes: dict[str, Machine] = {}
        self._free: dict[str, Machine] = {}
        self._starting = 0
        self._told = 0
        self._after(0.0, self._adapt)

    # -- ports.Compute -----------------------------------------------------------------------------------------------

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Queue attempts."""
        self._placing.add(attempts)
        self._dispatch()

    def stop(self, attempts: Sequence[str]) -> None:
        """Stop attempts: those that are on their way, too, end at once."""
        queued, sent = self._placing.stop(attempts)
        self._cancel([*queued, *sent])

    def advance(self) -> bool:
        """Let happen what happens next, until something is to be told or the cluster has looked at its nodes."""
        looks, told, until = self.counts.looks, self._told, None
        while until is None or self._happens[0][0] <= until:
            at, _, happen = heapq.heappop(self._happens)
            self._clock.time = max(at, self._clock.time)
            happen()
            if until is None and (self._told > told or self.counts.looks > looks):
                until = self._clock.now() + GATHER_SECONDS
        return True

    def waiting(self) -> int:
        """How many attempts are queued."""
        return self._placing.waiting

    def trouble(self) -> str:
        """Nothing: there is always a place."""
        return ""

    def close(self, *, now: bool = False) -> None:  # noqa: ARG002 - the port's
        """Nothing happens any more."""
        self._happens.clear()

    # -- bundles -----------------------------------------------------------------------------------------------------

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._happens, (self._clock.now() + seconds, next(self._numbers), happen))

    def _dispatch(self) -> None:
        while bundle := self._placing.next_bundle():
            sent = Sent(f"{bundle[0].id}-{next(self._numbers)}", bundle, bundle[0].task.resources.cpu)
            self._placing.sent(sent.key, bundle)
            self.counts.bundles += 1
            if self._chance(self._weather.lost):
                self._after(ANSWER_SECONDS, partial(self._lose, sent))
            else:
                self._asked[sent.cores] += 1
                self._queue.append(sent)
        self._assign()

    def _assign(self) -> None:
        """Give what is queued to nodes that have room for it, in its order."""
        while self._queue:
            wanted = min(self._queue[0].cores, float(self._cluster.cores))
            node = next((node for node in self._free.values() if node.free >= wanted), None)
            if node is None:
                return
            self._begin(node, self._queue.popleft(), wanted)

    def _begin(self, node: Machine, sent: Sent, cores: float) -> None:
        node.free -= cores
        if node.free <= 0:
            self._free.pop(node.name, None)
        node.at_work[sent.key] = sent
        first = sent.attempts[0].id
        self._tell(AttemptStarted(first, self._clock.now()) if self._placing.started(first) else None)
        taken = 0.0
        for place, attempt in enumerate(sent.attempts):
            if taken > BUNDLE_SECONDS:
                sent.unstarted = [later.id for later in sent.attempts[place:]]
                break
            self.counts.executed += 1
            ended = self._execute(attempt)
            seconds = ended.seconds * node.slowness
            taken += seconds
            at = self._clock.now() + taken
            told = AttemptEnded(attempt.id, at, seconds, ended.outputs, ended.failure)
            sent.events.append(told)
            if self._chance(self._weather.early):
                self._after(taken, partial(self._end_early, node, sent, told))
        self._after(taken + ANSWER_SECONDS, partial(self._end, node, sent, cores))

    def _end(self, node: Machine, sent: Sent, cores: float) -> None:
        """A node has come to the end of a bundle; its answer arrives, or does not."""
        if node.at_work.pop(sent.key, None) is None:
            return  # the node has died over it
        self._asked[sent.cores] -= 1
        node.free += cores
        node.idle_since = self._clock.now()
        if node.name in self._nodes:
            self._free[node.name] = node
        if self._chance(self._weather.silent):
            self._lose(sent)
            return
        self._placing.came_back(sent.key)
        for event in sent.events:
            self._take(event)
        self.counts.returned += len(sent.unstarted)
        self._cancel(self._placing.not_begun(sent.attempts, set(sent.unstarted)))
        self._dispatch()

    def _end_early(self, node: Machine, sent: Sent, event: AttemptEnded) -> None:
        if sent.key in node.at_work:
            self._take(event)

    def _lose(self, sent: Sent) -> None:
        for attempt in self._placing.came_back(sent.key):
            self._fail(attempt.id, Failure("lost", "the worker was lost"))
        self._dispatch()

    def _take(self, event: AttemptEvent) -> None:
        self._tell(self._placing.ended(event) if isinstance(event, AttemptEnded) else event)

    def _tell(self, event: AttemptEvent | None) -> None:
        if event is not None:
            self._told += 1
            self._sink(event)

    def _cancel(self, attempts: Sequence[str]) -> None:
        for attempt in attempts:
            self._fail(attempt, Failure("canceled", "the attempt was canceled"))

    def _fail(self, attempt: str, failure: Failure) -> None:
        if self._placing.drop(attempt):
            self._tell(AttemptEnded(attempt, self._clock.now(), 0.0, failure=failure))

    def _chance(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    # -- nodes -------------------------------------------------------------------------------------------------------

    def _adapt(self) -> None:
        """Look at what is asked for: have nodes started, or give some back."""
        self.counts.looks += 1
        cluster, now = self._cluster, self._clock.now()
        needed = nodes_needed(
            {((CORES, cores),): count for cores, count in self._asked.items()}, cluster.node_resources
        )
        uses = [
            NodeUse(node.name, 0.0 if node.at_work else max(now - node.idle_since, 1e-9))
            for node in self._nodes.values()
        ]
        patience = cluster.idle_seconds_before_scaledown
        target = target_nodes(needed, uses, cluster.min_nodes, cluster.max_nodes, patience)
        for name in nodes_to_give_back(uses, target):
            del self._nodes[name]
            self._free.pop(name, None)
        for _ in range(target - len(uses) - self._starting):
            self._starting += 1
            self._after(self._weather.start_seconds * self._random.uniform(0.5, 1.5), self._arrive)
        self._after(ADAPT_SECONDS, self._adapt)

    def _arrive(self) -> None:
        self._starting -= 1
        self.counts.nodes += 1
        slowness = SLOWNESS if self._chance(self._weather.slow_nodes) else 1.0
        node = Machine(f"node {self.counts.nodes}", float(self._cluster.cores), self._clock.now(), slowness)
        self._nodes[node.name] = self._free[node.name] = node
        if self._weather.node_life:
            self._after(self._random.expovariate(1 / self._weather.node_life), partial(self._die, node))
        self._assign()

    def _die(self, node: Machine) -> None:
        if self._nodes.pop(node.name, None) is None:
            return  # it was given back before
        self._free.pop(node.name, None)
        self.counts.deaths += 1
        for sent in node.at_work.values():
            self._asked[sent.cores] -= 1
            guilty, unwanted = self._placing.node_died(self._placing.came_back(sent.key))
            self._cancel(unwanted)
            if guilty is not None:
                words = f"{node.name} died while it executed attempt {guilty.number}"
                self._fail(guilty.id, Failure("node", words))
        node.at_work.clear()
        self._dispatch()
