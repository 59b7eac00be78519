"""Environments and their locks as JSON: what the records keep, and what people's programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.environments import Environment, Lock


def environment_to_json(environment: Environment) -> dict[str, Any]:
    """An environment with its name; what it has nothing of is left out."""
    made_of = {**environment.definition(), "packages": list(environment.packages)}  # as they were written
    return {"name": environment.name, **{name: item for name, item in made_of.items() if item}}


def environment_from_json(document: Mapping[str, Any], version: int = 0) -> Environment:
    """An environment from JSON data."""
    return Environment(
        document["name"],
        tuple(document.get("packages", ())),
        document.get("variables", {}),
        document.get("python", ""),
        document.get("image", ""),
        document.get("dockerfile", ""),
        version,
    )


def lock_to_json(lock: Lock) -> dict[str, Any]:
    """A lock as JSON data."""
    return {"python": lock.python, "requirements": list(lock.requirements), "base": lock.base}


def lock_from_json(document: Mapping[str, Any]) -> Lock:
    """A lock from JSON data."""
    return Lock(document["python"], tuple(document["requirements"]), document.get("base", ""))


def environment_document(environment: Environment, lock: Lock | None = None) -> dict[str, Any]:
    """An environment as people's programs read it, with its lock where it has one."""
    document = environment_to_json(environment)
    document["version"] = environment.version or None
    document["digest"] = environment.identity()
    if lock is not None:
        document["lock"] = lock_to_json(lock)
    return document


def environment_from_document(document: Mapping[str, Any]) -> Environment:
    """An environment from its document."""
    return environment_from_json(document, document["version"] or 0)
