"""Modules that are loaded when something of them is first used.

What costs more to import than a whole run in which nothing is new stands at the top of a module, like any import, where
readers, type checkers and the check of the floors see it; it is loaded where it is used:

    if TYPE_CHECKING:
        import inspect
    else:
        inspect = late("inspect")

It is the first of this package to be loaded, and remembers when that was, and what there was before: whoever asks
whether a module of an author's is still what its file says goes by it.
"""

from __future__ import annotations

import importlib
import sys
import time

from pipelinekit.typed import Any

LOADED_AT = time.time()
LOADED_BEFORE = frozenset(sys.modules)


class _Late:
    """Stands for a module that is not loaded yet."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def late(name: str) -> Any:
    """The module of this name, loaded when something of it is first used. Raises ImportError then, as any import."""
    return _Late(name)
