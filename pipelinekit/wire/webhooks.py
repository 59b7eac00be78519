"""Webhooks and what they are told as JSON. Messages hold ids, names, statuses and addresses: no values, no secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from pipelinekit.classes import replace
from pipelinekit.domain.datasets import DatasetVersion
from pipelinekit.domain.hosts import AllowedHost, read_allowed, read_url
from pipelinekit.domain.pipeline_endpoints import ENDPOINT_VERSION, PIPELINE_ENDPOINT, PipelineEndpoint
from pipelinekit.domain.published_pipelines import PUBLISHED_PIPELINE
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import SCHEDULE, SCHEDULE_DUE, Disposition, Schedule, Tick, TickRange
from pipelinekit.domain.webhooks import (
    CALLBACKS,
    ENDINGS,
    OF_ENDPOINT,
    OF_EXPERIMENT,
    OF_SCHEDULE,
    Delivery,
    DeliveryState,
    Event,
    EventKind,
    NewWebhook,
    Webhook,
    WebhookState,
)
from pipelinekit.typed import Any
from pipelinekit.wire.values import dumps

API = "/api/v1"  # what the addresses in messages begin with; the name of the server is known to whoever asks it


def event_body(event: Event) -> str:
    """What a message says."""
    return dumps({"type": str(event.kind), "timestamp": _time(event.at), "data": dict(event.data)})


# -- events ------------------------------------------------------------------------------------------------------------


def run_event(
    run: Mapping[str, Any], properties: Mapping[str, str], failure: str, names: Mapping[str, str], at: float
) -> Event:
    """The beginning or the end of a run, from its row; `failure` is the kind of it.

    `names` are those of what properties name.
    """
    status = RunStatus(run["status"])
    data: dict[str, Any] = {
        "run": {
            "id": run["id"],
            "number": run["number"],
            "experiment": run["experiment"],
            "pipeline": run["pipeline"],
            "kind": run["kind"],
            "display_name": run["display_name"],
            "status": str(status),
            "failure": failure or None,
            "created_at": _time(run["created_at"]),
            "started_at": _time(run["started_at"]),
            "ended_at": _time(run["ended_at"]),
            "url": f"{API}/runs/{run['id']}",
        }
    }
    about = {OF_EXPERIMENT: str(run["experiment"])}
    if pipeline := properties.get(PUBLISHED_PIPELINE):
        data["published_pipeline"] = {"id": pipeline, "url": f"{API}/pipelines/{pipeline}"}
    if identity := properties.get(PIPELINE_ENDPOINT):
        version = properties.get(ENDPOINT_VERSION, "")
        number = int(version) if version.isdigit() else None
        data["endpoint"] = {**_endpoint(identity, names.get(PIPELINE_ENDPOINT, "")), "version": number}
        about[OF_ENDPOINT] = identity
    if identity := properties.get(SCHEDULE):
        data["schedule"] = {**_schedule(identity, names.get(SCHEDULE, "")), "due": properties.get(SCHEDULE_DUE)}
        about[OF_SCHEDULE] = identity
    kind = ENDINGS.get(status, EventKind.RUN_SUBMITTED)
    return Event(kind, at, data, about, str(run["id"]))


def start_failed_event(schedule: Schedule, tick: Tick, at: float, endpoint: str = "") -> Event:
    """No run could be started for an instant of a schedule, which runs the endpoint of this id, if it runs one."""
    data = {"schedule": _schedule(schedule.id, schedule.name), "due": _time(tick.due)}
    return Event(EventKind.START_FAILED, at, data, _about(schedule, endpoint))


def not_fired_event(schedule: Schedule, missed: Sequence[Tick | TickRange], at: float, endpoint: str = "") -> Event:
    """Instants at which no run was started, and none will be: `overlap` or `misfire` says why."""
    skipped = any(item.disposition is Disposition.SKIPPED_OVERLAP for item in missed)
    data = {
        "schedule": _schedule(schedule.id, schedule.name),
        "reason": "overlap" if skipped else "misfire",
        "instants": sum(item.count if isinstance(item, TickRange) else 1 for item in missed),
        "first_due": _time(min(item.first if isinstance(item, TickRange) else item.due for item in missed)),
        "last_due": _time(max(item.last if isinstance(item, TickRange) else item.due for item in missed)),
    }
    return Event(EventKind.NOT_FIRED, at, data, _about(schedule, endpoint))


def default_changed_event(endpoint: PipelineEndpoint, before: int, at: float) -> Event:
    """Calls of an endpoint that name no version mean another one now."""
    found = endpoint.version()
    data = {
        "endpoint": {**_endpoint(endpoint.id, endpoint.name), "version": found.number},
        "previous_version": before,
        "published_pipeline": {"id": found.pipeline, "url": f"{API}/pipelines/{found.pipeline}"},
    }
    return Event(EventKind.DEFAULT_CHANGED, at, data, {OF_ENDPOINT: endpoint.id})


def registered_event(version: DatasetVersion, at: float) -> Event:
    """A version of a dataset was registered."""
    told = {"name": version.name, "version": version.version, "files": version.count, "run": version.run or None}
    return Event(EventKind.REGISTERED, at, {"dataset": told})


def _about(schedule: Schedule, endpoint: str) -> dict[str, str]:
    return {OF_SCHEDULE: schedule.id, OF_EXPERIMENT: schedule.spec.experiment, OF_ENDPOINT: endpoint}


def _schedule(identity: str, name: str) -> dict[str, Any]:
    return {"id": identity, "name": name, "url": f"{API}/schedules/{identity}"}


def _endpoint(identity: str, name: str) -> dict[str, Any]:
    return {"id": identity, "name": name, "url": f"{API}/pipeline-endpoints/{identity}"}


def _time(at: float | None) -> str | None:
    """A time as RFC 3339 has it, in UTC."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- what users are shown ----------------------------------------------------------------------------------------------


def webhook_document(webhook: Webhook, *, whole: bool = True) -> dict[str, Any]:
    """A webhook. Its address may be a secret of its own: where it is not told as a `whole`, only its server is."""
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url if whole else read_url(webhook.url, "a webhook").origin,
        "events": [str(kind) for kind in webhook.events],
        **{noun: webhook.names.get(noun, "") for noun in (OF_ENDPOINT, OF_SCHEDULE, OF_EXPERIMENT)},
        "state": str(webhook.state),
        "trouble": webhook.trouble,
        "secret_version": webhook.secret_version,
        "previous_until": webhook.previous_until or None,
        "created_at": webhook.created_at,
        "created_by": webhook.created_by,
        "updated_at": webhook.updated_at,
    }


def new_webhook_document(made: NewWebhook) -> dict[str, Any]:
    """A webhook with the secret that nobody can show again."""
    return {**webhook_document(made.webhook), "secret": made.secret}


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """A message and what became of it, without what it says."""
    return {
        "id": delivery.id,
        "webhook": delivery.webhook,
        "event": str(delivery.event),
        "run": delivery.run,
        "state": str(delivery.state),
        "tries": delivery.tries,
        "status": delivery.status,
        "answer": delivery.answer,
        "created_at": delivery.created_at,
        "tried_at": delivery.tried_at,
        "next_at": None if delivery.state.final else delivery.next_at,
        "ended_at": delivery.ended_at,
    }


def history_document(name: str, deliveries: Iterable[Delivery]) -> dict[str, Any]:
    """What a webhook was told, the newest first."""
    return {"webhook": name or CALLBACKS, "deliveries": [delivery_document(item) for item in deliveries]}


def host_document(host: AllowedHost) -> dict[str, Any]:
    """A host that was allowed."""
    return {"host": host.name, "added_at": host.added_at, "added_by": host.added_by}


def webhook_from_document(document: Mapping[str, Any]) -> Webhook:
    """A webhook from its document, which tells what it is limited to by name."""
    names = {noun: document[noun] for noun in (OF_ENDPOINT, OF_SCHEDULE, OF_EXPERIMENT) if document[noun]}
    return Webhook(
        document["id"],
        document["name"],
        document["url"],
        tuple(map(EventKind, document["events"])),
        {},
        names,
        WebhookState(document["state"]),
        document["secret_version"],
        document["trouble"],
        document["created_at"],
        document["created_by"],
        document["updated_at"],
        document["previous_until"] or 0.0,
    )


def delivery_from_document(document: Mapping[str, Any]) -> Delivery:
    """A message and what became of it, from its document, which does not tell what it says, nor to where."""
    return Delivery(
        document["id"],
        document["webhook"],
        "",
        EventKind(document["event"]),
        "",
        document["created_at"],
        document["run"],
        DeliveryState(document["state"]),
        document["tries"],
        document["next_at"] or 0.0,
        document["tried_at"],
        document["ended_at"],
        document["status"],
        document["answer"],
    )


def host_from_document(document: Mapping[str, Any]) -> AllowedHost:
    """A host that was allowed, from its document."""
    return replace(read_allowed(document["host"]), added_at=document["added_at"], added_by=document["added_by"])
