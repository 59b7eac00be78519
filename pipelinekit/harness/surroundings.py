"""What the steps of one process share and no key knows of: a step that changes it leaves a process that is not reused.

Seen are: environment variables, search path, standard output and error, threads left running, many files left open,
umask, a few settings of libraries, and the state of the author's own modules: their globals, with the lists, dicts,
sets, classes, instances and defaults of functions in them. Not seen is what lies deeper than `DEPTH`, in containers of
more than `LARGE` elements, or inside objects of libraries, such as an array that is changed in place.
"""

from __future__ import annotations

import _locale
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from operator import is_
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from pipelinekit.harness.execute import OF_ATTEMPTS

DEPTH = 4
MOST_HANDLES = 64  # that all steps of a process may leave open: libraries keep a few for themselves
_UNSEEN = tuple(os.fsencode(name) for name in OF_ATTEMPTS)
LARGE = 1_000
MOST = 20_000  # objects looked at in one module
_CHOSEN_WHEN_USED = ("backend", "interactive")  # settings of matplotlib that drawing itself decides
_DECIMAL_CONTEXT = (28, "ROUND_HALF_EVEN")
_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_ATOMS = frozenset({int, float, complex, bool, str, bytes, type(None)})
_FLEETING = frozenset({"__warningregistry__", "__annotations__", "__builtins__", "__spec__", "__loader__"})


class Surroundings:
    """The state of this process as steps may find it. `source` is the folder that the author's modules come from."""

    def __init__(self, source: Path) -> None:
        self._source = str(source) + os.sep
        self._loaded = 0  # modules in the process when the author's were looked for
        self._own: dict[str, ModuleType] = {}
        self._probes = _Probes()
        self._process = _process_state()
        self._plots = _plot_settings()
        self._modules = self._module_states()
        self._handles = _open_handles()

    def changed(self) -> bool:
        """Whether anything is not as it was the last time; modules imported since then are new, not changed."""
        process, plots, modules = self._process, self._plots, self._modules
        self._process, self._plots = _process_state(), _plot_settings()
        if len(sys.modules) != self._loaded or not self._untouched():
            self._modules = self._module_states()
        if _open_handles() > self._handles + MOST_HANDLES:
            return True
        if self._process != process or (plots is not None and self._plots != plots):
            return True
        try:
            return self._modules is not modules and any(
                _differs(state, self._modules.get(name)) for name, state in modules.items()
            )
        except Exception:  # objects of the author's are compared, and may raise anything
            return True

    def _untouched(self) -> bool:
        try:
            return self._probes.untouched()
        except Exception:  # objects of the author's may raise anything
            return False

    def _module_states(self) -> dict[str, Any]:
        if len(sys.modules) != self._loaded:
            self._loaded = len(sys.modules)
            self._own = {name: module for name, module in list(sys.modules.items()) if _is_from(module, self._source)}
        self._probes = _Probes()
        readers = {name: _Reader(self._source, self._probes) for name in self._own}
        return {name: readers[name].shape(vars(module), DEPTH) for name, module in self._own.items()}


def variables() -> Mapping[Any, Any]:
    """The environment variables of this process as they are kept, undecoded, without those that belong to attempts."""
    kept = getattr(os.environ, "_data", None)
    found = dict(kept) if isinstance(kept, dict) else {os.fsencode(name): value for name, value in os.environ.items()}
    for name in _UNSEEN:
        found.pop(name, None)
    return found


def _open_handles() -> int:
    """How many files this process has open; 0 where that cannot be seen, very many where none can be opened."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except FileNotFoundError:
        return 0
    except OSError:
        return sys.maxsize


def _process_state() -> tuple[Any, ...]:
    streams = [(id(stream), stream.closed) for stream in (sys.stdout, sys.stderr)]
    threads = {thread.ident for thread in threading.enumerate() if not thread.daemon}
    return variables(), list(sys.path), streams, _file_behind(1), _file_behind(2), threads, _umask(), _settings()


def _file_behind(descriptor: int) -> tuple[int, int] | None:
    try:
        state = os.fstat(descriptor)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _settings() -> dict[str, Any]:
    """Settings that change what libraries compute; of libraries that are not loaded, what they start with."""
    decimal, numpy = sys.modules.get("decimal"), sys.modules.get("numpy")
    context = decimal.getcontext() if decimal else None
    return {
        "decimal": (context.prec, context.rounding) if context else _DECIMAL_CONTEXT,
        "locale": _locale.setlocale(_locale.LC_ALL),
        "numpy": numpy.geterr() if numpy else _NUMPY_ERRORS,
    }


def _plot_settings() -> dict[str, Any] | None:
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is None:
        return None
    parameters = dict.items(matplotlib.rcParams)  # as a plain dict: looking one up may choose a backend
    return {name: value for name, value in parameters if name not in _CHOSEN_WHEN_USED}


# -- state of the author's modules -------------------------------------------------------------------------------------


class _Probes:
    """What was looked into, with what was inside: by this it can be told soon whether anything was touched."""

    def __init__(self) -> None:
        self.functions: list[tuple[FunctionType, Any, Any]] = []  # those without attributes and closure, with defaults
        self.others: list[tuple[Callable[[Any], Any], Any, Any]] = []  # how to look into an object, it, what was inside

    def untouched(self) -> bool:
        """Whether every object still holds the very same objects."""
        for function, defaults, named in self.functions:
            if function.__dict__ or function.__defaults__ is not defaults or function.__kwdefaults__ is not named:
                return False
        return all(map(_is_untouched, self.others))


class _Same:
    """An object that is told by being itself; it is kept, so that its place in memory is given to no other."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Reader:
    """Reads what can change in a module without its names being bound anew, as nested tuples, dicts and `_Same`.

    For everything that is looked into a probe is left, by which it can be told soon that it was not touched.
    """

    def __init__(self, source: str, probes: _Probes) -> None:
        self._source = source
        self._probes = probes
        self._left = MOST

    def shape(self, value: Any, depth: int) -> Any:
        """The shape of one object: itself, and so many levels of what is inside."""
        if type(value) in _ATOMS:
            return value
        self._left -= 1
        inside = self._inside(value) if depth > 0 and self._left > 0 else None
        if inside is None:
            return _Same(value)
        if isinstance(inside, dict):
            return _Same(value), {
                key: self.shape(item, depth - 1) for key, item in inside.items() if not _is_fleeting(key, item)
            }
        if isinstance(inside, tuple):
            items = tuple(self.shape(item, depth - 1) for item in inside)
            return items if isinstance(value, tuple) else (_Same(value), items)
        return _Same(value), inside

    def _inside(self, value: Any) -> Any:
        """What is inside an object: a dict or tuple of objects, anything else to be compared as it is, or None."""
        if isinstance(value, dict | list | tuple | deque | set):
            if len(value) > LARGE:
                return self._probed(len, value)
            return self._probed(
                dict if isinstance(value, dict) else frozenset if isinstance(value, set) else tuple, value
            )
        if isinstance(value, bytearray):
            return self._probed(bytes, value)
        function = (
            getattr(value, "step_function", value) if type(value).__module__.startswith("pipelinekit.") else value
        )
        if isinstance(function, FunctionType):
            parts = _function_parts(function)
            if parts[0] is None and len(parts) == 3:
                self._probes.functions.append((function, *parts[1:]))
            else:
                self._probed(_function_parts, function)
            if parts[0] or parts[2] or len(parts) > 3:
                return parts
            return None if all(type(item) in _ATOMS for item in parts[1] or ()) else parts[1]
        kind = value if isinstance(value, type) else type(value)
        if _is_from(sys.modules.get(kind.__module__), self._source):
            return self._probed(_members, value)
        return None

    def _probed(self, look: Callable[[Any], Any], value: Any) -> Any:
        """What is inside an object now; to be compared with what is inside it later."""
        inside = look(value)
        self._probes.others.append((look, value, inside))
        return inside


def _is_untouched(probe: tuple[Callable[[Any], Any], Any, Any]) -> bool:
    look, value, before = probe
    now = look(value)
    if isinstance(now, dict):
        return len(now) == len(before) and all(map(is_, now.values(), before.values())) and list(now) == list(before)
    if isinstance(now, tuple):
        return len(now) == len(before) and all(map(is_, now, before))
    return bool(now == before)


def _members(value: Any) -> dict[str, Any]:
    return dict(getattr(value, "__dict__", ()))


def _function_parts(function: FunctionType) -> tuple[Any, ...]:
    """What a function carries that can change: its attributes, defaults and the contents of its closure."""
    cells = tuple(map(_content, function.__closure__ or ()))
    return function.__dict__ or None, function.__defaults__, function.__kwdefaults__, *cells


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _is_from(module: ModuleType | None, source: str) -> bool:
    return (getattr(module, "__file__", None) or "").startswith(source)


def _is_fleeting(name: Any, value: Any) -> bool:
    """Entries that Python makes by itself: submodules, and notes of warnings that were shown."""
    return isinstance(value, ModuleType) or (isinstance(name, str) and name in _FLEETING)


def _differs(before: Any, now: Any) -> bool:
    if before is now:
        return False
    if isinstance(before, _Same):
        return not isinstance(now, _Same) or before.value is not now.value
    if type(before) is not type(now):
        return True
    if isinstance(before, dict):
        return before.keys() != now.keys() or any(_differs(item, now[key]) for key, item in before.items())
    if isinstance(before, tuple):
        return len(before) != len(now) or any(map(_differs, before, now))
    return bool(before != now)
