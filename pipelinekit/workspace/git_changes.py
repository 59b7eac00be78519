"""How a source folder differs from its commit: asked of the program git, and only when a run executes something.

Of what the ignore rules leave out, and of what looks like a secret, nothing is kept.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.snapshots import normal_path, parse_manifest
from pipelinekit.workspace.exposures import exposures

LONGEST_DIFF = 200_000  # characters that are kept
MOST_NAMES = 1000
SECONDS = 20.0  # after so long git is not waited for any more
# nothing that a repository's own settings name is executed, and no file of it is written
_GIT = (
    "git",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.quotePath=false",
    "-c",
    "diff.external=",
)
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--relative")


def git_changes(
    root: Path, taken: Collection[str], left_out: Collection[str] = (), *, has_commit: bool = True
) -> dict[str, Any] | None:
    """Which files of a snapshot differ from the commit, and how; None where git cannot tell.

    `taken` are the files of the snapshot. `left_out` are those of them whose content must not be shown. Before
    the first commit everything is new.
    """
    tracked = _git(root, "ls-files", "-z")
    if tracked is None:
        return None
    known = set(_names(tracked)) if has_commit else set()
    untracked = sorted(path for path in taken if path not in known and (root / path).is_file())
    changed = _git(root, "diff", "--name-status", "-z", *_PLAIN, "HEAD", "--", ".") if has_commit else ""
    if changed is None:
        return None
    states = _names(changed, normal=False)
    pairs = list(zip(states[::2], states[1::2], strict=False))
    visible = set(taken)
    modified = [path for _, path in pairs if normal_path(path) in visible]
    deleted = [path for state, path in pairs if state == "D" and not (root / path).exists()]
    secret = set(left_out)
    shown = [path for path in modified if normal_path(path) not in secret]
    diff = _git(root, "diff", *_PLAIN, "HEAD", "--", *shown, literal=True) if shown else ""
    return {
        "dirty": bool(modified or deleted or untracked),
        "modified": modified[:MOST_NAMES],
        "deleted": deleted[:MOST_NAMES],
        "untracked": untracked[:MOST_NAMES],
        "diff": (diff or "")[:LONGEST_DIFF],
        "truncated": len(diff or "") > LONGEST_DIFF,
    }


def changes_of_snapshot(root: Path, manifest: bytes, *, has_commit: bool) -> dict[str, Any] | None:
    """How the files of a snapshot differ from the commit; None where git cannot tell, or they changed meanwhile."""
    digests = {entry.path: entry.digest for entry in parse_manifest(manifest).entries}

    def read(path: str) -> bytes:
        try:
            return (root / path).read_bytes()
        except OSError:
            return b""

    secret = list(exposures(digests, read, lambda _: 0))
    found = git_changes(root, digests, secret, has_commit=has_commit)
    if found is None:
        return None
    for path in (*found["modified"], *found["untracked"]):
        if digest_bytes(read(path)) != digests[normal_path(path)]:
            return None
    return found


def _names(text: str, *, normal: bool = True) -> Sequence[str]:
    return [normal_path(name) if normal else name for name in text.split("\0") if name]


def _git(root: Path, *words: str, literal: bool = False) -> str | None:
    """What git writes; None where it fails, is not there, or takes too long."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    variables.update(GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", LC_ALL="C")
    if literal:
        variables["GIT_LITERAL_PATHSPECS"] = "1"
    try:
        ended = subprocess.run(
            [*_GIT, *words],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=variables,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.decode("utf-8", "replace") if ended.returncode == 0 else None
