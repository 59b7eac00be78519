"""Reading what is installed: slow, and done again only when something was installed or removed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from importlib import machinery, metadata
from typing import Any

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEADER = re.compile(r"^(name|version|requires-dist):[ \t]*(.*?)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_MODULE_ENDINGS = (*machinery.SOURCE_SUFFIXES, *sorted(machinery.EXTENSION_SUFFIXES, key=len, reverse=True))


def build_index() -> dict[str, Any]:
    """Modules by name to distributions, and distributions to versions, requirements and whether they are local."""
    versions: dict[str, str] = {}
    requires: dict[str, list[str]] = {}
    local: dict[str, bool] = {}
    owners: dict[str, set[str]] = {}
    for distribution in metadata.distributions():
        name, version, required = _headers(distribution)
        if not name or not version:
            continue
        if name not in versions:  # the first on the path is the one that is imported
            versions[name] = version
            requires[name] = _requirements(required)
            local[name] = _is_local(distribution)
        for module in _modules(distribution):
            owners.setdefault(module, set()).add(name)
    modules = {module: sorted(names) for module, names in owners.items()}
    return {"versions": versions, "requires": requires, "modules": modules, "local": local}


def _headers(distribution: metadata.Distribution) -> tuple[str, str, list[str]]:
    """Name, version and requirements, as its description begins with them (https://packaging.python.org/specifications).

    `importlib.metadata` reads each description several times with a parser for mails, which takes ten times as long; it
    is asked for the older kinds. Empty where the metadata is damaged, which whoever does not need it need not mind.
    """
    try:
        text = distribution.read_text("METADATA")
        if text is None:
            name, version = distribution.metadata["Name"] or "", distribution.version or ""
            return _normal(name), version, list(distribution.requires or ())
    except Exception:  # backports of importlib.metadata take its place once they are imported, with errors of their own
        return "", "", []
    found: dict[str, list[str]] = {"name": [], "version": [], "requires-dist": []}
    for header, value in _HEADER.findall(re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]):
        found[header.lower()].append(value)
    return _normal("".join(found["name"][:1])), "".join(found["version"][:1]), found["requires-dist"]


def _modules(distribution: metadata.Distribution) -> set[str]:
    """The names that a distribution is imported by: those that it declares, else those of its files."""
    if declared := (distribution.read_text("top_level.txt") or "").split():
        return set(declared)
    found = set()
    for path in _files(distribution):
        ending = next((ending for ending in _MODULE_ENDINGS if path.endswith(ending)), None)
        if ending is not None:
            folder, slash, _ = path.partition("/")
            found.add(folder if slash else path.removesuffix(ending))
    return {name for name in found if name.isidentifier()}


def _files(distribution: metadata.Distribution) -> Iterator[str]:
    """The paths of its files, with slashes."""
    record = distribution.read_text("RECORD")
    if record is None:
        return (file.as_posix() for file in distribution.files or ())
    return (row[0].replace("\\", "/") for row in csv.reader(record.splitlines()) if row)


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
