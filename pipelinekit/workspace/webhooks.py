"""Webhooks of a workspace: made, listed, tried out, disabled, deleted; and the hosts that owners allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.audit import Origin
from pipelinekit.domain.hosts import AllowedHost, Place, read_allowed, read_url
from pipelinekit.domain.names import check_name, run_id
from pipelinekit.domain.secrets import ANY_VERSION, WEBHOOK
from pipelinekit.domain.upkeep import StoreFault
from pipelinekit.domain.webhooks import (
    CALLBACKS,
    OF_ENDPOINT,
    OF_EXPERIMENT,
    OF_SCHEDULE,
    SECRET_BYTES,
    Answer,
    Delivery,
    DeliveryState,
    Event,
    EventKind,
    NewWebhook,
    Webhook,
    WebhookState,
    check_place,
    check_webhook_name,
    previous_secret,
    read_events,
    run_secret,
    secret_text,
    sent_again,
)
from pipelinekit.engine.delivering import message, settled
from pipelinekit.errors import ConflictError, NotFoundError, StorageError, UsageError
from pipelinekit.ports import Clock
from pipelinekit.ports.secrets import SecretKeys, SecretRecords
from pipelinekit.ports.webhooks import Poster, WebhookRecords
from pipelinekit.wire.webhooks import event_body
from pipelinekit.workspace.audit import AuditLog, local_origin
from pipelinekit.workspace.secrets import keep_secret, open_secrets

DISABLED, DELETED = "the webhook was disabled", "the webhook was deleted"  # why messages are sent no more
MOST_SHOWN = 1000
PREVIOUS_SECONDS = 86400.0  # for which the secret before a rotated one signs, too


@frozen
class WebhookStores:
    """What webhooks are kept in and tried out with. `batch` groups what is written, `entropy` gives random bytes.

    `endpoint_of` and `schedule_of` give the id of one by its name.
    """

    records: WebhookRecords
    secrets: SecretRecords
    keys: SecretKeys
    audit: AuditLog
    batch: Callable[[], AbstractContextManager[None]]
    clock: Clock
    entropy: Callable[[int], bytes]
    poster: Poster
    endpoint_of: Callable[[str], str]
    schedule_of: Callable[[str], str]


class WebhookCollection:
    """The webhooks of a workspace. Names and ids are taken alike.

    Who does something is told by `by`; without it, it is the user of this process.
    """

    def __init__(self, stores: WebhookStores) -> None:
        self._stores = stores
        self._records = stores.records

    # -- making and ending -------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        url: str,
        *,
        on: Sequence[str] = (),
        endpoint: str = "",
        schedule: str = "",
        experiment: str = "",
        anywhere: bool = True,
        by: Origin | None = None,
    ) -> NewWebhook:
        """Have an address told of events, signed with a secret that is in what is returned, and nowhere else.

        `on` names events; without it, it is told how runs end. With an endpoint, a schedule or an experiment it hears
        only of what belongs to that. The address is public and https, or on a host that an owner allowed; the latter
        only without `anywhere`. Raises UsageError, ConflictError where the name is taken, NotFoundError.
        """
        check_webhook_name(name)
        place = self._checked(url, f"webhook {name!r}", anywhere=anywhere)
        limits, names = self._limits(endpoint, schedule, experiment)
        origin, now = local_origin() if by is None else by, self._stores.clock.now()
        identity = run_id(int(now * 1000), int.from_bytes(self._stores.entropy(4)))
        with self._stores.batch():
            secret, version = self._new_secret(identity, origin.actor)
            made = Webhook(
                identity, name, place.url, read_events(on), limits, names, WebhookState.ACTIVE, version, "", now,
                origin.actor, now,
            )  # fmt: skip
            self._records.add(made)
            self._stores.audit.note("webhooks.create", f"{name} {place.origin}", by=origin)
        return NewWebhook(made, secret)

    def update(
        self,
        webhook: str,
        *,
        url: str | None = None,
        on: Sequence[str] | None = None,
        endpoint: str | None = None,
        schedule: str | None = None,
        experiment: str | None = None,
        anywhere: bool = True,
        by: Origin | None = None,
    ) -> Webhook:
        """Change its address, what it is told of, or what that belongs to; None leaves it, an empty text takes it away.

        What is still to be sent goes to the new address. Raises as `create` does.
        """
        with self._stores.batch():
            found = self._records.get(webhook)
            fields: dict[str, object] = {}
            if url is not None:
                fields["url"] = self._checked(url, f"webhook {found.name!r}", anywhere=anywhere).url
            if on is not None:
                fields["events"] = read_events(on)
            named = {OF_ENDPOINT: endpoint, OF_SCHEDULE: schedule, OF_EXPERIMENT: experiment}
            given = {noun: name for noun, name in named.items() if name is not None}
            limits, names = self._limits(*(given.get(noun) or "" for noun in named))
            for field, new, old in (("limits", limits, found.limits), ("names", names, found.names)):
                fields[field] = {**{noun: name for noun, name in old.items() if noun not in given}, **new}
            origin = local_origin() if by is None else by
            return self._keep(found, "update", origin, **fields)

    def rotate_secret(self, webhook: str, *, at_once: bool = False, by: Origin | None = None) -> NewWebhook:
        """Sign with another secret from now on, which is in what is returned, and nowhere else.

        For a day the one before signs as well, so that receivers can be told one by one; but not if it is `at_once`.
        """
        origin = local_origin() if by is None else by
        with self._stores.batch():
            found = self._records.get(webhook)
            until = 0.0 if at_once else self._keep_previous(found, origin.actor)
            secret, version = self._new_secret(found.id, origin.actor)
            changed = self._keep(found, "rotate-secret", origin, secret_version=version, previous_until=until)
            if not until:
                self._drop_previous(found, origin.actor)
        return NewWebhook(changed, secret)

    def _keep_previous(self, webhook: Webhook, by: str) -> float:
        """Keep the present secret as the one before; until when that counts: 0 where it cannot be opened."""
        try:
            secret = self._secret(webhook.id)
        except StorageError:
            return 0.0
        keep_secret(WEBHOOK + previous_secret(webhook.id), secret, by, self._stores.secrets, self._stores.keys)
        return self._stores.clock.now() + PREVIOUS_SECONDS

    def _drop_previous(self, webhook: Webhook, by: str) -> None:
        with suppress(NotFoundError):
            self._stores.secrets.delete(WEBHOOK + previous_secret(webhook.id), by)

    def enable(self, webhook: str, *, by: Origin | None = None) -> Webhook:
        """Have it told of what happens from now on."""
        return self._set(webhook, "enable", WebhookState.ACTIVE, "", by)

    def disable(self, webhook: str, *, by: Origin | None = None) -> Webhook:
        """Tell it nothing from now on, nor what is still to be sent."""
        return self._set(webhook, "disable", WebhookState.DISABLED, DISABLED, by)

    def delete(self, webhook: str, *, by: Origin | None = None) -> None:
        """Tell it nothing any more, and free its name."""
        with self._stores.batch():
            found = self._set(webhook, "delete", WebhookState.DELETED, DELETED, by)
            actor = (local_origin() if by is None else by).actor
            self._stores.secrets.delete(WEBHOOK + found.id, actor)
            self._drop_previous(found, actor)

    def _set(self, webhook: str, verb: str, state: WebhookState, void: str, by: Origin | None) -> Webhook:
        with self._stores.batch():
            found = self._records.get(webhook)
            return self._change(found, verb, local_origin() if by is None else by, void, state=state, trouble="")

    def _change(self, webhook: Webhook, verb: str, by: Origin, void: str = "", **changes: object) -> Webhook:
        changed = replace(webhook, updated_at=self._stores.clock.now(), **changes)
        return self._noted(changed, verb, by, is_kept=self._records.change(changed, void))

    def _keep(self, webhook: Webhook, verb: str, by: Origin, **changes: object) -> Webhook:
        changed = replace(webhook, updated_at=self._stores.clock.now(), **changes)
        return self._noted(changed, verb, by, is_kept=self._records.update(changed))

    def _noted(self, webhook: Webhook, verb: str, by: Origin, *, is_kept: bool) -> Webhook:
        if not is_kept:
            raise NotFoundError(f"webhook {webhook.name!r} is deleted", hint="'pipelinekit webhooks create' makes one")
        self._stores.audit.note(f"webhooks.{verb}", webhook.name, by=by)
        return webhook

    # -- looking -----------------------------------------------------------------------------------------------------

    def list(self) -> Sequence[Webhook]:
        """All of them by name."""
        return self._records.list()

    def get(self, webhook: str) -> Webhook:
        """The webhook of this name or id. Raises NotFoundError."""
        return self._records.get(webhook)

    def deliveries(self, webhook: str = "", limit: int = 100) -> Sequence[Delivery]:
        """What it was told, the newest first; without a webhook, the call-backs that calls asked for."""
        if not 0 < limit <= MOST_SHOWN:
            raise UsageError(f"{limit} deliveries cannot be shown", hint=f"ask for 1 to {MOST_SHOWN}")
        return self._records.deliveries(self._records.get(webhook).id if webhook else "", limit)

    def test(self, webhook: str, *, by: Origin | None = None) -> tuple[Delivery, Answer]:
        """Send it a message now, once, whether it is enabled or not; the message, and how it was answered."""
        found, now = self._records.get(webhook), self._stores.clock.now()
        data = {"webhook": {"id": found.id, "name": found.name}}
        event = Event(EventKind.TEST, now, data)
        identity = f"msg_{run_id(int(now * 1000), int.from_bytes(self._stores.entropy(4)))}test"
        delivery = Delivery(identity, found.id, found.url, event.kind, event_body(event), now, next_at=now)
        answer = self._sent(delivery)
        done = settled(delivery, answer, self._stores.clock.now(), 0.0)
        if not done.state.final:  # it is not tried again
            done = replace(done, state=DeliveryState.FAILED, ended_at=done.tried_at)
        with self._stores.batch():
            self._records.note(done)
            self._stores.audit.note("webhooks.test", found.name, by=by, reason=str(answer.status or answer.text))
        return done, answer

    def redeliver(self, delivery: str, *, by: Origin | None = None) -> Delivery:
        """Have a message sent once more that has ended, under its id, to the address that its webhook has now.

        Raises NotFoundError, and ConflictError where it is still to be sent, or its webhook is told nothing.
        """
        with self._stores.batch():
            found, name = self._records.delivery(delivery), CALLBACKS
            url = found.url
            if found.webhook:
                webhook = self._records.get(found.webhook)
                name, url = webhook.name, webhook.url
                if webhook.state is not WebhookState.ACTIVE:
                    raise ConflictError(
                        f"webhook {name!r} is {webhook.state.lower()}, and told nothing",
                        hint="create it anew" if webhook.state is WebhookState.DELETED else f"enable webhook {name!r}",
                    )
            again = sent_again(found, url, self._stores.clock.now())
            if not self._records.repeat(again):
                sent_again(self._records.delivery(delivery), url, 0.0)  # somebody else had it sent again: refused
            self._stores.audit.note("webhooks.redeliver", f"{name} {found.id}", by=by)
        return again

    def _sent(self, delivery: Delivery) -> Answer:
        allowed, now = self._records.allowed(), self._stores.clock.now()
        found = message(delivery, allowed, lambda: self.secrets_of(delivery), now)
        if isinstance(found, Answer):
            return found
        return self._stores.poster.post(found.place, found.headers, found.body, private=found.private)

    # -- hosts -------------------------------------------------------------------------------------------------------

    def allow(self, host: str, *, by: Origin | None = None) -> AllowedHost:
        """Let messages go to a host, `HOST` or `HOST:PORT`: also by http, also where its address is not public.

        Without a port, those of http and https are allowed.
        """
        origin = local_origin() if by is None else by
        found = replace(read_allowed(host), added_at=self._stores.clock.now(), added_by=origin.actor)
        with self._stores.batch():
            self._records.allow(found)
            self._stores.audit.note("webhooks.allow", found.name, by=origin)
        return found

    def disallow(self, host: str, *, by: Origin | None = None) -> AllowedHost:
        """Take back that a host was allowed. Raises NotFoundError."""
        found = read_allowed(host)
        with self._stores.batch():
            if not self._records.disallow(found):
                known = ", ".join(item.name for item in self.hosts()) or "none"
                raise NotFoundError(f"{found.name} is not among the hosts that are allowed", hint=f"there are: {known}")
            self._stores.audit.note("webhooks.disallow", found.name, by=by)
        return found

    def hosts(self) -> Sequence[AllowedHost]:
        """The hosts that owners allowed."""
        return self._records.allowed()

    # -- call-backs --------------------------------------------------------------------------------------------------

    def check_callback(self, url: str, *, anywhere: bool) -> Place:
        """Where the end of a run is to be told. Raises UsageError where it may not be, or could not be signed."""
        return self._checked(url, "a call-back", anywhere=anywhere)

    def call_back(self, run: str, place: Place) -> str:
        """Have the end of a run told, in the transaction that records it; the secret that it will be signed with."""
        now = self._stores.clock.now()
        identity = f"msg_{run_id(int(now * 1000), int.from_bytes(self._stores.entropy(4)))}{run}"
        self._records.wait(Delivery(identity, "", place.url, EventKind.RUN_ENDED, "", now, run, DeliveryState.WAITING))
        try:
            return self.callback_secret(run)
        except StorageError:  # there is none yet, or the key that opened it is lost
            self._new_secret(CALLBACKS, local_origin().actor)
        return self.callback_secret(run)

    def callback_secret(self, run: str) -> str:
        """The secret that the call-back of a run is signed with. Raises StorageError."""
        return run_secret(self._secret(CALLBACKS), run)

    # -- secrets -----------------------------------------------------------------------------------------------------

    def secrets_of(self, delivery: Delivery) -> Sequence[str]:
        """What a message is signed with: while a secret is rotated, also with the one before. Raises StorageError."""
        if not delivery.webhook:
            return [self.callback_secret(delivery.run)]
        found = [self._secret(delivery.webhook)]
        if self._records.get(delivery.webhook).previous_until > self._stores.clock.now():
            with suppress(StorageError):
                found.append(self._secret(previous_secret(delivery.webhook)))
        return found

    def _secret(self, identity: str) -> str:
        name = WEBHOOK + identity
        try:
            return open_secrets({name: ANY_VERSION}, self._stores.secrets, self._stores.keys)[name]
        except NotFoundError as error:
            raise StorageError(f"its signing secret is gone: {error.message}", hint="rotate it") from None

    def _new_secret(self, identity: str, by: str) -> tuple[str, int]:
        secret = secret_text(self._stores.entropy(SECRET_BYTES))
        kept = keep_secret(WEBHOOK + identity, secret, by, self._stores.secrets, self._stores.keys)
        return secret, kept.version

    def _checked(self, url: str, noun: str, *, anywhere: bool) -> Place:
        place = read_url(url, noun)
        check_place(place, self._records.allowed(), noun, anywhere=anywhere)
        return place

    def _limits(self, endpoint: str, schedule: str, experiment: str) -> tuple[dict[str, str], dict[str, str]]:
        """What a webhook is limited to, as it is looked for and as people say it. Raises NotFoundError."""
        if experiment:
            check_name("experiment", experiment)
        names = {OF_ENDPOINT: endpoint, OF_SCHEDULE: schedule, OF_EXPERIMENT: experiment}
        names = {noun: name for noun, name in names.items() if name}
        find: dict[str, Callable[[str], str]] = {
            OF_ENDPOINT: self._stores.endpoint_of,
            OF_SCHEDULE: self._stores.schedule_of,
            OF_EXPERIMENT: str,
        }
        return {noun: find[noun](name) for noun, name in names.items()}, names


def webhook_faults(records: WebhookRecords) -> list[StoreFault]:
    """Rule I14 of the checks: no message waits for a run that has ended, and what is to be sent can be read."""
    found = [
        StoreFault("I14", f"message {item.id}", f"it waits for the end of run {item.run}, which has ended or is gone")
        for item in records.stranded()
    ]
    for name in (*(webhook.id for webhook in records.list()), ""):
        pending = (item for item in records.deliveries(name, MOST_SHOWN) if item.state is DeliveryState.PENDING)
        odd = (item.id for item in pending if not _is_json(item.body))
        found += [StoreFault("I14", f"message {item}", "what it says cannot be read") for item in odd]
    return found


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
