"""Webhooks that a server has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.domain.hosts import AllowedHost, read_allowed
from pipelinekit.domain.webhooks import Answer, Delivery, NewWebhook, Webhook
from pipelinekit.wire.webhooks import delivery_from_document, host_from_document, webhook_from_document


class RemoteWebhooks:
    """The webhooks of a workspace, and the hosts that owners allowed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        name: str,
        url: str,
        *,
        on: Sequence[str] = (),
        endpoint: str = "",
        schedule: str = "",
        experiment: str = "",
    ) -> NewWebhook:
        """Have an address told of events, signed with a secret that is in what is returned, and nowhere else."""
        words = {"endpoint": endpoint, "schedule": schedule, "experiment": experiment}
        body = {"name": name, "url": url, "on": list(on), **{key: value for key, value in words.items() if value}}
        return self._new("/webhooks", body)

    def update(
        self,
        webhook: str,
        *,
        url: str | None = None,
        on: Sequence[str] | None = None,
        endpoint: str | None = None,
        schedule: str | None = None,
        experiment: str | None = None,
    ) -> Webhook:
        """Change its address, what it is told of, or what that belongs to; None leaves it, '' takes it away."""
        words = {
            "url": url,
            "on": None if on is None else list(on),
            "endpoint": endpoint,
            "schedule": schedule,
            "experiment": experiment,
        }
        body = {key: value for key, value in words.items() if value is not None}
        return webhook_from_document(self._connection.ask("PATCH", _path(webhook), body).document)

    def rotate_secret(self, webhook: str, *, at_once: bool = False) -> NewWebhook:
        """Sign with another secret, which is in what is returned, and nowhere else.

        For a day the one before signs as well, but not if it is `at_once`.
        """
        return self._new(f"{_path(webhook)}/rotate-secret" + ("?at_once=true" if at_once else ""))

    def redeliver(self, delivery: str) -> Delivery:
        """Have a message sent once more that has ended, under its id."""
        told = self._connection.ask("POST", f"/webhooks/deliveries/{quoted(delivery)}/redeliver").document
        return delivery_from_document(told)

    def enable(self, webhook: str) -> Webhook:
        """Have it told of what happens from now on."""
        return self._changed(webhook, "enable")

    def disable(self, webhook: str) -> Webhook:
        """Tell it nothing from now on, nor what is still to be sent."""
        return self._changed(webhook, "disable")

    def delete(self, webhook: str) -> None:
        """Tell it nothing any more, and free its name."""
        self._connection.ask("DELETE", _path(webhook))

    def list(self) -> Sequence[Webhook]:
        """The webhooks by name."""
        return [webhook_from_document(item) for item in self._connection.get("/webhooks")["webhooks"]]

    def get(self, webhook: str) -> Webhook:
        """The webhook of this name or id. Raises NotFoundError."""
        return webhook_from_document(self._connection.get(_path(webhook)))

    def deliveries(self, webhook: str = "", limit: int = 100) -> Sequence[Delivery]:
        """What it was told, the newest first; without one, what calls asked to be told."""
        path = f"{_path(webhook)}/deliveries" if webhook else "/webhooks/callbacks/deliveries"
        return [delivery_from_document(item) for item in self._connection.get(path, limit=limit)["deliveries"]]

    def test(self, webhook: str) -> tuple[Delivery, Answer]:
        """Have a test event sent now; what became of it, and how it was answered."""
        told = self._connection.ask("POST", f"{_path(webhook)}/test").document
        done = delivery_from_document(told)
        return done, Answer(done.status, done.answer, seconds=told["seconds"])

    def allow(self, host: str) -> AllowedHost:
        """Let a host be told: also by http, and where its address is not public."""
        return host_from_document(self._connection.ask("PUT", _host(host), again=True).document)

    def disallow(self, host: str) -> AllowedHost:
        """Take back that a host was allowed. Raises NotFoundError."""
        self._connection.ask("DELETE", _host(host))
        return read_allowed(host)

    def hosts(self) -> Sequence[AllowedHost]:
        """The hosts that owners allowed."""
        return [host_from_document(item) for item in self._connection.get("/webhooks/hosts/allowed")["hosts"]]

    def _new(self, path: str, body: Any = None) -> NewWebhook:
        made = self._connection.ask("POST", path, body).document
        return NewWebhook(webhook_from_document(made), made["secret"])

    def _changed(self, webhook: str, verb: str) -> Webhook:
        return webhook_from_document(self._connection.ask("POST", f"{_path(webhook)}/{verb}", again=True).document)


def _path(webhook: str) -> str:
    return f"/webhooks/{quoted(webhook)}"


def _host(host: str) -> str:
    return f"/webhooks/hosts/allowed/{quoted(host)}"
