"""Compute targets as the documents that people's programs read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelinekit.domain.computes import ComputeTarget, Node


def compute_document(target: ComputeTarget) -> dict[str, Any]:
    """A registered target; of credentials only the names of the secrets."""
    return {
        "name": target.name,
        "kind": target.kind,
        "address": target.address,
        "secrets": dict(target.secrets),
        "allow_plain": target.allow_plain,
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
