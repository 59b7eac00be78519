"""Build files of the workloads, for the tools that are no Python libraries."""

from __future__ import annotations

import time
from pathlib import Path

STAMP_SECONDS = 0.02  # so that a file that is written again has a newer time


def _touch_leaf(folder: Path, count: int, phase: str) -> bool:
    """Whether the build files are there already; in the phase `change` one leaf's input is written again."""
    if not (folder / "in").is_dir():
        return False
    if phase == "change":
        time.sleep(STAMP_SECONDS)
        (folder / "in" / str(count // 2)).write_text("7")
    return True


def _inputs(folder: Path, count: int) -> None:
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    for i in range(count):
        (folder / "in" / str(i)).write_text("0")
    (folder / "in" / "first").write_text("1")


def write_ninja(folder: Path, workload: str, count: int, phase: str) -> None:
    """A build file in which each step copies a file."""
    if _touch_leaf(folder, count, phase):
        return
    _inputs(folder, count)
    mark = "printf x >> $$BENCH_MARKS &&"
    lines = [
        *("rule copy", f"  command = {mark} cp $in $out"),
        *("rule leaf", f"  command = {mark} cp $own $out"),
        *("rule join", f"  command = {mark} touch $out"),
        "build out/first: copy in/first",
    ]
    if workload == "chain":
        before = "out/first"
        for i in range(count - 1):
            lines.append(f"build out/{i}: copy {before}")
            before = f"out/{i}"
    else:
        for i in range(count):
            lines += [f"build out/{i}: leaf out/first in/{i}", f"  own = in/{i}"]
        lines.append("build out/join: join " + " ".join(f"out/{i}" for i in range(count)))
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")


def write_snakefile(folder: Path, workload: str, count: int, phase: str) -> None:
    """A Snakefile with one rule for each kind of step; only the fan is written."""
    assert workload == "fan"
    if _touch_leaf(folder, count, phase):
        return
    _inputs(folder, count)
    mark = "printf x >> $BENCH_MARKS;"
    (folder / "Snakefile").write_text(f"""
rule all:
    input: "out/join"
rule first:
    input: "in/first"
    output: "out/first"
    shell: "{mark} cp {{input}} {{output}}"
rule leaf:
    input: "out/first", "in/{{i}}"
    output: "out/leaf{{i,[0-9]+}}"
    shell: "{mark} cp {{input[1]}} {{output}}"
rule join:
    input: [f"out/leaf{{i}}" for i in range({count})]
    output: "out/join"
    shell: "{mark} touch {{output}}"
""")
