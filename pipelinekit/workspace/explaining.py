"""Explanations of past runs: for each step that executed, the nearest earlier execution and what differs from it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.runs import Reason, RunRecord, StepRecord, StepStatus
from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.engine.code.closure import TEXT
from pipelinekit.engine.code.lines import changed_line, changed_text
from pipelinekit.engine.explain import Identity, difference, text_words
from pipelinekit.errors import IntegrityError
from pipelinekit.ports import Blobs, Documents, ReuseRecords
from pipelinekit.wire.values import loads


@frozen
class Explanation:
    """Why one step ran or was reused.

    `compared` is the step run before it; `diffs` are texts by symbol of changed code.
    """

    step: StepRecord
    reasons: tuple[Reason, ...]
    compared: StepRecord | None = None
    diffs: Mapping[str, str] | None = None


class Explainer:
    """Explains the steps of recorded runs."""

    def __init__(self, reuse: ReuseRecords, documents: Documents, blobs: Blobs) -> None:
        self._reuse = reuse
        self._documents = documents
        self._blobs = blobs
        self._trees: dict[str, dict[str, str]] = {}

    def explain(self, run: RunRecord, steps: Sequence[StepRecord]) -> list[Explanation]:
        """An explanation for each of these steps of a run."""
        return [self._explain(run, step) for step in steps]

    def _explain(self, run: RunRecord, step: StepRecord) -> Explanation:
        if step.status is StepStatus.REUSED:
            name = "" if step.original_step == step.name else f"step {step.original_step!r} of "
            words = f"code, software and inputs equal those of {name}run {step.original_run}"
            return Explanation(step, (Reason("reused", words, name=step.original_run),))
        if not step.key or not step.reasons or step.reasons[0].cause in ("regenerate", "reuse off", "missing output"):
            return Explanation(step, step.reasons)
        earlier = self._reuse.previous(run.pipeline, [step.name], before=run.id).get(step.name)
        bodies = self._documents.get([step.key, earlier.key] if earlier else [step.key])
        if earlier is None or step.key not in bodies or earlier.key not in bodies:
            return Explanation(step, step.reasons)
        old, old_body = self._identity(bodies[earlier.key])
        new, new_body = self._identity(bodies[step.key])
        reasons, diffs = self._with_lines(difference(old, new), old_body, new_body)
        return Explanation(step, tuple(reasons) or step.reasons, earlier, diffs)

    def _identity(self, text: str) -> tuple[Identity, Mapping[str, Any]]:
        body = loads(text)
        kept = self._documents.get([body["key"]["definition"]])
        definition: Mapping[str, Any] = {"definition": {"code": {}}, "places": {}, "snapshot": ""}
        if kept:
            definition = loads(next(iter(kept.values())))
        return (
            Identity(
                body["key"]["inputs"],
                definition["definition"],
                definition["places"],
                body["shown"],
                body["origins"],
                body["parts"],
                body["key"].get("observed", {}),
            ),
            definition,
        )

    # -- lines -------------------------------------------------------------------------------------------------------

    def _with_lines(
        self, reasons: list[Reason], old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> tuple[list[Reason], dict[str, str]]:
        """Code reasons with the very line that changed, and a diff for each."""
        exact: list[Reason] = []
        diffs: dict[str, str] = {}
        for found in reasons:
            reason = found
            if reason.cause == "code" and reason.before and reason.after:
                before, _ = self._source(reason.name, old)
                after, first = self._source(reason.name, new)
                if before and after:
                    as_text = reason.name.endswith(f":{TEXT}")
                    line = first + max((changed_text if as_text else changed_line)(before, after) - 1, 0)
                    diffs[reason.name] = _diff(before, after, reason.file)
                    words = text_words(f"{reason.file}:{line}", "changed")
                    if not as_text:
                        words = f"{reason.name.replace(':', '.')} at {reason.file}:{line} changed"
                    reason = replace(reason, line=line, message=words)
            exact.append(reason)
        return exact, diffs

    def _source(self, symbol: str, body: Mapping[str, Any]) -> tuple[str, int]:
        """The source of a symbol in the snapshot of a definition, and the line it begins at; empty when it is gone."""
        file, first, last = body["places"].get(symbol, ("", 0, 0))
        digest = self._files(body["snapshot"]).get(file)
        if not digest or not first:
            return "", 0
        try:
            lines = self._blobs.read(digest).decode("utf-8", "replace").splitlines()
        except IntegrityError:
            return "", 0
        return "\n".join(lines[first - 1 : last]) + "\n", first

    def _files(self, snapshot: str) -> Mapping[str, str]:
        if snapshot not in self._trees:
            try:
                tree = parse_manifest(self._blobs.read(snapshot))
                self._trees[snapshot] = {entry.path: entry.digest for entry in tree.entries}
            except IntegrityError:
                self._trees[snapshot] = {}
        return self._trees[snapshot]


def _diff(before: str, after: str, file: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{file} before", f"{file} now", lineterm="", n=2
    )
    return "\n".join(lines)
