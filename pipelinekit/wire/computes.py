"""Compute targets as the documents that records keep and people's programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.computes import (
    ATTACHED,
    CLUSTER,
    INSTANCE,
    Attached,
    Cluster,
    ComputeTarget,
    Definition,
    Instance,
    KeeperState,
    Keeping,
    Node,
)
from pipelinekit.domain.providers import Processes, Provider
from pipelinekit.wire.providers import provider_from_json, provider_to_json


def definition_to_json(definition: Definition) -> dict[str, Any]:
    """A definition as JSON data; of credentials only the names of the secrets. This machine as provider is left out."""
    if isinstance(definition, Attached):
        return {
            "address": definition.address,
            "secrets": dict(definition.secrets),
            "allow_plain": definition.allow_plain,
        }
    node = {"cores": definition.cores, "memory": definition.memory, "resources": dict(definition.resources)}
    if isinstance(definition, Instance):
        idle = {"idle_seconds_before_shutdown": definition.idle_seconds_before_shutdown}
        return {**idle, **node, **_place(definition.provider)}
    return {
        "min_nodes": definition.min_nodes,
        "max_nodes": definition.max_nodes,
        "idle_seconds_before_scaledown": definition.idle_seconds_before_scaledown,
        **node,
        **_place(definition.provider),
        **({"dashboard": True} if definition.dashboard else {}),
    }


def _place(provider: Provider) -> dict[str, Any]:
    return {} if provider == Processes() else {"provider": provider_to_json(provider)}


def definition_from_json(kind: str, document: Mapping[str, Any]) -> Definition:
    """The definition of a target of this kind."""
    if kind == ATTACHED:
        return Attached(**document)
    provider = {"provider": provider_from_json(document["provider"])} if "provider" in document else {}
    made: type[Cluster | Instance] = Instance if kind == INSTANCE else Cluster
    return made(**{**document, **provider})


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


def compute_from_document(document: Mapping[str, Any]) -> ComputeTarget:
    """A registered target from its document."""
    kind = document["kind"]
    definition = definition_from_json(kind, {name: document[name] for name in FIELDS[kind] if name in document})
    return ComputeTarget(
        document["name"], definition, document["description"], document["tags"], document["created_at"]
    )


def nodes_from_document(document: Sequence[Mapping[str, Any]]) -> list[Node]:
    """The nodes of a cluster from their document."""
    return [Node(**item) for item in document]


def keeper_to_json(state: KeeperState) -> dict[str, Any]:
    """Who keeps a cluster, as JSON data."""
    said = None if state.said is None else keeping_to_json(state.said)
    return {"wanted": state.wanted, "alive": state.alive, "said": said}


def keeper_from_json(document: Mapping[str, Any]) -> KeeperState:
    """Who keeps a cluster."""
    said = document["said"]
    return KeeperState(document["wanted"], document["alive"], None if said is None else keeping_from_json(said))


NODE_FIELDS = ("cores", "memory", "resources", "provider")
FIELDS = {
    ATTACHED: ("address", "secrets", "allow_plain"),
    CLUSTER: ("min_nodes", "max_nodes", "idle_seconds_before_scaledown", "dashboard", *NODE_FIELDS),
    INSTANCE: ("idle_seconds_before_shutdown", *NODE_FIELDS),
}
