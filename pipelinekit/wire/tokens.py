"""Access tokens and rows of the audit log as documents; nothing here holds a secret but `new_token_document`."""

from __future__ import annotations

from typing import Any

from pipelinekit.domain.audit import AuditRecord, event_fields
from pipelinekit.domain.tokens import NewToken, Principal, Token


def token_to_json(token: Token) -> dict[str, Any]:
    """What may be told of a token."""
    return {
        "id": token.id,
        "name": token.name,
        "kind": token.kind.value,
        "role": token.role.value,
        "endpoint": token.endpoint,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "last_used": token.last_used,
        "revoked_at": token.revoked_at,
    }


def token_document(token: Token, now: float) -> dict[str, Any]:
    """A token, and how it stands."""
    return {**token_to_json(token), "standing": token.standing(now)}


def new_token_document(made: NewToken, now: float) -> dict[str, Any]:
    """A token that was just made, with its text."""
    return {**token_document(made.token, now), "text": made.text}


def principal_document(principal: Principal) -> dict[str, Any]:
    """Who asks."""
    return {
        "name": principal.name,
        "role": principal.role.value,
        "kind": principal.kind.value,
        "endpoint": principal.endpoint,
        "token": principal.token,
    }


def audit_document(record: AuditRecord) -> dict[str, Any]:
    """A row of the audit log."""
    return {
        "number": record.number,
        "at": record.at,
        **event_fields(record.event),
        "previous": record.previous,
        "digest": record.digest,
    }
