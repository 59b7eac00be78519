"""Installed distributions: which of them code reaches, and in which versions.

The index of what is installed is read once and kept under the state of the folders that packages are installed in.
"""

from __future__ import annotations

import json
import os
import site
import sys
from collections.abc import Callable, Iterable
from functools import cached_property

from pipelinekit.domain.digests import digest
from pipelinekit.domain.environments import python_identity
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sysconfig

    from pipelinekit.ports import Cache
else:
    sysconfig = late("sysconfig")

SPACE = "installed"
INDEX_VERSION = 2
MISSING = "missing"
_DESCRIPTIONS = (".dist-info", ".egg-info", ".egg-link")

BuildIndex = Callable[[], dict[str, Any]]


class InstalledSoftware:
    """What is installed beside this interpreter."""

    def __init__(self, cache: Cache, build_index: BuildIndex) -> None:
        self._cache = cache
        self._build_index = build_index

    def owns(self, module: str) -> bool:
        """Whether a top-level module comes from an installed distribution that is told by its version."""
        return any(not self._index["local"].get(name) for name in self._index["modules"].get(module, ()))

    def packages(self, modules: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Distributions with versions that these modules come from, and all that they require.

        A module that nothing provides is listed as `missing`: when it appears, the step that asks for it runs again.
        """
        found: dict[str, str] = {}
        stack: list[str] = []
        for module in modules:
            owners = self._index["modules"].get(module.partition(".")[0])
            if owners is None:
                found[module.partition(".")[0]] = MISSING
            else:
                stack.extend(owners)
        while stack:
            name = stack.pop()
            if name not in found and name in self._index["versions"]:
                found[name] = self._index["versions"][name]
                stack.extend(self._index["requires"].get(name, ()))
        return tuple(sorted(found.items()))

    def misfit(self, python: str, packages: Iterable[tuple[str, str]]) -> str:
        """Why this is not the software that something was keyed with, in words; empty when it is."""
        if python != python_identity():
            return f"it was compiled with Python {python}, and this is {python_identity()}"
        for name, version in packages:
            if version == MISSING:
                if name in self._index["modules"]:
                    return f"it was compiled without a package for module {name!r}, and now there is one"
            elif (found := self._index["versions"].get(name)) != version:
                return f"it was compiled with {name} {version}, and {found or 'none'} is installed now"
        return ""

    @cached_property
    def _index(self) -> dict[str, Any]:
        key = digest([INDEX_VERSION, sys.version, _folder_states()])
        kept = self._cache.get(SPACE, [key]).get(key)
        if kept is not None:
            index: dict[str, Any] = json.loads(kept)
            return index
        index = self._build_index()
        self._cache.put(SPACE, {key: json.dumps(index)})
        return index


def _install_folders() -> list[str]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("purelib", "platlib", "stdlib", "platstdlib")}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    return sorted(folders)


def _folder_states() -> list[list[Any]]:
    """Folders on the import path as installing or removing a package changes them.

    Of a folder that is made for packages that is its modification time. Any other one, as a source folder or one that
    packages were put into by hand, changes for many reasons: there the descriptions of packages in it count.
    """
    states: list[list[Any]] = []
    for folder in dict.fromkeys([*sys.path, *_install_folders()]):
        try:
            if "-packages" in folder:
                states.append([folder, os.stat(folder).st_mtime_ns])
            elif found := _descriptions(folder):
                states.append([folder, found])
        except OSError:
            continue
    return states


def _descriptions(folder: str) -> list[list[Any]]:
    with os.scandir(folder or ".") as entries:
        found = [entry for entry in entries if entry.name.endswith(_DESCRIPTIONS)]
        return sorted([entry.name, entry.stat().st_mtime_ns] for entry in found)
