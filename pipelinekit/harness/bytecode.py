"""Where the bytecode of the author's modules is kept: outside of the snapshot, which stays as it was stored.

Installed packages have theirs already. To keep it in a folder of ours for all modules, as `sys.pycache_prefix` does,
would compile every package again in each new workspace.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import CodeType


class _Loader(SourceFileLoader):
    """Loads a module of the author's."""

    folder = ""

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, from the bytecode that is kept in `folder`, or compiled and kept there."""
        before, sys.pycache_prefix = sys.pycache_prefix, self.folder
        try:
            return super().get_code(fullname)
        finally:
            sys.pycache_prefix = before


def keep_bytecode(source: str, folder: str) -> None:
    """From now on keep the bytecode of modules below `source` in `folder`. Processes that steps start keep none."""
    _Loader.folder = folder

    def finder(path: str) -> FileFinder:
        if path != source and not path.startswith(source + os.sep):
            raise ImportError(f"{path} is not in the source folder", path=path)
        return FileFinder(
            path,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (_Loader, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.pop(source, None)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
