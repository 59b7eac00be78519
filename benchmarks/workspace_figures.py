"""Figures of the workspace: what runs tell, lists of runs, the store, snapshots."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.environments import OWN
from benchmarks.figures import Figure, Round, ratio

POINTS, STEP_POINTS = "metrics, a million points", "metrics, 100,000 points of a step"
LOGS, LISTS = "logs, 80 MB", "list of a million runs"
FOLDER, S3 = "blobs in a folder", "blobs in S3"
SNAPSHOT = "snapshot of 20,000 files"
PLAIN = 1 / 0.8  # at least 0.8 of the throughput of plain copies


def own(case: str, quantity: str, phase: str = "run", unit: float = 1.0) -> Callable[[Round], float]:
    """What our side took or printed, in a unit."""
    return lambda seen: seen.get(case, OWN, phase, quantity) / unit


def beyond(case: str, empty: str, unit: float) -> Callable[[Round], float]:
    """CPU seconds that our side took beyond a side with next to nothing in it."""
    return lambda seen: (seen.get(case, OWN, "cold") - seen.get(case, empty, "cold")) / unit


def log_by_hand(seen: Round) -> float:
    """The CPU time of lines, without that of starting and ending, over that of lines carried by hand."""
    return beyond(LOGS, "empty logs", 1.0)(seen) / seen.get(LOGS, "by hand", "cold")


def masking(seen: Round) -> float:
    """The CPU time of a log in which something is masked over that of one in which nothing is."""
    plain, nothing = (seen.get(LOGS, side, "cold") for side in ("without a secret", "empty logs"))
    return beyond(LOGS, "empty logs", 1.0)(seen) / (plain - nothing)


WORKSPACE_FIGURES: tuple[Figure, ...] = (
    Figure("100,000 points in lists, s of CPU", own(POINTS, "list_seconds", unit=10.0), 1.0),
    Figure("100,000 points one by one, s of CPU", own(POINTS, "single_seconds", unit=10.0)),
    Figure("100,000 points of a step, s of CPU, both processes", beyond(STEP_POINTS, "one point", 1.0)),
    Figure("a million points read, s of CPU", own(POINTS, "read_seconds")),
    Figure("a million points down-sampled, s of CPU", own(POINTS, "draw_seconds")),
    Figure("10 MB of a log, masked, s of CPU", beyond(LOGS, "empty logs", 8.0)),
    Figure("80 MB of logs, masked / by hand", log_by_hand),
    Figure("80 MB of logs, masked / not masked", masking),
    Figure("list of a million runs, slowest kind, s of CPU", own(LISTS, "slowest_cpu"), 0.2),
    Figure("list of a million runs, slowest kind, s of the clock", own(LISTS, "slowest_wall")),
    *(
        Figure(f"{kind} blobs in a folder, {ours} / {plain}", own(FOLDER, f"{kind}, {ours} / {plain}, cpu"), limit)
        for kind, ours, plain, limit in (
            ("large", "write", "plain write", PLAIN),
            ("large", "write", "synced write", PLAIN),
            ("large", "read", "plain read", PLAIN),
            ("small", "write", "plain write", None),  # which a power cut would take away
            ("small", "write", "synced write", PLAIN),
            ("small", "read", "plain read", PLAIN),
        )
    ),
    *(
        Figure(f"{kind} blobs in S3, {action} / plain", own(S3, f"{kind}, {action} / plain {action}, {cpu}"), PLAIN)
        for kind, cpu in (("large", "own cpu"), ("small", "cpu"), ("few small", "cpu"))
        for action in ("write", "read")
    ),
    Figure("20,000 files unchanged, whole run, s of CPU", own(SNAPSHOT, "cpu", "warm"), 1.0),
    Figure("20,000 files unchanged / empty run", ratio(SNAPSHOT, "warm", OWN, "empty run")),
)
