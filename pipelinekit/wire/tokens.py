"""Access tokens and rows of the audit log as documents; nothing here holds a secret but `new_token_document`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.audit import AuditEvent, AuditRecord, Origin, event_fields
from pipelinekit.domain.tokens import Kind, NewToken, Principal, Role, Token


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


def token_from_document(document: Mapping[str, Any]) -> Token:
    """A token from its document, which does not tell its digest."""
    return Token(
        document["id"],
        document["name"],
        Kind(document["kind"]),
        Role(document["role"]),
        document["endpoint"],
        "",
        document["created_at"],
        document["created_by"],
        document["expires_at"],
        document["last_used"],
        document["revoked_at"],
    )


def audit_from_document(document: Mapping[str, Any]) -> AuditRecord:
    """A row of the audit log from its document."""
    origin = Origin(document["actor"], document["token"], document["source"], document["request"])
    words = (document[name] for name in ("action", "object", "outcome", "reason", "before", "after"))
    return AuditRecord(
        document["number"], document["at"], AuditEvent(origin, *words), document["previous"], document["digest"]
    )
