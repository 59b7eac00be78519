"""Webhooks: what is kept of them, and what carries a message to where it is to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.hosts import AllowedHost, Place
    from pipelinekit.domain.webhooks import Answer, Delivery, Event, Webhook
else:
    Protocol = object


class WebhookRecords(Protocol):
    """Webhooks, the hosts that were allowed, and messages: all of them written in the caller's transaction, if any."""

    def add(self, webhook: Webhook) -> None:
        """Keep a new webhook. Raises ConflictError where one that is not deleted has its name, whatever the case."""

    def get(self, webhook: str) -> Webhook:
        """The webhook of this name that is not deleted, or of this id. Raises NotFoundError."""

    def list(self) -> Sequence[Webhook]:
        """Those that are not deleted, by name."""

    def change(self, webhook: Webhook, void: str = "") -> bool:
        """Keep state, trouble and version of the secret as they are here; False where it was deleted before.

        With `void` its messages that are pending are sent no more, for that reason.
        """

    def update(self, webhook: Webhook) -> bool:
        """Keep address, events, limits and what is said of secrets as they are here; False where it was deleted before.

        Messages that are pending go to the address that it has now.
        """

    def allow(self, host: AllowedHost) -> None:
        """Keep a host, unless it is there."""

    def disallow(self, host: AllowedHost) -> bool:
        """Drop a host at its port; whether it was there."""

    def allowed(self) -> Sequence[AllowedHost]:
        """The hosts, by name."""

    def tell(self, event: Event) -> int:
        """Have a message pending for each webhook that hears of this event; how many."""

    def wait(self, delivery: Delivery) -> None:
        """Keep a message that waits for the end of its run."""

    def note(self, delivery: Delivery) -> None:
        """Keep a message that was sent already."""

    def claim(self, owner: str, most: int, under_way: Mapping[str, int]) -> Sequence[Delivery]:
        """Take messages that are due, those first that have been so for longest; nobody else gets them meanwhile.

        `under_way` counts what the owner is sending, by address. A claim ends when it is settled, when its owner dies,
        or after a while.
        """

    def settle(self, owner: str, delivery: Delivery) -> bool:
        """Keep what came of a try; False where the message is pending no more, or is another's."""

    def repeat(self, delivery: Delivery) -> bool:
        """Have a message that has ended sent to the address and at the time it has here; False if it is pending."""

    def deliveries(self, webhook: str, most: int) -> Sequence[Delivery]:
        """Messages to a webhook by its id, or with an empty one those that calls asked for; the newest first."""

    def delivery(self, identity: str) -> Delivery:
        """The message of this id. Raises NotFoundError."""

    def sweep(self, before: float) -> int:
        """Forget messages that ended before this time; how many."""

    def stranded(self) -> Sequence[Delivery]:
        """Messages that wait for a run which has ended, or is not there."""


class Poster(Protocol):
    """Carries messages to web servers."""

    def post(self, place: Place, headers: Mapping[str, str], body: bytes, *, private: bool) -> Answer:
        """Send one message, once. Never raises.

        Only public addresses are connected to, unless `private`; redirects are not followed.
        """
