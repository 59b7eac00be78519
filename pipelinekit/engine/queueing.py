"""Which of the runs that wait may go: by priority, then by age, as many of a group as its limit leaves room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipelinekit.domain.queueing import COMPUTE, Limits, OpenRun
from pipelinekit.domain.texts import counted


def in_turn(runs: Iterable[OpenRun], limits: Limits) -> list[str]:
    """Those of the open runs that wait and may go, in their turn.

    One that its limits hold back takes nothing from those behind it that others hold back, or nothing does.
    """
    return _line(runs, limits)[0]


def held_back(runs: Iterable[OpenRun], limits: Limits) -> dict[str, str]:
    """Those that wait and may not go, in their turn, each with the reason."""
    return _line(runs, limits)[1]


def _line(runs: Iterable[OpenRun], limits: Limits) -> tuple[list[str], dict[str, str]]:
    listed = list(runs)
    under_way = Counter(group for run in listed if run.under_way for group in run.groups if group in limits)
    going: Counter[tuple[str, str]] = Counter()
    before: Counter[tuple[str, str]] = Counter()
    gone: list[str] = []
    held: dict[str, str] = {}
    for run in sorted((run for run in listed if not run.under_way), key=_turn):
        groups = [group for group in run.groups if group in limits]
        full = [group for group in groups if under_way[group] + going[group] >= limits[group]]
        if full:
            held[run.id] = "; ".join(_words(group, under_way[group], before[group], limits[group]) for group in full)
        else:
            gone.append(run.id)
            going.update(groups)
        before.update(groups)
    return gone, held


def _turn(run: OpenRun) -> tuple[int, str]:
    """Ids of runs grow with the time at which they were made."""
    return -run.priority, run.id


def _words(group: tuple[str, str], under_way: int, before: int, most: int) -> str:
    kind, name = group
    of = f"on compute target {name!r}" if kind == COMPUTE else f"of experiment {name!r}"
    parts = [f"{counted(under_way, 'run')} {of} {'is' if under_way == 1 else 'are'} under way"] if under_way else []
    if before:
        who = str(before) if under_way else f"{counted(before, 'run')} {of}"
        parts.append(f"{who} {'goes' if before == 1 else 'go'} before it")
    return f"{' and '.join(parts)}, at most {most}"
