"""Modules of ours from one file: where nothing is new in a run, to find and read each costs more than to execute it.

The file lies beside the bytecode and is a copy of it, which `bundling` writes. A module is taken from it while its
source is the very file, of the size and times, that the copy was made of. What was loaded so has its file, its source
and its loader like any other module.
"""

from __future__ import annotations

import marshal
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader

from pipelinekit.typed import Any

OWN = "pipelinekit."
BEFORE = {f"{OWN}typed", f"{OWN}cli", __name__}
LENGTH = 8  # bytes of the number that the file begins with: how long the index is that follows; then come the codes

FOLDER = os.path.dirname(os.path.abspath(__file__))  # a copy of it has a copy of the file, which is of no use there

# by a module's name: its file in the folder, what this was, whether it is a package, and where bytecode and code lie
Index = dict[str, tuple[str, tuple[int, ...], bool, str, int, int]]

index: Index = {}
taken: set[str] = set()
_file = -1  # stays open: what has taken its place meanwhile is another
_begin = 0


class Loader(SourceFileLoader):
    """Loads a module from the bundle."""

    def get_code(self, fullname: str) -> Any:
        """Its code."""
        try:
            return marshal.loads(code_of(fullname))  # noqa: S302 - as trustworthy as the bytecode that it lies beside
        except (ValueError, EOFError, TypeError):  # damaged
            return super().get_code(fullname)


class Finder:
    """Finds modules in the bundle, as `sys.meta_path` asks."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        """Where a module is to be had; None where that is not the bundle."""
        kept = index.get(name)
        if kept is None:
            return None
        path, state, is_package, bytecode = kept[:4]
        if state_of(path) != state:
            return None
        file = os.path.join(FOLDER, path)
        taken.add(name)
        spec = ModuleSpec(name, Loader(name, file), origin=file, is_package=is_package)
        spec.has_location, spec.cached = True, bytecode
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(file)]
        return spec


def use() -> None:
    """From now on take modules of ours from the bundle, where there is one that this Python has written."""
    global _file, _begin  # noqa: PLW0603 - there is one bundle, as there is one `sys.modules`
    try:
        _file = os.open(place(), os.O_RDONLY)
        length = int.from_bytes(os.pread(_file, LENGTH, 0), "big")
        version, found = marshal.loads(os.pread(_file, length, LENGTH))  # noqa: S302 - see above
    except (OSError, ValueError, EOFError, TypeError, OverflowError, MemoryError):  # there is none, or it is damaged
        return
    if version == sys.version:
        index.update(found)
        _begin = LENGTH + length
        sys.meta_path.insert(0, Finder)


def lacks_any() -> bool:
    """Whether modules of ours are loaded that did not come from the bundle, and are to be in it."""
    return not sys.dont_write_bytecode and not own_loaded() <= taken


def own_loaded() -> set[str]:
    """The modules of ours that are loaded, but those without which there is no bundle."""
    return {name for name in sys.modules if name.startswith(OWN)} - BEFORE


def code_of(name: str) -> bytes:
    """The bytes of a module's code in the bundle."""
    *_, start, length = index[name]
    return os.pread(_file, length, _begin + start)


def state_of(path: str) -> tuple[int, ...]:
    """What changes when a file of the folder does; empty where there is none."""
    try:
        found = os.stat(os.path.join(FOLDER, path))
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def place() -> str:
    """The file of this Python's bundle: beside the bytecode of this module, wherever that is kept."""
    bytecode: str = __spec__.cached or ""
    return f"{bytecode.removesuffix('.pyc')}-{sys.hexversion:x}.modules"
