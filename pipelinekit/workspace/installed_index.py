"""Reading what is installed: slow, and done again only when something was installed or removed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib import metadata
from typing import Any

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def build_index() -> dict[str, Any]:
    """Modules by name to distributions, and distributions to versions, requirements and whether they are local."""
    versions: dict[str, str] = {}
    requires: dict[str, list[str]] = {}
    local: dict[str, bool] = {}
    for distribution in metadata.distributions():
        name = _normal(distribution.metadata["Name"] or "")
        if name and name not in versions:  # the first on the path is the one that is imported
            versions[name] = distribution.version
            requires[name] = _requirements(distribution.requires or ())
            local[name] = _is_local(distribution)
    modules = {
        module: sorted({_normal(owner) for owner in owners})
        for module, owners in metadata.packages_distributions().items()
    }
    return {"versions": versions, "requires": requires, "modules": modules, "local": local}


def _requirements(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        match = _REQUIREMENT.match(requirement.strip())
        if match and "extra" not in marker:
            found.append(_normal(match[0]))
    return found


def _is_local(distribution: metadata.Distribution) -> bool:
    """Whether a distribution was installed from a folder of this machine: its content counts, not its version."""
    try:
        document = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return False  # damaged: no installer of a folder left this
    return isinstance(document, dict) and "dir_info" in document


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
