"""What a snapshot of a source folder would hold, and what not: by which rule of which ignore file, with sizes.

It walks as `snapshots.SourceTree` does, and tells what that one passes over in silence.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.snapshots import SnapshotLimits, is_safe_path, normal_path
from pipelinekit.errors import NotFoundError
from pipelinekit.workspace.exposures import exposures
from pipelinekit.workspace.ignores import IGNORE_FILES, LEFT_OUT, NEVER_TAKEN, CompilePatterns

BUILT_IN = "built in"
COUNTED_FILES = 200_000  # of a folder that is left out no more are counted


@frozen
class Rule:
    """One line of an ignore file, or one that is built in: what it says, and where it stands."""

    source: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.text}" if self.line else f"{self.source}: {self.text}"


@frozen
class Seen:
    """A file or folder that was looked at: taken where `why` is empty. Folders that are left out end with `/`."""

    path: str
    size: int
    why: str = ""
    rule: Rule | None = None
    secret: str = ""


@frozen
class Preview:
    """What a snapshot would hold. `problems` are what it would be refused for."""

    root: Path
    ignore_file: str
    taken: tuple[Seen, ...]
    left_out: tuple[Seen, ...]
    problems: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of what is taken."""
        return sum(item.size for item in self.taken)

    def document(self) -> dict[str, Any]:
        """The preview as JSON data."""
        return {
            "root": str(self.root),
            "ignore_file": self.ignore_file or None,
            "files": len(self.taken),
            "size": self.size,
            "included": [_document(item) for item in self.taken],
            "left_out": [_document(item) for item in self.left_out],
            "problems": list(self.problems),
        }


def preview(root: Path, compile_patterns: CompilePatterns, limits: SnapshotLimits | None = None) -> Preview:
    """Look at a source folder. Nothing is written. Raises NotFoundError."""
    if not root.is_dir():
        raise NotFoundError(f"there is no folder {str(root)!r}", hint="give the folder that holds the pipeline")
    source, rules = _rules(root, compile_patterns)
    problems: list[str] = []
    found = sorted(_walk(root, rules, problems), key=lambda item: item.path)
    taken = [item for item in found if not item.why]
    secrets = exposures(
        [item.path for item in taken],
        lambda path: _start_of(root / path),
        {item.path: item.size for item in taken}.__getitem__,
    )
    taken = [Seen(item.path, item.size, secret=secrets.get(item.path, "")) for item in taken]
    problems += _too_much(taken, limits or SnapshotLimits())
    return Preview(root, source, tuple(taken), tuple(item for item in found if item.why), tuple(problems))


_Lines = Sequence[tuple[Rule, bool, "re.Pattern[str]"]]


def _rules(root: Path, compile_patterns: CompilePatterns) -> tuple[str, _Lines]:
    """The ignore file, and every rule in order with what it matches; the last that matches decides."""
    texts = [(BUILT_IN, LEFT_OUT)]
    source = next((name for name in IGNORE_FILES if (root / name).is_file()), "")
    if source:
        texts.append((source, (root / source).read_text(encoding="utf-8", errors="replace")))
    texts.append((BUILT_IN, NEVER_TAKEN))
    found = []
    for name, text in texts:
        for number, line in enumerate(text.splitlines(), start=1):
            for ignores, expression in compile_patterns(line):
                rule = Rule(name, 0 if name == BUILT_IN else number, line.strip())
                found.append((rule, ignores, re.compile(expression)))
    return source, found


def _deciding(path: str, rules: _Lines) -> Rule | None:
    """The rule that leaves a path out; None where it is taken."""
    for rule, ignores, expression in reversed(rules):
        if expression.match(path):
            return rule if ignores else None
    return None


def _walk(root: Path, rules: _Lines, problems: list[str]) -> Iterator[Seen]:
    resolved = os.path.realpath(root)
    stack = [(str(root), "")]
    while stack:
        folder, prefix = stack.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            problems.append(f"{folder} cannot be read: {error.strerror}")
            continue
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            relative = normal_path(f"{prefix}{entry.name}") + ("/" if is_folder else "")
            if rule := _deciding(relative, rules):
                yield Seen(relative, _size(entry), "ignored", rule)
            elif is_folder and os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                yield Seen(relative, _size(entry), "a virtual environment")
            elif is_folder:
                stack.append((entry.path, relative))
            elif why := _why_not(entry, resolved, problems):
                yield Seen(relative, 0, why)
            else:
                yield _file(entry, relative, problems)


def _file(entry: os.DirEntry[str], relative: str, problems: list[str]) -> Seen:
    if not is_safe_path(relative):
        problems.append(f"a file may not be named {relative}")
    if not os.access(entry.path, os.R_OK):
        problems.append(f"{relative} cannot be read")
    return Seen(relative, entry.stat().st_size)


def _why_not(entry: os.DirEntry[str], root: str, problems: list[str]) -> str:
    """Why something that no rule leaves out is not taken; empty for an ordinary file, and for a link to one inside."""
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        if not os.path.exists(target):
            return "a link that leads nowhere"
        if os.path.commonpath([root, target]) != root:
            problems.append(f"{entry.path} is a link to {target}, outside the source folder")
            return "a link that leads out of the folder"
        if not os.path.isfile(target):
            return "a link to a folder"
    return "" if entry.is_file() else f"a {_kind(entry)}"


def _kind(entry: os.DirEntry[str]) -> str:
    mode = entry.stat(follow_symlinks=False).st_mode
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFBLK: "device", stat.S_IFCHR: "device"}
    return kinds.get(stat.S_IFMT(mode), "special file")


def _size(entry: os.DirEntry[str]) -> int:
    """Bytes of a file, or of all files of a folder."""
    if not entry.is_dir(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    size = count = 0
    for parent, _, names in os.walk(entry.path):
        for name in names:
            try:
                size += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue
        count += len(names)
        if count > COUNTED_FILES:
            break
    return size


def _start_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _too_much(taken: Sequence[Seen], limits: SnapshotLimits) -> list[str]:
    size = sum(item.size for item in taken)
    if len(taken) <= limits.files and size <= limits.size:
        return []
    return [f"it is larger than a snapshot may be ({limits})"]


def _document(item: Seen) -> dict[str, Any]:
    document: dict[str, Any] = {"path": item.path, "size": item.size}
    if item.why:
        document["why"] = item.why
    if item.rule:
        document["rule"] = {"file": item.rule.source, "line": item.rule.line or None, "pattern": item.rule.text}
    if item.secret:
        document["secret"] = item.secret
    return document
