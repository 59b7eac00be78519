"""Datastores as the documents that people's programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.datastores import Datastore


def datastore_document(store: Datastore) -> dict[str, Any]:
    """A datastore; of credentials only the names of the secrets."""
    return {
        "name": store.name,
        "kind": store.kind,
        "url": store.url,
        "options": dict(store.options),
        "secrets": dict(store.secrets),
        "allow_private": store.allow_private,
        "writable": store.writable,
        "default": store.is_default,
        "created_at": store.created_at,
    }


def datastore_from_document(document: Mapping[str, Any]) -> Datastore:
    """A datastore from its document."""
    return Datastore(
        document["name"],
        document["url"],
        document["options"],
        document["secrets"],
        document["allow_private"],
        document["default"],
        document["created_at"],
    )
