"""Which bytecode of the author's modules is taken, and where a step's process keeps it."""

from __future__ import annotations

import _imp
import os
import sys
from importlib._bootstrap_external import MAGIC_NUMBER  # importlib.util, which has it, too, costs a warm run more
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
    """Loads a module of the author's where it lies, and may be changed at any time; remembers what it is made of."""

    content = ""  # digest of the source
    _read = ""  # digest of the source as it was read last

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code; remembers the source that it is made of."""
        code = super().get_code(fullname)
        self.content = self._read
        return code

    def get_data(self, path: str) -> bytes:
        """The content of a file. For bytecode that is not checked by the source's hash, one that is, of no source.

        So Python makes the bytecode again, and keeps it with the hash. Raises OSError where it is told not to check.
        """
        if path.endswith(BYTECODE_SUFFIXES[0]):
            return _checked_bytecode(path)
        data = super().get_data(path)
        if path == self.path:
            self._read = digest_bytes(data)
        return data


def _checked_bytecode(path: str) -> bytes:
    if _imp.check_hash_based_pycs == "never":
        raise OSError(f"{path} is not to be checked")
    try:
        with open(path, "rb", buffering=0) as file:
            found = file.read()
    except FileNotFoundError:
        found = b""
    return found if found.startswith(_CHECKED) else _CHECKED.ljust(16, b"\0")


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

     Without that Python takes bytecode for that of any source of the same size that was changed in the same second; it
    is kept with a hash of the source instead (PEP 552).
    """
    if source not in _sceptical:
        _sceptical.add(source)
        _load_below(source, _Sceptic)


def was_made_of(module: ModuleType, digest: str) -> bool | None:
    """Whether a loaded module is made of the source that has this digest now; None where that is not known."""
    loader = module.__spec__.loader if module.__spec__ else None
    return loader.content == digest if isinstance(loader, _Sceptic) else None


_sceptical: set[str] = set()
_CHECKED = MAGIC_NUMBER + (0b11).to_bytes(4, "little")  # how bytecode begins that is checked by a hash (PEP 552)


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
