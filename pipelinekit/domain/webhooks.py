"""Webhooks: who is told of what happens in a workspace, what they are told, and how it is signed.

Messages are signed as the specification "Standard Webhooks" says, so that its libraries verify them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from pipelinekit.classes import field, frozen, replace
from pipelinekit.domain.digests import signature
from pipelinekit.domain.hosts import AllowedHost, Place, is_public, plain_address
from pipelinekit.domain.names import check_name
from pipelinekit.domain.runs import RunStatus
from pipelinekit.errors import ConflictError, UsageError
from pipelinekit.typed import Any

PREFIX = "whsec_"
SECRET_BYTES = 32
CALLBACKS = "callbacks"  # stands for a webhook's id where the secrets of call-backs come from
OF_ENDPOINT, OF_SCHEDULE, OF_EXPERIMENT = "endpoint", "schedule", "experiment"  # what a webhook may be limited to
_SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9+/]+=*")


class EventKind(StrEnum):
    """What webhooks are told of."""

    RUN_SUBMITTED = "run.submitted"
    RUN_COMPLETED = "run.completed"
    RUN_FAILED = "run.failed"
    RUN_CANCELED = "run.canceled"
    START_FAILED = "schedule.start_failed"
    NOT_FIRED = "schedule.not_fired"
    DEFAULT_CHANGED = "endpoint.default_changed"
    REGISTERED = "dataset.registered"
    RUN_ENDED = "run.ended"  # what a call-back waits for: how it will end is not known yet
    TEST = "webhook.test"


ENDINGS: Mapping[RunStatus, EventKind] = {
    RunStatus.COMPLETED: EventKind.RUN_COMPLETED,
    RunStatus.FAILED: EventKind.RUN_FAILED,
    RunStatus.CANCELED: EventKind.RUN_CANCELED,
}
CHOICES = tuple(kind for kind in EventKind if kind not in (EventKind.RUN_ENDED, EventKind.TEST))


@frozen
class Event:
    """Something that happened. `about` says what it belongs to: ids by `endpoint` and `schedule`, an `experiment`.

    `data` is what is told of it: ids, names, statuses and addresses, never values.
    """

    kind: EventKind
    at: float
    data: Mapping[str, Any]
    about: Mapping[str, str] = field(default_factory=dict)
    run: str = ""


class WebhookState(StrEnum):
    """Whether events are told. What is deleted leaves its name, and keeps its history."""

    ACTIVE = "Active"
    DISABLED = "Disabled"
    DELETED = "Deleted"


@frozen
class Webhook:
    """An address that is told of events of some kinds.

    `limits` names what they must belong to, as in `Event.about`, and `names` says the same for people. `trouble` says
    why it was disabled where nobody did it. `secret_version` is that of its signing secret; until `previous_until` the
    one before signs, too. Times are UTC.
    """

    id: str
    name: str
    url: str
    events: tuple[EventKind, ...]
    limits: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    state: WebhookState = WebhookState.ACTIVE
    secret_version: int = 1
    trouble: str = ""
    created_at: float = 0.0
    created_by: str = ""
    updated_at: float = 0.0
    previous_until: float = 0.0

    def hears(self, event: Event) -> bool:
        """Whether it is told of an event."""
        return (
            self.state is WebhookState.ACTIVE
            and event.kind in self.events
            and all(event.about.get(noun) == wanted for noun, wanted in self.limits.items())
        )


@frozen
class NewWebhook:
    """A webhook with its signing secret, which nobody can show again. The secret is in no `repr`."""

    webhook: Webhook
    secret: str

    def __repr__(self) -> str:
        return f"NewWebhook({self.webhook.name!r}, …)"


class DeliveryState(StrEnum):
    """What became of a message. Waiting: for the end of the run that it will tell of. The last three are final."""

    WAITING = "Waiting"
    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"
    VOIDED = "Voided"

    @property
    def final(self) -> bool:
        """Whether nothing is sent any more."""
        return self in (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.VOIDED)


@frozen
class Delivery:
    """A message to one address: a webhook's, or where `webhook` is empty that which a call gave for its run.

    The id stays the same however often it is sent. `status` and `answer` are those of the last try.
    """

    id: str
    webhook: str
    url: str
    event: EventKind
    body: str
    created_at: float
    run: str = ""
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    next_at: float = 0.0
    tried_at: float | None = None
    ended_at: float | None = None
    status: int = 0
    answer: str = ""


def sent_again(delivery: Delivery, url: str, now: float) -> Delivery:
    """A message that is to be sent once more, under the same id. Raises ConflictError where it is still to be sent."""
    if not delivery.state.final:
        raise ConflictError(
            f"message {delivery.id} cannot be sent again: it is still to be sent",
            hint="'pipelinekit webhooks deliveries' says when it is tried next",
        )
    return replace(
        delivery, url=url, state=DeliveryState.PENDING, tries=0, next_at=now, ended_at=None, status=0, answer=""
    )


@frozen
class Answer:
    """What came of one try: a status of HTTP and the beginning of the answer, or why there is none (status 0).

    What is `refused` was not sent, and would be refused again. `wait` is how long the server asked to be left alone.
    """

    status: int = 0
    text: str = ""
    refused: bool = False
    seconds: float = 0.0
    wait: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the message arrived."""
        return 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the address wants no more messages, ever."""
        return self.status == 410


# -- addresses ---------------------------------------------------------------------------------------------------------


def is_allowed(place: Place, allowed: Collection[AllowedHost]) -> bool:
    """Whether an owner allowed the host: then http, other ports and addresses that are not public are let through."""
    return any(host.covers(place) for host in allowed)


def refusal(place: Place, allowed: Collection[AllowedHost]) -> str:
    """Why nothing may be sent to a place, as far as that is evident from how it is written; empty where it may."""
    if is_allowed(place, allowed):
        return ""
    address = plain_address(place.host)
    if (address is not None and not is_public(str(address))) or f".{place.host}".endswith(".localhost"):
        return f"{place.host} is not public"
    if place.scheme != "https":
        return "it is not https"
    return "" if place.port == 443 else f"port {place.port} is not that of https"


def check_place(place: Place, allowed: Collection[AllowedHost], noun: str, *, anywhere: bool) -> None:
    """Raise UsageError where nothing may be sent to a place; with `anywhere`, it need not be an allowed host."""
    words = refusal(place, allowed)
    if not words and not anywhere and not is_allowed(place, allowed):
        words = f"{place.host} is not among the hosts that an owner allowed"
    if words:
        name = AllowedHost(place.host, 0 if place.port in (80, 443) else place.port).name
        hint = f"'pipelinekit webhooks allow {name}' allows it, for owners"
        raise UsageError(f"{noun} cannot be told at {place.origin}: {words}", hint=hint)


# -- what is asked for -------------------------------------------------------------------------------------------------


def check_webhook_name(name: str) -> str:
    """Return `name` if it may name a webhook; raise UsageError otherwise."""
    if name.lower() == CALLBACKS:
        raise UsageError(f"a webhook cannot be named {name!r}: what calls ask for is named so", hint="choose another")
    return check_name("webhook", name)


def read_events(wanted: Sequence[str]) -> tuple[EventKind, ...]:
    """The kinds of events that are named; none for those that say how runs ended. Raises UsageError."""
    if odd := [name for name in wanted if name not in CHOICES]:
        hint = f"there are: {', '.join(CHOICES)}"
        raise UsageError(f"there is no event {', '.join(repr(name[:80]) for name in odd)}", hint=hint)
    return tuple(kind for kind in CHOICES if kind in wanted) if wanted else tuple(ENDINGS.values())


# -- signatures --------------------------------------------------------------------------------------------------------


def previous_secret(webhook: str) -> str:
    """What the secret is kept under, among those of webhooks, that was a webhook's before its present one."""
    return f"{webhook}/previous"


def secret_text(entropy: bytes) -> str:
    """A signing secret of random bytes, as its users have it."""
    return PREFIX + base64.b64encode(entropy).decode()


def run_secret(secret: str, run: str) -> str:
    """The signing secret of the call-back of one run, which tells nothing of those of others."""
    return secret_text(signature(_key(secret), f"callback:{run}".encode()))


def signed_headers(secrets: Sequence[str], identity: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that say which message this is and when it was sent, and prove both, and its body.

    There is a signature for each secret: who knows one of them can tell.
    """
    content = b"%b.%d.%b" % (identity.encode(), at, body)
    signed = [base64.b64encode(signature(_key(secret), content)).decode() for secret in secrets]
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{text}" for text in signed),
    }


def _key(secret: str) -> bytes:
    try:
        if re.fullmatch(_SECRET, secret):
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        pass
    raise UsageError("a signing secret cannot be read", hint="'pipelinekit webhooks rotate-secret' makes another")
