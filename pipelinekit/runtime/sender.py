"""The sender: carries messages to webhooks, again and again until they have arrived or were tried often enough.

It keeps nothing that is not in the records. A message is claimed before it is sent, so that several servers share the
work, and settled after. Who dies in between leaves it pending: the next one sends it once more, under the same id.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.webhooks import Answer, Delivery, DeliveryState, WebhookState
from pipelinekit.engine.delivering import message, settled
from pipelinekit.errors import NotFoundError, PipelinekitError
from pipelinekit.ports import Clock
from pipelinekit.ports.webhooks import Poster, WebhookRecords

LOOK_SECONDS = 0.25  # between two looks
AT_ONCE = 8  # messages that are under way
SWEEP_SECONDS = 3600.0  # between two removals of messages that ended long ago
KEPT_SECONDS = 30 * 86400.0  # that a message is kept after its end
GONE = "its address answered that it wants no more messages (410)"


@frozen
class SenderPorts:
    """What a sender works with. `secrets_of` gives what a message is signed with, `draw` random numbers, 0 to 1."""

    records: WebhookRecords
    poster: Poster
    secrets_of: Callable[[Delivery], Sequence[str]]
    clock: Clock
    draw: Callable[[], float]


class Sender:
    """Sees to the messages of a workspace. `tell` is called with words for whoever looks after it."""

    def __init__(self, owner: str, ports: SenderPorts, tell: Callable[[str], None]) -> None:
        self._owner = owner
        self._ports = ports
        self._tell = tell
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="messages")
        self._under_way: dict[Future[Answer], Delivery] = {}
        self._swept: float | None = None
        self._trouble = ""

    def serve(self, ended: threading.Event, patience: float) -> None:
        """Look again and again until `ended` is set; then wait so long for what is under way."""
        try:
            while True:
                self.turn()
                if ended.wait(LOOK_SECONDS):
                    break
            wait(self._under_way, timeout=patience)
            self._safely(self._settle)
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def turn(self) -> None:
        """Look once; what cannot be done just now is done the next time."""
        self._safely(self._look)

    def _safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # whatever it is, messages are looked at again
            if repr(error) != self._trouble:
                self._tell(f"webhooks: {error}")
            self._trouble = repr(error)
        else:
            self._trouble = ""

    def _look(self) -> None:
        self._settle()
        self._sweep()
        counts = Counter(delivery.url for delivery in self._under_way.values())
        room = AT_ONCE - len(self._under_way)
        for delivery in self._ports.records.claim(self._owner, room, counts):
            self._begin(delivery)

    def _begin(self, delivery: Delivery) -> None:
        """Have a message sent on another thread; what it takes from the records is read on this one."""
        send: Callable[[], Answer]
        try:
            send = prepared(delivery, self._ports)
        except PipelinekitError as error:
            send = partial(Answer, text=f"it could not be signed: {error.message}")
        self._under_way[self._pool.submit(send)] = delivery

    def _settle(self) -> None:
        """Record what has come of messages. What cannot be recorded now stays under way."""
        for future, delivery in [*self._under_way.items()]:
            if not future.done():
                continue
            after = settled(delivery, _answer_of(future), self._ports.clock.now(), self._ports.draw())
            if self._ports.records.settle(self._owner, after) and after.state is DeliveryState.FAILED:
                self._give_up(after)
            del self._under_way[future]

    def _give_up(self, delivery: Delivery) -> None:
        self._tell(f"message {delivery.id} ({delivery.event}) was given up: {delivery.answer or delivery.status}")
        if Answer(delivery.status).gone and delivery.webhook:
            try:
                webhook = self._ports.records.get(delivery.webhook)
            except NotFoundError:
                return
            now = self._ports.clock.now()
            disabled = replace(webhook, state=WebhookState.DISABLED, trouble=GONE, updated_at=now)
            if webhook.state is WebhookState.ACTIVE and self._ports.records.change(disabled, GONE):
                self._tell(f"webhook {webhook.name!r} is disabled: {GONE}")

    def _sweep(self) -> None:
        now = self._ports.clock.now()
        if self._swept is None or now - self._swept >= SWEEP_SECONDS:
            self._ports.records.sweep(now - KEPT_SECONDS)
            self._swept = now


def prepared(delivery: Delivery, ports: SenderPorts) -> Callable[[], Answer]:
    """A message that is signed now, and sent when what is returned is called, from any thread."""
    found = message(delivery, ports.records.allowed(), lambda: ports.secrets_of(delivery), ports.clock.now())
    if isinstance(found, Answer):
        return lambda: found
    return lambda: ports.poster.post(found.place, found.headers, found.body, private=found.private)


def _answer_of(future: Future[Answer]) -> Answer:
    problem = future.exception()
    return Answer(text=repr(problem)) if problem is not None else future.result()
