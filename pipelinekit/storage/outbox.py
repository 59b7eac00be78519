"""What webhooks are to be told, written in the transaction in which it happens: it is sent later, by servers.

Whether anybody listens is looked at first, by one query (`listeners`): where nobody does, nothing else is done.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from pipelinekit.domain.names import run_id
from pipelinekit.domain.pipeline_endpoints import PIPELINE_ENDPOINT
from pipelinekit.domain.schedules import SCHEDULE
from pipelinekit.domain.webhooks import Delivery, Event, EventKind, Webhook, WebhookState
from pipelinekit.storage.database import Database, Row
from pipelinekit.typed import Any
from pipelinekit.wire.values import dumps, loads
from pipelinekit.wire.webhooks import event_body, run_event


def tell_if_heard(database: Database, make: Callable[[], Event]) -> None:
    """Have an event told, if anybody listens; it is made only then."""
    if database.read("listeners", ("",)):
        tell(database, make())


def tell(database: Database, event: Event) -> int:
    """Have a message pending for each webhook that hears of an event; how many."""
    found = [webhook for row in database.read("active_webhooks") if (webhook := webhook_of(row)).hears(event)]
    body = event_body(event)
    rows = [
        delivery_row(
            Delivery(
                new_delivery_id(event.at), webhook.id, webhook.url, event.kind, body, event.at, event.run,
                next_at=event.at,
            )
        )
        for webhook in found
    ]  # fmt: skip
    return database.write_many("add_delivery", rows)


def tell_of_run(database: Database, run: str, at: float) -> None:
    """Have it told that a run was submitted or has ended, as its row says; the end also to whoever asked for it."""
    row = database.read("told_run", (run,))[0]
    if row["parent"]:
        return
    properties = {item["key"]: item["value"] for item in database.read("told_properties", (run,))}
    failure = loads(row["failure"])["kind"] if row["failure"] else ""
    event = run_event(row, properties, failure, _names(database, properties), at)
    if event.kind is not EventKind.RUN_SUBMITTED:
        database.write("end_waiting", (str(event.kind), event_body(event), at, run))
    tell(database, event)


def new_delivery_id(at: float) -> str:
    """The id of a new message."""
    return f"msg_{run_id(int(at * 1000), int.from_bytes(os.urandom(4)))}{os.urandom(4).hex()}"


def _names(database: Database, properties: Mapping[str, str]) -> Mapping[str, str]:
    """The names of the endpoint that was called and of the schedule that did it, by the properties that say so."""
    found = {}
    if endpoint := properties.get(PIPELINE_ENDPOINT):
        found[PIPELINE_ENDPOINT] = database.read("get_endpoint", ("", endpoint))
    if schedule := properties.get(SCHEDULE):
        found[SCHEDULE] = database.read("find_schedule", (schedule, ""))
    return {noun: str(rows[0]["name"]) for noun, rows in found.items() if rows}


# -- rows --------------------------------------------------------------------------------------------------------------


def webhook_row(webhook: Webhook) -> tuple[Any, ...]:
    """A webhook as `add_webhook` takes it."""
    return (
        webhook.id, webhook.name.lower(), webhook.name, webhook.url, dumps([str(kind) for kind in webhook.events]),
        dumps(dict(webhook.limits)), dumps(dict(webhook.names)), str(webhook.state), webhook.secret_version,
        webhook.trouble, webhook.created_at, webhook.created_by, webhook.updated_at, webhook.previous_until,
    )  # fmt: skip


def webhook_of(row: Row) -> Webhook:
    """A webhook from its row."""
    return Webhook(
        row["id"],
        row["name"],
        row["url"],
        tuple(map(EventKind, loads(row["events"]))),
        loads(row["limits"]),
        loads(row["names"]),
        WebhookState(row["state"]),
        row["secret_version"],
        row["trouble"],
        row["created_at"],
        row["created_by"],
        row["updated_at"],
        row["previous_until"],
    )


def delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    """A message as `add_delivery` takes it."""
    return (
        delivery.id, delivery.webhook, delivery.url, str(delivery.event), delivery.run, delivery.body,
        str(delivery.state), delivery.tries, delivery.created_at, delivery.next_at, delivery.tried_at,
        delivery.ended_at, delivery.status, delivery.answer,
    )  # fmt: skip
