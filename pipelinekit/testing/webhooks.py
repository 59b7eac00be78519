"""Webhooks in memory, and a poster that answers as it is told: twins of `storage.webhooks` and `storage.posting`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.hosts import AllowedHost, Place
from pipelinekit.domain.webhooks import Answer, Delivery, DeliveryState, Event, Webhook, WebhookState
from pipelinekit.engine.delivering import chosen
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.ports import Clock
from pipelinekit.wire.webhooks import event_body


class MemoryWebhooks:
    """Twin of `storage.webhooks.SQLWebhooks`; owners in `dead` count as dead, runs in `ended` as ended."""

    def __init__(self, clock: Clock, dead: set[str] | None = None) -> None:
        self._clock = clock
        self._dead = set() if dead is None else dead
        self._webhooks: dict[str, Webhook] = {}
        self._hosts: dict[tuple[str, int], AllowedHost] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._owners: dict[str, str] = {}
        self.ended: set[str] = set()

    def add(self, webhook: Webhook) -> None:
        """Keep a new webhook."""
        if any(item.name.lower() == webhook.name.lower() for item in self.list()):
            raise ConflictError(f"there is a webhook {webhook.name!r} already")
        self._webhooks[webhook.id] = webhook

    def get(self, webhook: str) -> Webhook:
        """The webhook of this name or id."""
        for item in self._webhooks.values():
            is_there = item.state is not WebhookState.DELETED
            if item.id == webhook or (is_there and item.name.lower() == webhook.lower()):
                return item
        raise NotFoundError(f"there is no webhook {webhook!r}")

    def list(self) -> Sequence[Webhook]:
        """Those that are not deleted."""
        found = [item for item in self._webhooks.values() if item.state is not WebhookState.DELETED]
        return sorted(found, key=lambda item: (item.name.lower(), item.id))

    def change(self, webhook: Webhook, void: str = "") -> bool:
        """Keep what may change."""
        known = self._webhooks[webhook.id]
        if known.state is WebhookState.DELETED:
            return False
        self._webhooks[webhook.id] = replace(
            known,
            state=webhook.state,
            trouble=webhook.trouble,
            secret_version=webhook.secret_version,
            updated_at=webhook.updated_at,
        )
        for item in [*self._deliveries.values()]:
            if void and item.webhook == webhook.id and item.state is DeliveryState.PENDING:
                voided = replace(item, state=DeliveryState.VOIDED, answer=void, ended_at=self._clock.now())
                self._deliveries[item.id] = voided
        return True

    def update(self, webhook: Webhook) -> bool:
        """Keep address, events, limits and what is said of secrets."""
        known = self._webhooks[webhook.id]
        if known.state is WebhookState.DELETED:
            return False
        self._webhooks[webhook.id] = replace(webhook, state=known.state, trouble=known.trouble)
        for item in [*self._deliveries.values()]:
            if item.webhook == webhook.id and item.state is DeliveryState.PENDING:
                self._deliveries[item.id] = replace(item, url=webhook.url)
        return True

    def allow(self, host: AllowedHost) -> None:
        """Keep a host."""
        self._hosts.setdefault((host.host, host.port), host)

    def disallow(self, host: AllowedHost) -> bool:
        """Drop a host."""
        return self._hosts.pop((host.host, host.port), None) is not None

    def allowed(self) -> Sequence[AllowedHost]:
        """The hosts."""
        return [host for _, host in sorted(self._hosts.items())]

    def tell(self, event: Event) -> int:
        """Have a message pending for each webhook that hears of an event."""
        hearing = [webhook for webhook in self._webhooks.values() if webhook.hears(event)]
        for webhook in hearing:
            identity = f"msg_{len(self._deliveries)}"
            self._deliveries[identity] = Delivery(
                identity, webhook.id, webhook.url, event.kind, event_body(event), event.at, event.run, next_at=event.at
            )
        return len(hearing)

    def wait(self, delivery: Delivery) -> None:
        """Keep a message that waits for the end of its run."""
        self._deliveries[delivery.id] = delivery

    note = wait

    def claim(self, owner: str, most: int, under_way: Mapping[str, int]) -> Sequence[Delivery]:
        """Take messages that are due, unless somebody who is alive has them."""
        now = self._clock.now()
        due = [
            item
            for item in self._deliveries.values()
            if item.state is DeliveryState.PENDING and item.next_at <= now and self._is_free(item.id)
        ]
        found = chosen(sorted(due, key=lambda item: (item.next_at, item.id)), most, under_way)
        self._owners.update((item.id, owner) for item in found)
        return found

    def _is_free(self, identity: str) -> bool:
        return self._owners.get(identity, "") in {"", *self._dead}

    def settle(self, owner: str, delivery: Delivery) -> bool:
        """Keep what came of a try."""
        known = self._deliveries.get(delivery.id)
        is_mine = self._owners.get(delivery.id) == owner
        if known is None or known.state is not DeliveryState.PENDING or not is_mine:
            return False
        self._deliveries[delivery.id] = replace(delivery, url=known.url)
        del self._owners[delivery.id]
        return True

    def repeat(self, delivery: Delivery) -> bool:
        """Have a message sent once more."""
        if not self._deliveries[delivery.id].state.final:
            return False
        self._deliveries[delivery.id] = delivery
        return True

    def deliveries(self, webhook: str, most: int) -> Sequence[Delivery]:
        """Messages to a webhook, or those that calls asked for."""
        found = [item for item in self._deliveries.values() if item.webhook == webhook]
        return sorted(found, key=lambda item: (item.created_at, item.id), reverse=True)[:most]

    def delivery(self, identity: str) -> Delivery:
        """The message of this id."""
        if identity not in self._deliveries:
            raise NotFoundError(f"there is no delivery {identity!r}")
        return self._deliveries[identity]

    def sweep(self, before: float) -> int:
        """Forget messages that ended long ago."""
        gone = [item.id for item in self._deliveries.values() if item.ended_at is not None and item.ended_at < before]
        for identity in gone:
            del self._deliveries[identity]
        return len(gone)

    def stranded(self) -> Sequence[Delivery]:
        """Messages that wait for a run which has ended."""
        found = [item for item in self._deliveries.values() if item.state is DeliveryState.WAITING]
        return [item for item in sorted(found, key=lambda item: item.id) if item.run in self.ended]


class MemoryPoster:
    """Twin of `storage.posting.HTTPPoster`: keeps what it is given, and answers what `answer` says of the body."""

    def __init__(self, answer: Callable[[Place, bytes], Answer]) -> None:
        self._answer = answer
        self.sent: list[tuple[Place, Mapping[str, str], bytes]] = []

    def post(self, place: Place, headers: Mapping[str, str], body: bytes, *, private: bool) -> Answer:  # noqa: ARG002
        """Send one message, once."""
        self.sent.append((place, headers, body))
        return self._answer(place, body)
