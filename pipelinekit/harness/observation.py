"""What a step opens beyond what its key names: files of its source that its code does not reach, files elsewhere.

An audit hook notes every file that Python opens for reading while an attempt runs. Not noted are inputs and scratch
files, what the step itself wrote, installed software, the system's own folders, and hidden folders in the user's home.
Libraries that open files without Python (Arrow's own readers, other processes) are not seen.
"""

from __future__ import annotations

import os
import site
import stat
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.attempts import ABSENT
from pipelinekit.domain.digests import digest_stream
from pipelinekit.domain.snapshots import normal_path
from pipelinekit.late import late

if TYPE_CHECKING:
    import importlib.util as finding
else:
    finding = late("importlib.util")

FORKS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec"})
EVERYTHING = "*"
CHANGED = "changed while the step ran"  # equals no content, so that the result is never reused
MOST = 1_000  # files that are told one by one
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/run/")

_State = tuple[int, int, int]


class Observation:
    """What one attempt opens.

    `source` is the folder that its code is imported from; what lies in `ignored` folders is not noted. An attempt
    begins with the files of the source that its key takes care of, `*` for all.
    """

    def __init__(self, source: Path | None, ignored: Iterable[Path]) -> None:
        self._source = f"{source}{os.sep}" if source else ""
        self._ignored = _unnoted(tuple(ignored))
        self._known: frozenset[str] = frozenset()
        self._read: dict[str, _State | None] = {}
        self._written: set[str] = set()
        self.hosts: dict[str, None] = {}
        self.forked = False  # whether other processes were started, which may outlive the attempt

    def begin(self, known: Iterable[str]) -> None:
        """Forget what was noted: another attempt begins."""
        self._known = frozenset(known)
        self._read.clear()
        self._written.clear()
        self.hosts.clear()
        self.forked = False

    def opened(self, path: Any, mode: Any, flags: Any) -> None:
        """Note that a file is about to be opened."""
        if isinstance(path, int):
            return
        text = os.path.abspath(os.fsdecode(path))
        if not _only_reads(mode, flags):
            self._written.add(text)
            return
        if text.endswith(".pyc"):
            try:
                text = finding.source_from_cache(text)
            except ValueError:
                return
        if text not in self._read and text not in self._written and self._counts(text):
            self._read[text] = _state(text)

    def connected(self, address: Any) -> None:
        """Note that the step talks to another machine or service."""
        if isinstance(address, tuple) and len(address) >= 2:
            self.hosts[f"{address[0]}:{address[1]}"] = None

    def _counts(self, text: str) -> bool:
        if self._source and text.startswith(self._source):
            return EVERYTHING not in self._known and self._relative(text) not in self._known
        return not text.startswith(self._ignored) and not text.endswith(".py")

    def _relative(self, text: str) -> str:
        return normal_path(text[len(self._source) :].replace(os.sep, "/"))

    def digests(self) -> Mapping[str, str]:
        """What was read, as `file:PATH` with the digest of its content; paths in the source are relative to it."""
        if not self._read:
            return {}
        found = {}
        for text in sorted(self._read)[:MOST]:
            inside = self._source and text.startswith(self._source)
            found[f"file:{self._relative(text) if inside else text}"] = _digest(text, self._read[text])
        if len(self._read) > MOST:
            found[f"file:more than {MOST} files"] = CHANGED
        return {symbol: digest for symbol, digest in found.items() if digest}


_current: Observation | None = None
_hooked = False


def begin_observation(observation: Observation, known: Iterable[str]) -> Observation | None:
    """Note what is opened from now on; what was noting before. The hook stays in the process."""
    global _current, _hooked  # noqa: PLW0603 - audit hooks cannot be removed
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    observation.begin(known)
    before, _current = _current, observation
    return before


def end_observation(before: Observation | None) -> None:
    """Let whatever was noting before go on: nothing, where no step runs pipelines of its own."""
    global _current  # noqa: PLW0603 - see `begin_observation`
    _current = before


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _current is None:
        return
    try:
        if event == "open":
            _current.opened(*arguments)
        elif event == "socket.connect":
            _current.connected(arguments[1])
        elif event in FORKS:
            _current.forked = True
    except Exception:  # noqa: S110 - an odd argument is the step's own matter, and must not be ours
        pass


def _only_reads(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return not set(mode) & set("wax+")
    return isinstance(flags, int) and flags & os.O_ACCMODE == os.O_RDONLY


@cache
def _unnoted(ignored: tuple[Path, ...]) -> tuple[str, ...]:
    """What the paths begin with that are not noted: installed software is told by version."""
    places = {*site.getsitepackages(), site.getusersitepackages()}
    own = str(Path(__file__).parent.parent)
    folders = {*places, sys.prefix, sys.base_prefix, own, *map(str, ignored)}
    hidden = os.path.join(os.path.expanduser("~"), ".")
    return (*SYSTEM, hidden, *(f"{folder}{os.sep}" for folder in folders if folder != os.sep))


def _state(text: str) -> _State | None:
    try:
        state = os.stat(text)
    except OSError:
        return None
    return (state.st_size, state.st_mtime_ns, state.st_ino) if stat.S_ISREG(state.st_mode) else (-1, 0, 0)


def _digest(text: str, state: _State | None) -> str:
    """The digest of a file that was in this state when it was opened; empty for what is no file."""
    if state is None:
        return ABSENT
    if state[0] < 0:
        return ""
    try:
        with open(text, "rb") as stream:
            digest, _ = digest_stream(stream)
    except OSError:
        return CHANGED
    return digest if _state(text) == state else CHANGED
