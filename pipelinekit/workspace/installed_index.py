"""Reading what is installed: slow, and done again only when something was installed or removed."""

from __future__ import annotations

import inspect
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
    owners: dict[str, set[str]] = {}
    for distribution in metadata.distributions():
        name, version = _identity(distribution)
        if not name:
            continue
        if name not in versions:  # the first on the path is the one that is imported
            versions[name] = version
            requires[name] = _requirements(distribution.requires or ())
            local[name] = _is_local(distribution)
        for module in _modules(distribution):
            owners.setdefault(module, set()).add(name)
    modules = {module: sorted(names) for module, names in owners.items()}
    return {"versions": versions, "requires": requires, "modules": modules, "local": local}


def _identity(distribution: metadata.Distribution) -> tuple[str, str]:
    """Name and version; empty where the metadata is damaged, which whoever does not need it need not mind."""
    try:
        return _normal(distribution.metadata["Name"] or ""), distribution.version
    except Exception:  # backports of importlib.metadata take its place once they are imported, with errors of their own
        return "", ""


def _modules(distribution: metadata.Distribution) -> set[str]:
    """The names that a distribution is imported by: those that it declares, else those of its files."""
    if declared := (distribution.read_text("top_level.txt") or "").split():
        return set(declared)
    found = set()
    for file in distribution.files or ():
        module = inspect.getmodulename(file.name)
        if module is not None and file.suffix != ".pyc":
            found.add(file.parts[0] if len(file.parts) > 1 else module)
    return {name for name in found if name.isidentifier()}


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
