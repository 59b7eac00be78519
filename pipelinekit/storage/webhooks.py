"""Webhooks, the hosts that owners allowed, and messages with what became of them, in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipelinekit.domain.hosts import AllowedHost
from pipelinekit.domain.webhooks import Delivery, DeliveryState, Event, EventKind, Webhook
from pipelinekit.engine.delivering import AT_ONCE_TO_ONE, chosen
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.ports import Clock
from pipelinekit.storage import leases, outbox
from pipelinekit.storage.database import Database, Row

LOOKED_AT = 100  # messages that are due, from which the next ones are chosen
NOWHERE = ""  # an address that no message has


class SQLWebhooks:
    """Implements `ports.WebhookRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, webhook: Webhook) -> None:
        """Keep a new webhook."""
        if not self._database.write_returning("add_webhook", outbox.webhook_row(webhook)):
            raise webhook_taken(webhook.name)

    def get(self, webhook: str) -> Webhook:
        """The webhook of this name or id."""
        rows = self._database.read("find_webhook", (webhook, webhook.lower()))
        if not rows:
            raise no_webhook(webhook, [item.name for item in self.list()])
        return outbox.webhook_of(rows[0])

    def list(self) -> Sequence[Webhook]:
        """Those that are not deleted."""
        return [outbox.webhook_of(row) for row in self._database.read("list_webhooks")]

    def change(self, webhook: Webhook, void: str = "") -> bool:
        """Keep what may change."""
        row = (str(webhook.state), webhook.trouble, webhook.secret_version, webhook.updated_at, webhook.id)
        with self._database.transaction():
            if not self._database.write("change_webhook", row):
                return False
            if void:
                self._database.write("void_deliveries", (void, self._clock.now(), webhook.id))
        return True

    def update(self, webhook: Webhook) -> bool:
        """Keep address, events, limits and what is said of secrets."""
        _, _, _, url, events, limits, names, *_ = outbox.webhook_row(webhook)
        secret = (webhook.secret_version, webhook.previous_until)
        with self._database.transaction():
            row = (url, events, limits, names, *secret, webhook.updated_at, webhook.id)
            if not self._database.write("update_webhook", row):
                return False
            self._database.write("redirect_deliveries", (webhook.url, webhook.id))
        return True

    def allow(self, host: AllowedHost) -> None:
        """Keep a host."""
        self._database.write("allow_host", (host.host, host.port, host.added_at, host.added_by))

    def disallow(self, host: AllowedHost) -> bool:
        """Drop a host."""
        return self._database.write("disallow_host", (host.host, host.port)) > 0

    def allowed(self) -> Sequence[AllowedHost]:
        """The hosts."""
        rows = self._database.read("allowed_hosts")
        return [AllowedHost(row["host"], row["port"], row["added_at"], row["added_by"]) for row in rows]

    def tell(self, event: Event) -> int:
        """Have a message pending for each webhook that hears of an event."""
        with self._database.transaction():
            return outbox.tell(self._database, event)

    def wait(self, delivery: Delivery) -> None:
        """Keep a message that waits for the end of its run."""
        self._database.write("add_delivery", outbox.delivery_row(delivery))

    note = wait

    def claim(self, owner: str, most: int, under_way: Mapping[str, int]) -> Sequence[Delivery]:
        """Take messages that are due, unless somebody who is alive has them."""
        now = self._clock.now()
        if most < 1 or not self._next(now, most, under_way):
            return []
        with self._database.transaction():
            self._database.lock()
            found = self._next(now, most, under_way)
            lease = (leases.deadline(), leases.seen_at(self._database, self._clock))
            self._database.write_many("claim_delivery", [(owner, *lease, item.id) for item in found])
        return found

    def _next(self, now: float, most: int, under_way: Mapping[str, int]) -> Sequence[Delivery]:
        """The messages that are next. Addresses that have enough to do are passed over, however much waits for them."""
        counts, found = Counter(under_way), dict[str, Delivery]()
        while True:
            full = {url for url, count in counts.items() if count >= AT_ONCE_TO_ONE}
            rows = [*self._database.read_keys("due_deliveries", full or {NOWHERE}, (now,), (LOOKED_AT,))]
            free = [_delivery(row) for row in rows if row["id"] not in found and self._is_free(row)]
            picked = chosen(free, most - len(found), counts)
            found.update((item.id, item) for item in picked)
            counts.update(item.url for item in picked)
            if not picked or len(found) >= most or len(rows) < LOOKED_AT:
                return [*found.values()]

    def _is_free(self, row: Row) -> bool:
        return not row["owner"] or not leases.is_held(self._database, row)

    def settle(self, owner: str, delivery: Delivery) -> bool:
        """Keep what came of a try."""
        row = (
            str(delivery.state), delivery.tries, delivery.next_at, delivery.tried_at, delivery.ended_at,
            delivery.status, delivery.answer, delivery.id, owner,
        )  # fmt: skip
        return self._database.write("settle_delivery", row) > 0

    def repeat(self, delivery: Delivery) -> bool:
        """Have a message sent once more."""
        return self._database.write("repeat_delivery", (delivery.url, delivery.next_at, delivery.id)) > 0

    def deliveries(self, webhook: str, most: int) -> Sequence[Delivery]:
        """Messages to a webhook, or those that calls asked for."""
        return [_delivery(row) for row in self._database.read("newest_deliveries", (webhook, most))]

    def delivery(self, identity: str) -> Delivery:
        """The message of this id."""
        rows = self._database.read("find_delivery", (identity,))
        if not rows:
            raise no_delivery(identity)
        return _delivery(rows[0])

    def sweep(self, before: float) -> int:
        """Forget messages that ended long ago."""
        return self._database.write("sweep_deliveries", (before,))

    def stranded(self) -> Sequence[Delivery]:
        """Messages that wait for a run which has ended, or is not there."""
        return [_delivery(row) for row in self._database.read("stranded_deliveries")]


def webhook_taken(name: str) -> ConflictError:
    """What to say where another webhook has the name."""
    return ConflictError(f"there is a webhook {name!r} already", hint="choose another name, or delete that one")


def no_webhook(name: str, known: Sequence[str]) -> NotFoundError:
    """What to say where a webhook is not."""
    hint = f"there are: {', '.join(known) or 'none'}; 'pipelinekit webhooks create' adds one"
    return NotFoundError(f"there is no webhook {name!r}", hint=hint)


def no_delivery(identity: str) -> NotFoundError:
    """What to say where a message is not."""
    return NotFoundError(f"there is no delivery {identity!r}", hint="'pipelinekit webhooks deliveries' shows them")


def _delivery(row: Row) -> Delivery:
    return Delivery(
        row["id"],
        row["webhook"],
        row["url"],
        EventKind(row["event"]),
        row["body"],
        row["created_at"],
        row["run"],
        DeliveryState(row["state"]),
        row["tries"],
        row["next_at"],
        row["tried_at"],
        row["ended_at"],
        row["status"],
        row["answer"],
    )
