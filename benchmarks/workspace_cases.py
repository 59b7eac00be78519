"""Cases of the workspace: what runs tell, lists of runs, the store, snapshots."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import CASES, WORKLOADS, Case, Side, copy_project, empty, own_script
from benchmarks.cluster_cases import CLUSTER_CASES
from benchmarks.environments import FOLDER, OWN, WORKSPACE, python_of
from benchmarks.server_cases import SERVER_CASES

STATE = Path(__file__).resolve().parent / ".state"
POINTS = 100_000
STEPS, LINES = 10, 100_000  # lines of 80 bytes: a log of as much as is kept of a step
MILLION = 1_000_000
FILES = 20_000  # the most that a snapshot may have
SIZE = 2_000  # bytes of each


def telling(pipeline: str, name: str, **parameters: int) -> Side:
    """A pipeline of ours whose steps tell much."""
    program = str(FOLDER / WORKSPACE / "bin" / "pipelinekit")
    given = [word for key, value in parameters.items() for word in ("-p", f"{key}={value}")]
    copy = copy_project("telling.py", "bodies.py")

    def prepare(folder: Path, phase: str) -> None:
        copy(folder, phase)
        secret = [program, "secrets", "set", "TOKEN"]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
        words = {"input": "a value that is kept secret", "text": True, "capture_output": True}
        subprocess.run(secret, cwd=folder, env=environment, check=True, **words)  # type: ignore[call-overload]

    return Side(name, WORKSPACE, lambda _, __: [program, "run", f"telling.py:{pipeline}", *given], prepare)


def by_hand_lines() -> Side:
    """The same lines through pipes into a table, by hand."""
    file = str(WORKLOADS / "raw_lines.py")
    counts = [str(LINES), str(STEPS)]
    return Side("by hand", WORKSPACE, lambda folder, _: [str(python_of(WORKSPACE)), file, *counts, str(folder)])


def run_list(name: str, *options: str) -> Side:
    """The command that lists runs, among a million; or a script that measures every kind of list."""
    place = STATE / f"runs-{MILLION}"
    script = [str(python_of(OWN)), str(WORKLOADS / "million_runs.py")]

    def prepare(_: Path, __: str) -> None:
        subprocess.run([*script, "make", str(MILLION), str(place)], check=True)

    def command(_: Path, __: str) -> Sequence[str]:
        if not options:
            return [*script, "look", str(MILLION), str(place)]
        return [str(FOLDER / OWN / "bin" / "pipelinekit"), *options]

    return Side(name, OWN, command, prepare, {"PIPELINEKIT_WORKSPACE": str(place)} if options else {})


def many_files() -> Side:
    """A pipeline in a source folder of as many files as there may be."""
    copy = copy_project("data.py", "bodies.py")

    def prepare(folder: Path, phase: str) -> None:
        if (folder / "data.py").exists():
            return
        copy(folder, phase)
        for number in range(FILES - 10):  # some are there besides
            place = folder / f"part-{number // 500}"
            place.mkdir(exist_ok=True)
            (place / f"{number}.txt").write_text(f"{number}\n" * (SIZE // len(f"{number}\n")))

    side = empty()
    return Side(OWN, OWN, side.command, prepare)


WORKSPACE_CASES: tuple[Case, ...] = (
    Case("metrics, a million points", ("run",), (own_script("metric_points", str(MILLION)),), rounds=3),
    Case(
        "metrics, 100,000 points of a step",
        ("cold",),
        (telling("points", OWN, count=POINTS), telling("points", "one point", count=1)),
    ),
    Case(
        "logs, 80 MB",
        ("cold",),
        (
            telling("hidden_lines", OWN, count=LINES, steps=STEPS),
            telling("lines", "without a secret", count=LINES, steps=STEPS),
            telling("hidden_lines", "empty logs", count=0, steps=STEPS),
            by_hand_lines(),
        ),
        rounds=3,
    ),
    Case(
        "list of a million runs",
        ("run",),
        (
            run_list(OWN),
            run_list("runs list", "runs", "list"),
            run_list("runs list --sort", "runs", "list", "--sort", "metric.loss", "--status", "Failed"),
        ),
        rounds=3,
    ),
    Case("blobs in a folder", ("run",), (own_script("blob_copies", "folder", "3", environment=WORKSPACE),), rounds=3),
    Case("blobs in S3", ("run",), (own_script("blob_copies", "s3", "2", environment=WORKSPACE),), rounds=3),
    Case("snapshot of 20,000 files", ("cold", "warm"), (many_files(), empty()), rounds=3),
)


def find(names: Sequence[str]) -> list[Case]:
    """The cases of these names, or whose names contain them; all where there is none.

    Ends with an error for an unknown name.
    """
    cases = [*CASES, *WORKSPACE_CASES, *CLUSTER_CASES, *SERVER_CASES]
    found: set[str] = set()
    for name in names:
        meant = [case.name for case in cases if case.name == name] or [case.name for case in cases if name in case.name]
        if not meant:
            sys.exit(f"there is no case {name!r}; there are: " + "; ".join(case.name for case in cases))
        found.update(meant)
    return [case for case in cases if not names or case.name in found]
