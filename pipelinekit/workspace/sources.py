"""Modules for the code closure: first-party ones from the source tree, others told apart by where they come from."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from pipelinekit.domain.digests import digest
from pipelinekit.engine.code.closure import OWN_PACKAGE
from pipelinekit.engine.code.effects import SourceModule
from pipelinekit.engine.code.summaries import SUMMARY_VERSION, Summary, from_document, to_document
from pipelinekit.errors import CompileError, Fault
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING
from pipelinekit.workspace.snapshots import SourceTree
from pipelinekit.workspace.software import InstalledSoftware

if TYPE_CHECKING:
    import importlib.util as finding

    from pipelinekit.ports import Cache
else:
    finding = late("importlib.util")

SPACE = f"summaries {SUMMARY_VERSION} python {sys.version_info.major}.{sys.version_info.minor}"
Summarise = Callable[[bytes, str, bool], Summary]
CATALOGUE = "pipelinekit_steps"  # our own catalogue of steps counts by content, as if it were the author's


class SourceCode:
    """Implements `engine.code.closure.CodeBase` on a source tree. `summarise` reads a module that is new."""

    def __init__(self, tree: SourceTree, cache: Cache, installed: InstalledSoftware, summarise: Summarise) -> None:
        self._tree = tree
        self._cache = cache
        self._installed = installed
        self._summarise = summarise
        self._modules: dict[str, SourceModule | None] = {}
        self._origins: dict[str, str] = {}
        self._folders = _folders(tree)

    def module(self, name: str) -> SourceModule | None:
        """The first-party module of that name."""
        if name not in self._modules:
            self._modules[name] = self._find(name)
        return self._modules[name]

    def origin(self, name: str) -> str:
        """Where a module that is not first-party comes from."""
        top = name.partition(".")[0]
        if top not in self._origins:
            self._origins[top] = self._origin(top)
        return self._origins[top]

    def source_digest(self) -> str:
        """Digest of all first-party Python files together."""
        files = {path: entry.digest for path, entry in self._tree.entries.items() if path.endswith(".py")}
        return digest(["source", files])

    def _origin(self, top: str) -> str:
        if top in sys.stdlib_module_names or top in sys.builtin_module_names:
            return "standard"
        return "installed" if self._installed.owns(top) else "missing"

    def _find(self, name: str) -> SourceModule | None:
        if name.partition(".")[0] == OWN_PACKAGE:
            return None
        found = self._in_tree(name)
        if found is not None:
            return found
        top = name.partition(".")[0]
        if top != name:
            return self._in_tree(name) if self.module(top) is not None else None
        if top != CATALOGUE and (self._origin(top) != "missing" or top in self._folders):
            return None
        location = _locate(top)
        if location is None:
            return None
        self._tree.add(top, location)
        self._folders = _folders(self._tree)
        return self._in_tree(name)

    def _in_tree(self, name: str) -> SourceModule | None:
        base = name.replace(".", "/")
        for path, is_package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
            if path in self._tree.entries:
                return self._parsed(name, path, is_package)
        for suffix in EXTENSION_SUFFIXES:
            entry = self._tree.entries.get(base + suffix)
            if entry is not None:
                return SourceModule(name, entry.path, entry.digest, None, {})
        if base in self._folders:
            empty = Summary(name, True, ())
            return SourceModule(name, base, "", empty, {})
        return None

    def _parsed(self, name: str, path: str, is_package: bool) -> SourceModule:
        entry = self._tree.entries[path]
        key = f"{entry.digest} {name} {int(is_package)}"
        kept = self._cache.get(SPACE, [key]).get(key)
        summary = from_document(json.loads(kept)) if kept else None
        if summary is None:
            try:
                summary = self._summarise(self._tree.read(path), name, is_package)
            except SyntaxError as error:
                fault = Fault(f"the module cannot be parsed: {error.msg}", path, error.lineno or 0)
                raise CompileError(f"module {name!r} cannot be parsed", faults=[fault]) from None
            self._cache.put(SPACE, {key: json.dumps(to_document(summary))})
        return SourceModule(name, path, entry.digest, summary, summary.bindings())


def _folders(tree: SourceTree) -> set[str]:
    """Folders that hold Python files somewhere below: packages, with or without an `__init__`."""
    found: set[str] = set()
    for path in tree.entries:
        if path.endswith(".py"):
            parent = path.rpartition("/")[0]
            while parent and parent not in found:
                found.add(parent)
                parent = parent.rpartition("/")[0]
    return found


def _locate(top: str) -> Path | None:
    """Where a top-level module lies that is neither in the source folder nor installed by version."""
    try:
        spec = finding.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        location = Path(next(iter(spec.submodule_search_locations)))
    elif spec.origin and Path(spec.origin).is_file():
        location = Path(spec.origin)
    else:
        return None
    return location
