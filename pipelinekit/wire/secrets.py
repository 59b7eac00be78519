"""What may be told of secrets, as people's programs read it; nothing here holds a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.secrets import Secret


def secret_document(secret: Secret) -> dict[str, Any]:
    """A secret without its value."""
    return {
        "name": secret.name,
        "version": secret.version,
        "updated_at": secret.updated_at,
        "updated_by": secret.updated_by,
    }


def secret_from_document(document: Mapping[str, Any]) -> Secret:
    """A secret from its document."""
    return Secret(document["name"], document["version"], document["updated_at"], document["updated_by"])
