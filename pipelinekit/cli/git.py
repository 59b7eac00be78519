"""What is shown of a run's source folder in git."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.runs import RunRecord
from pipelinekit.domain.texts import counted
from pipelinekit.errors import NotFoundError


def git_lines(record: RunRecord, changes: Mapping[str, Any] | None) -> list[str]:
    """Commit, branch and repository of a run in a few words, and whether the source folder was as committed."""
    facts = record.details.get("git")
    if not facts:
        return []
    lines = []
    if {"commit", "branch", "repository"} & {*facts}:
        commit = facts["commit"][:12] if "commit" in facts else "no commit yet"
        branch = f" on {facts['branch']}" if "branch" in facts else ""
        repository = f"  ({facts['repository']})" if "repository" in facts else ""
        lines = [f"{commit}{branch}{repository}"]
    if {"build", "build_url"} & {*facts}:
        lines.append(" ".join(["build", *(facts[name] for name in ("build", "build_url") if name in facts)]))
    if changes is None:
        return lines
    parts = [
        f"{counted(len(changes[kind]), 'file')} {word}"
        for kind, word in (("modified", "changed"), ("deleted", "deleted"), ("untracked", "not committed"))
        if changes[kind]
    ]
    if not parts:
        return [*lines, "the source folder was as committed"]
    return [*lines, f"{', '.join(parts)}{'; --diff shows them' if changes['diff'] else ''}"]


def diff_text(record: RunRecord, changes: Mapping[str, Any] | None) -> str:
    """The kept difference. Raises NotFoundError where there is none."""
    if changes is None:
        raise NotFoundError(
            f"of run {record.id} no difference to a commit was kept",
            hint="it is kept of runs that executed something, in a source folder that git knows",
        )
    rest = "... the rest was not kept\n" if changes["truncated"] else ""
    return str(changes["diff"]) + rest
