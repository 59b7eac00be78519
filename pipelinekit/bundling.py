"""Writing the bundle that modules of ours are loaded from; see `bundled`."""

from __future__ import annotations

import marshal
import os
import sys
from contextlib import suppress
from importlib.machinery import SourceFileLoader

from pipelinekit import bundled

_About = tuple[str, tuple[int, ...], bool, str]  # an entry of the index, but where its code is


def keep() -> None:
    """Add the modules of ours that are loaded to the bundle."""
    loaded = bundled.own_loaded() - {__name__}
    index: bundled.Index = {}
    codes = bytearray()
    for name in sorted(loaded | bundled.index.keys()):
        is_there = name in bundled.taken or name not in loaded
        made = _from_bundle(name) if is_there else _from_bytecode(name)
        if made is not None:
            about, code = made
            index[name] = (*about, len(codes), len(code))
            codes += code
    head = marshal.dumps((sys.version, index))
    _write(len(head).to_bytes(bundled.LENGTH, "big") + head + codes)


def _from_bundle(name: str) -> tuple[_About, bytes] | None:
    """A module as the bundle has it; None where its file is another by now."""
    path, state, is_package, bytecode, *_ = bundled.index[name]
    if bundled.state_of(path) != state:
        return None
    return (path, state, is_package, bytecode), bundled.code_of(name)


def _from_bytecode(name: str) -> tuple[_About, bytes] | None:
    """A loaded module by its bytecode; None for one that has none, or whose file changes just now."""
    spec = sys.modules[name].__spec__
    if spec is None or spec.origin is None or not spec.cached or type(spec.loader) is not SourceFileLoader:
        return None
    path = os.path.relpath(spec.origin, bundled.FOLDER)
    state = bundled.state_of(path)
    code = marshal.dumps(spec.loader.get_code(name))
    if bundled.state_of(path) != state:
        return None
    return (path, state, spec.submodule_search_locations is not None, spec.cached), code


def _write(data: bytes) -> None:
    """Put the file where it belongs, whole; where that cannot be, all is as if there were none."""
    staged = f"{bundled.place()}.{os.getpid()}"
    try:
        with open(staged, "wb") as stream:
            stream.write(data)
        os.replace(staged, bundled.place())
    except OSError:
        with suppress(OSError):
            os.unlink(staged)
