"""Whether an author's modules, as they live in this process, are what the snapshot says that a step is keyed by.

What the command line loads is known by its digest. Of what others import, Python keeps no trace: such a module is
believed where its file has the snapshot's content, and has not changed since before it was imported. Who edits a file
while its module is loaded, or imports one that is younger than the process, is not believed: nobody can say what ran.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import ModuleType

from pipelinekit.domain.attempts import Task
from pipelinekit.domain.digests import digest_stream
from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.harness.bytecode import was_made_of
from pipelinekit.harness.observation import EVERYTHING
from pipelinekit.late import LOADED_AT, LOADED_BEFORE
from pipelinekit.ports import Blobs

CLOCKS_DIFFER = 0.01  # seconds by which file times may lie before those of the clock: they are set once a tick


class LiveModules:
    """The modules of this process, beside what snapshots have. Those below `sources` were imported from snapshots."""

    def __init__(self, blobs: Blobs, sources: Path) -> None:
        self._blobs = blobs
        self._sources = f"{sources}{os.sep}"
        self._trees: dict[str, dict[str, str]] = {}
        self._told: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._loaded = 0

    def has(self, entry: str) -> bool:
        """Whether the function behind `module:name` lives here other than from a snapshot."""
        module = _module(entry.partition(":")[0])
        return module is not None and not (getattr(module, "__file__", None) or "").startswith(self._sources)

    def outdated(self, task: Task) -> tuple[str, ...]:
        """Files that the task's key takes care of, and whose modules here may be others."""
        if self._loaded != len(sys.modules):  # a step has imported more
            self._loaded = len(sys.modules)
            self._told.clear()
        key = task.snapshot, task.known
        if key not in self._told:
            self._told[key] = tuple(self._outdated(task)) if task.known and task.snapshot else ()
        return self._told[key]

    def _outdated(self, task: Task) -> list[str]:
        digests = self._digests(task.snapshot)
        known = [path for path in digests if path.endswith(".py")] if EVERYTHING in task.known else task.known
        found = []
        for path in known:
            module = _module(_name(path)) if path.endswith(".py") else None
            file = getattr(module, "__file__", None)
            if module is None or file is None or file.startswith(self._sources):
                continue
            digest = _digest(file)
            if digest != digests.get(path) or not _is_made_of(module, file, digest):
                found.append(path)
        return found

    def _digests(self, snapshot: str) -> dict[str, str]:
        if snapshot not in self._trees:
            tree = parse_manifest(self._blobs.read(snapshot))
            self._trees[snapshot] = {entry.path: entry.digest for entry in tree.entries}
        return self._trees[snapshot]


def _name(path: str) -> str:
    """The name under which a file of the source is imported."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _module(name: str) -> ModuleType | None:
    """The loaded module of this name, which may run as `__main__`."""
    if name in sys.modules:
        return sys.modules[name]
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    return main if file and Path(file).stem == name.rpartition(".")[2] else None


def _is_made_of(module: ModuleType, file: str, digest: str) -> bool:
    """Whether a module is made of what its file has now: as is known of it, or as nothing has changed since."""
    try:
        known = was_made_of(module, digest)
        state = os.stat(file)
    except OSError:
        return False
    if known is not None:
        return known
    changed = max(state.st_mtime, state.st_ctime)
    since = _process_began() if module.__name__ in LOADED_BEFORE else LOADED_AT
    return changed < since - CLOCKS_DIFFER and not _has_odd_bytecode(module, file, changed)


def _process_began() -> float:
    """When this process began, in seconds since 1970; 0 where the system does not tell."""
    try:
        ticks = int(Path("/proc/self/stat").read_text("latin-1").rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _has_odd_bytecode(module: ModuleType, file: str, changed: float) -> bool:
    """Whether the module may have come from bytecode of an earlier content.

    Python tells bytecode that is out of date by size and whole second of the source. So what was written within the
    second of the last change is held against the source.
    """
    bytecode = getattr(module, "__cached__", None)
    try:
        if not bytecode or os.stat(bytecode).st_mtime >= int(changed) + 1:
            return False
        kept = SourcelessFileLoader(module.__name__, bytecode).get_code(module.__name__)
    except FileNotFoundError:
        return False
    except (OSError, ImportError, ValueError, EOFError, TypeError):
        return True
    return bool(kept != SourceFileLoader(module.__name__, file).source_to_code(Path(file).read_bytes(), file))


def _digest(file: str) -> str:
    try:
        with open(file, "rb") as stream:
            return digest_stream(stream)[0]
    except OSError:
        return ""
