"""Compute targets as the documents that records keep and people's programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.computes import ATTACHED, Attached, Cluster, ComputeTarget, Keeping, Node


def definition_to_json(definition: Attached | Cluster) -> dict[str, Any]:
    """A definition as JSON data; of credentials only the names of the secrets."""
    if isinstance(definition, Attached):
        return {
            "address": definition.address,
            "secrets": dict(definition.secrets),
            "allow_plain": definition.allow_plain,
        }
    return {
        "min_nodes": definition.min_nodes,
        "max_nodes": definition.max_nodes,
        "idle_seconds_before_scaledown": definition.idle_seconds_before_scaledown,
        "cores": definition.cores,
        "memory": definition.memory,
        "resources": dict(definition.resources),
    }


def definition_from_json(kind: str, document: Mapping[str, Any]) -> Attached | Cluster:
    """The definition of a target of this kind."""
    return Attached(**document) if kind == ATTACHED else Cluster(**document)


def compute_document(target: ComputeTarget) -> dict[str, Any]:
    """A registered target."""
    return {
        "name": target.name,
        "kind": target.kind,
        **definition_to_json(target.definition),
        "description": target.description,
        "tags": dict(target.tags),
        "created_at": target.created_at,
    }


def nodes_document(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """The nodes of a cluster."""
    return [
        {
            "name": node.name,
            "address": node.address,
            "cores": node.cores,
            "memory": node.memory,
            "resources": dict(node.resources),
            "running": node.running,
        }
        for node in nodes
    ]


def keeping_to_json(keeping: Keeping) -> dict[str, Any]:
    """What a keeper says, as JSON data."""
    return {
        "address": keeping.address,
        "software": dict(keeping.software),
        "target": keeping.target,
        "nodes": [dict(node) for node in keeping.nodes],
        "host": keeping.host,
        "dashboard": keeping.dashboard,
        "errors": list(keeping.errors),
    }


def keeping_from_json(document: Mapping[str, Any]) -> Keeping:
    """What a keeper said."""
    return Keeping(**document)
