"""Source code in memory: the twin of `workspace.sources.SourceCode`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping

from pipelinekit.domain.digests import digest, digest_bytes
from pipelinekit.engine.code.effects import SourceModule
from pipelinekit.engine.code.modules import summarise
from pipelinekit.engine.code.summaries import Summary


class MemoryCode:
    """Implements `engine.code.closure.CodeBase` on texts by file name; `installed` names third-party modules."""

    def __init__(self, files: Mapping[str, str], installed: Collection[str] = ()) -> None:
        self._files = files
        self._installed = installed
        self._found: dict[str, SourceModule | None] = {}

    def module(self, name: str) -> SourceModule | None:
        """The module of that name."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> SourceModule | None:
        base = name.replace(".", "/")
        for file, is_package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
            if file in self._files:
                data = self._files[file].encode()
                summary = summarise(data, name, is_package)
                return SourceModule(name, file, digest_bytes(data), summary, summary.bindings())
        if any(file.startswith(base + "/") for file in self._files):
            return SourceModule(name, base, "", Summary(name, True, ()), {})
        return None

    def origin(self, name: str) -> str:
        """Where a module that is not first-party comes from."""
        top = name.partition(".")[0]
        if top in self._installed:
            return "installed"
        return "standard" if top in sys.stdlib_module_names else "missing"

    def source_digest(self) -> str:
        """Digest of all files."""
        return digest(dict(self._files))
