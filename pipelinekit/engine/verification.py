"""Whether a step gives equal outputs when it is executed again: which hits are tried, and what the second try says."""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.classes import frozen
from pipelinekit.domain.attempts import OUTDATED
from pipelinekit.domain.digests import PREFIX, digest
from pipelinekit.domain.runs import DIFFERENT, EQUAL
from pipelinekit.domain.values import StoredValue


@frozen
class Expected:
    """Outputs that an execution is compared with; `origin` says whose they are."""

    outputs: Mapping[str, StoredValue]
    origin: str


def is_chosen(run: str, step: str, share: float) -> bool:
    """Whether this hit is among the share of hits that are executed again: at random, but the same in every replay."""
    if share <= 0.0:
        return False
    return int(digest([run, step])[len(PREFIX) :][:8], 16) < share * 0x1_0000_0000


def verdict(expected: Expected, outputs: Mapping[str, StoredValue]) -> tuple[str, str]:
    """EQUAL or DIFFERENT, and the words for it: the first output that differs, and from whose."""
    for name, value in outputs.items():
        before = expected.outputs.get(name)
        if before is None or before.digest != value.digest:
            words = f"output {name!r} differs from that of {expected.origin}"
            return DIFFERENT, f"{words}: the step is not deterministic, or reads what its key does not name"
    return EQUAL, f"its outputs equal those of {expected.origin}"


def undeclared(files: Mapping[str, str], hosts: tuple[str, ...]) -> list[str]:
    """What to tell of an execution that read what its key does not name."""
    notes = []
    outdated = [symbol for symbol, digest in files.items() if digest == OUTDATED]
    if outdated:
        words = "changed after this process had begun, which may have imported it as it was before"
        notes.append(f"{_listed(outdated)} {words}: the result is not reused; run it in a new process")
    if opened := [symbol for symbol in files if symbol not in outdated]:
        notes.append(f"it opened {_listed(opened)} without declaring it as an input; its content counts from now on")
    if hosts:
        notes.append(f"it connected to {', '.join(hosts[:3])}: what it read there does not count")
    return notes


def _listed(symbols: list[str]) -> str:
    names = [symbol.partition(":")[2] for symbol in symbols]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
