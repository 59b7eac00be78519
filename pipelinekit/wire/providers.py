"""Providers of nodes as JSON data: the kind, and what differs from the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.providers import BatchSystem, KubernetesPods, Processes, Provider, SSHHosts
from pipelinekit.errors import UsageError

KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in (Processes, SSHHosts, BatchSystem, KubernetesPods)}


def provider_to_json(provider: Provider) -> dict[str, Any]:
    """A provider; of secrets only the names."""
    told = {name: getattr(provider, name) for name in type(provider).__match_args__}
    return {"kind": provider.kind, **{name: _plain(value) for name, value in told.items() if value}}


def provider_from_json(document: Mapping[str, Any]) -> Provider:
    """A provider from such data. Raises UsageError for a kind that there is not."""
    kind = KINDS.get(document.get("kind", ""))
    if kind is None:
        raise UsageError(f"there is no provider {document.get('kind')!r}", hint=f"there are: {', '.join(KINDS)}")
    given = {name: value for name, value in document.items() if name != "kind"}
    made: Provider = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple | list) else value
