"""Which bytecode of the author's modules is taken, and where a step's process keeps it."""

from __future__ import annotations

import os
import sys
import time
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import CodeType, ModuleType

from pipelinekit.domain.digests import digest_bytes


class _Keeper(SourceFileLoader):
    """Loads a module of the author's in a step's process."""

    folder = ""

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, from the bytecode that is kept in `folder`, or compiled and kept there."""
        before, sys.pycache_prefix = sys.pycache_prefix, self.folder
        try:
            return super().get_code(fullname)
        finally:
            sys.pycache_prefix = before


class _Sceptic(SourceFileLoader):
    """Loads a module of the author's where it lies, and may be changed at any time; remembers what it took it from."""

    content = ""  # digest of the source that was compiled
    _taken = (0, 0)  # size and time of last change of a source whose bytecode was taken
    _settled = 0

    def path_stats(self, path: str) -> dict[str, float]:
        """Size and time of the source. Raises OSError within the second of its change: no bytecode is taken or made."""
        state = os.stat(path)
        self._settled = int(max(state.st_mtime, state.st_ctime)) + 1
        self._taken = state.st_size, state.st_ctime_ns
        if time.time() < self._settled:
            raise OSError(f"{path} may be changed again within the second")
        return {"mtime": state.st_mtime, "size": state.st_size}

    def get_data(self, path: str) -> bytes:
        """The content of a file. Raises OSError for bytecode that was made within the second of the source's change."""
        if path.endswith(BYTECODE_SUFFIXES[0]) and os.stat(path).st_mtime < self._settled:
            raise OSError(f"{path} may have been made of an earlier content")
        data = super().get_data(path)
        if path == self.path:
            self.content = digest_bytes(data)
        return data

    def took(self, digest: str) -> bool:
        """Whether the module is made of a source that has this digest now."""
        if self.content:
            return self.content == digest
        state = os.stat(self.path)
        return self._taken == (state.st_size, state.st_ctime_ns)


def keep_bytecode(source: str, folder: str) -> None:
    """From now on keep the bytecode of modules below `source` in `folder`. Processes that steps start keep none.

    So the snapshot stays as it was stored. Installed packages have their bytecode already: to keep that of all modules
    in a folder of ours, as `sys.pycache_prefix` does, would compile every package again in each new workspace.
    """
    _Keeper.folder = folder
    _load_below(source, _Keeper)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def distrust_young_bytecode(source: str) -> None:
    """From now on load no module below `source` as it was before its last change.

    Python takes bytecode for that of any source of the same size that was changed in the same second (PEP 552).
    """
    if source not in _sceptical:
        _sceptical.add(source)
        _load_below(source, _Sceptic)


def was_made_of(module: ModuleType, digest: str) -> bool | None:
    """Whether a loaded module is made of the source that has this digest now; None where that is not known."""
    loader = module.__spec__.loader if module.__spec__ else None
    return loader.took(digest) if isinstance(loader, _Sceptic) else None


_sceptical: set[str] = set()


def _load_below(source: str, loader: type[SourceFileLoader]) -> None:
    """Load modules below a folder so; but none of the interpreter's, which may lie there."""

    def finder(path: str) -> FileFinder:
        if (path != source and not path.startswith(source + os.sep)) or path.startswith(sys.prefix + os.sep):
            raise ImportError(f"{path} is not in the source folder", path=path)
        return FileFinder(
            path,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (loader, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.pop(source, None)
