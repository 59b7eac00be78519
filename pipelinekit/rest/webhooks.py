"""Webhooks over HTTP. Their addresses are told whole to those who may make some; secrets once, to whoever made them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.limits import READ, TRIGGER
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.domain.webhooks import Webhook
from pipelinekit.rest import bodies, calls
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.routing import Route
from pipelinekit.wire.webhooks import (
    delivery_document,
    history_document,
    host_document,
    new_webhook_document,
    webhook_document,
)

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Publishing = Annotated[Asked, Depends(Needs(Permission.PUBLISH, READ))]
Sending = Annotated[Asked, Depends(Needs(Permission.PUBLISH, TRIGGER))]
Administering = Annotated[Asked, Depends(Needs(Permission.ADMINISTER, READ))]
Name = Annotated[str, InPath(description="the name or id of a webhook", max_length=255)]
Delivery = Annotated[str, InPath(description="the id of a message", max_length=64)]
Host = Annotated[str, InPath(description="HOST or HOST:PORT", max_length=300)]


@router.get("", operation_id="list_webhooks")
async def list_webhooks(asked: Viewing) -> dict[str, Any]:
    """The webhooks by name."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        return {"webhooks": [_shown(item, principal) for item in services.webhooks.list()]}

    return await asked.do(work)


@router.post("", operation_id="create_webhook", status_code=201)
async def create_webhook(asked: Publishing, body: bodies.NewWebhook) -> dict[str, Any]:
    """Have an address told of events. Only owners choose hosts that none of them has allowed."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        made = services.webhooks.create(
            body.name,
            body.url,
            on=body.on,
            endpoint=body.endpoint,
            schedule=body.schedule,
            experiment=body.experiment,
            anywhere=may_choose_hosts(principal),
            by=asked.origin(principal),
        )
        return new_webhook_document(made)

    return await asked.do(work)


@router.get("/hosts/allowed", operation_id="list_webhook_hosts")
async def list_hosts(asked: Viewing) -> dict[str, Any]:
    """The hosts that owners allowed."""
    return await asked.do(lambda services, _: {"hosts": [host_document(item) for item in services.webhooks.hosts()]})


@router.put("/hosts/allowed/{host}", operation_id="allow_webhook_host")
async def allow_host(asked: Administering, host: Host) -> dict[str, Any]:
    """Let a host be told: also by http, and where its address is not public."""
    return await asked.do(
        lambda services, principal: host_document(services.webhooks.allow(host, by=asked.origin(principal)))
    )


@router.delete("/hosts/allowed/{host}", operation_id="disallow_webhook_host", status_code=204, response_class=Response)
async def disallow_host(asked: Administering, host: Host) -> None:
    """Take back that a host was allowed."""
    await asked.do(lambda services, principal: services.webhooks.disallow(host, by=asked.origin(principal)))


@router.get("/callbacks/deliveries", operation_id="list_callback_deliveries")
async def list_callbacks(asked: Viewing, limit: calls.Limit = 50) -> dict[str, Any]:
    """The call-backs that calls asked for and what became of them, the newest first."""
    return await asked.do(lambda services, _: history_document("", services.webhooks.deliveries("", limit)))


@router.get("/{webhook}", operation_id="show_webhook")
async def show_webhook(asked: Viewing, webhook: Name) -> dict[str, Any]:
    """One of them."""
    return await asked.do(lambda services, principal: _shown(services.webhooks.get(webhook), principal))


@router.get("/{webhook}/deliveries", operation_id="list_webhook_deliveries")
async def list_deliveries(asked: Viewing, webhook: Name, limit: calls.Limit = 50) -> dict[str, Any]:
    """What it was told and how it answered, the newest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.webhooks.get(webhook)
        return history_document(found.name, services.webhooks.deliveries(found.id, limit))

    return await asked.do(work)


@router.post("/{webhook}/test", operation_id="test_webhook")
async def test_webhook(asked: Sending, webhook: Name) -> dict[str, Any]:
    """Send it a test event now; how that was answered."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        done, answer = services.webhooks.test(webhook, by=asked.origin(principal))
        return {**delivery_document(done), "seconds": round(answer.seconds, 3)}

    return await asked.do(work)


@router.post("/{webhook}/enable", operation_id="enable_webhook")
async def enable_webhook(asked: Publishing, webhook: Name) -> dict[str, Any]:
    """Have it told of what happens from now on."""
    return await asked.do(
        lambda services, principal: _shown(services.webhooks.enable(webhook, by=asked.origin(principal)), principal)
    )


@router.post("/{webhook}/disable", operation_id="disable_webhook")
async def disable_webhook(asked: Publishing, webhook: Name) -> dict[str, Any]:
    """Tell it nothing from now on, nor what is still to be sent."""
    return await asked.do(
        lambda services, principal: _shown(services.webhooks.disable(webhook, by=asked.origin(principal)), principal)
    )


@router.patch("/{webhook}", operation_id="update_webhook")
async def update_webhook(asked: Publishing, webhook: Name, body: bodies.WebhookChange) -> dict[str, Any]:
    """Change its address, what it is told of, or what that belongs to. Only owners choose hosts that none allowed."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        anywhere, by = may_choose_hosts(principal), asked.origin(principal)
        return _shown(services.webhooks.update(webhook, **body.model_dump(), anywhere=anywhere, by=by), principal)

    return await asked.do(work)


@router.post("/deliveries/{delivery}/redeliver", operation_id="redeliver_webhook")
async def redeliver(asked: Sending, delivery: Delivery) -> dict[str, Any]:
    """Have a message sent once more that has ended, under the same id."""
    return await asked.do(
        lambda services, principal: delivery_document(services.webhooks.redeliver(delivery, by=asked.origin(principal)))
    )


@router.post("/{webhook}/rotate-secret", operation_id="rotate_webhook_secret")
async def rotate_secret(
    asked: Publishing,
    webhook: Name,
    at_once: Annotated[bool, Query(description="the one before signs no more; it does for a day otherwise")] = False,
) -> dict[str, Any]:
    """Sign with another secret, which is in this answer, and nowhere else."""

    def work(services: Services, principal: Principal) -> dict[str, Any]:
        by = asked.origin(principal)
        return new_webhook_document(services.webhooks.rotate_secret(webhook, at_once=at_once, by=by))

    return await asked.do(work)


@router.delete("/{webhook}", operation_id="delete_webhook", status_code=204, response_class=Response)
async def delete_webhook(asked: Publishing, webhook: Name) -> None:
    """Tell it nothing any more, and free its name."""
    await asked.do(lambda services, principal: services.webhooks.delete(webhook, by=asked.origin(principal)))


def may_choose_hosts(principal: Principal) -> bool:
    """Whether messages may go to hosts that no owner has allowed, where this one asks for it."""
    return principal.permits(Permission.ADMINISTER)


def _shown(webhook: Webhook, principal: Principal) -> dict[str, Any]:
    return webhook_document(webhook, whole=principal.permits(Permission.PUBLISH))
