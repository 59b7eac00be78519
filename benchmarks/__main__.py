"""`python -m benchmarks`: measure us and others side by side; `python -m benchmarks compare`: look for regressions."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import environments, report
from benchmarks.cases import Case, Side, environment_of
from benchmarks.cluster_cases import CLUSTER_FIGURES
from benchmarks.evaluating import found_in
from benchmarks.figures import FIGURES, Found
from benchmarks.measuring import Measured, become_subreaper, measure, use_memory
from benchmarks.regressions import regressions
from benchmarks.server_cases import SERVER_FIGURES
from benchmarks.workspace_cases import find
from benchmarks.workspace_figures import WORKSPACE_FIGURES

HERE = Path(__file__).resolve().parent
STATE = HERE / ".state"
RESULTS = HERE / "results"
TIMEOUT = 900.0
INTERRUPTED = 130
DAY = len("2026-11-27")
REPEATABLE = ("run", "warm")  # phases that leave everything as it was
REPEATS, SHORT = 5, 2.0  # so often they are measured in each round, where that takes less than so many seconds
PANELS = (("fan of 2,000", "cold"), ("fan of 2,000", "warm"), ("fan of 200", "warm"), ("fan of 200, recorded", "warm"))


def main() -> int:
    """Run a command; 1 when a limit is missed or a figure has become worse."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    run = commands.add_parser("run", help="measure, print tables, write results as JSON, Markdown and SVG")
    run.add_argument("cases", nargs="*", help="parts of names of cases; all without one")
    run.add_argument("--rounds", type=int, default=0, help="the most rounds that a case is measured in")
    run.add_argument("--sides", default="", help="names of sides, by comma; all without one")
    run.add_argument("--output", type=Path, default=RESULTS / "latest", help="path of the results, without a suffix")
    run.add_argument("--keep", action="store_true", help="keep the results of other cases that are at --output")
    compare = commands.add_parser("compare", help="tell figures that are worse by more than a third than stored ones")
    compare.add_argument("now", type=Path, nargs="?", default=RESULTS / "latest.json")
    compare.add_argument("before", type=Path, nargs="?", help="without one: the newest stored release")
    arguments = parser.parse_args(sys.argv[1:] or ["run"])
    if arguments.command == "compare":
        return _compare(arguments.now, arguments.before)
    become_subreaper()
    sides = [name.strip() for name in arguments.sides.split(",") if name.strip()]
    results = _run(find(arguments.cases), arguments.rounds, sides)
    if not results.pop("is_whole"):
        rest = arguments.output.with_name(f"{arguments.output.name}-interrupted")
        print(f"interrupted: what was measured until now is at {rest}.json, and in no other file", file=sys.stderr)
        _write(results, rest)
        return INTERRUPTED
    if arguments.keep and (stored := arguments.output.with_suffix(".json")).is_file():
        results = _beside(json.loads(stored.read_text("utf-8")), results)
    return _write(results, arguments.output)


# -- measuring ---------------------------------------------------------------------------------------------------------


def _run(cases: Sequence[Case], rounds: int, wanted: Sequence[str]) -> dict[str, Any]:
    """Measure cases; the samples by case, side and phase, with what they were measured on."""
    chosen = {case.name: [side for side in case.sides if not wanted or side.name in wanted] for case in cases}
    names = list(dict.fromkeys(side.environment for sides in chosen.values() for side in sides))
    environments.make(names)
    samples: list[dict[str, Any]] = []
    try:
        for case in cases:
            for number in range(min(rounds or case.rounds, case.rounds)):
                for side in _rotated(chosen[case.name], number):
                    samples.extend({"round": number, **sample} for sample in _side(case, side))
        is_whole = True
    except KeyboardInterrupt:
        is_whole = False
    return {
        "date": datetime.datetime.now().isoformat(" ", "minutes"),
        "machine": _machine(),
        "versions": environments.versions(names),
        "samples": samples,
        "is_whole": is_whole,
    }


def _rotated(sides: Sequence[Side], number: int) -> list[Side]:
    """Each round begins with another side, as the machine may change while they take their turns."""
    first = number % max(len(sides), 1)
    return [*sides[first:], *sides[:first]]


def _beside(stored: Mapping[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """New results with those that were stored, each sample with its date: figures may take several cases of one run."""
    if stored["machine"] != new["machine"]:
        raise SystemExit(f"the stored results are of another machine: {stored['machine']}")
    kept = [{"date": stored["date"], **sample} for sample in stored["samples"]]
    samples = [*kept, *({"date": new["date"], **sample} for sample in new["samples"])]
    return {**new, "versions": {**stored["versions"], **new["versions"]}, "samples": samples}


def _side(case: Case, side: Side) -> list[dict[str, Any]]:
    """One side goes through the phases of a case in an empty folder."""
    folder = STATE / f"{case.name} {side.name}".replace(" ", "-").replace(",", "")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = []
    for phase in case.phases:
        side.prepare(folder, phase)
        (folder / ".marks").write_bytes(b"")
        seen = _measure(side, folder, phase, case.memory)
        marks = (folder / ".marks").stat().st_size
        wrong = _what_is_wrong(side, phase, seen, marks)
        print(
            f"{case.name:24} {side.name:26} {phase:7} cpu {seen.cpu:8.3f}  wall {seen.wall:8.3f}"
            f"  peak {max(seen.tree, seen.largest) / 1e6:6.0f} MB  executed {marks:6}  {wrong}",
            flush=True,
        )
        if wrong:
            break
        found.append({"case": case.name, "side": side.name, "phase": phase, "marks": marks, **_quantities(seen)})
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _measure(side: Side, folder: Path, phase: str, memory: int) -> Measured:
    """One phase of a side; of a short one that can be repeated the repetition whose CPU time is the median."""
    command, environment = side.command(folder, phase), environment_of(side, folder)
    use_memory(memory)
    seen = [measure(command, environment, folder, TIMEOUT)]
    while phase in REPEATABLE and len(seen) < REPEATS and seen[-1].wall < SHORT and seen[-1].code == 0:
        seen.append(measure(command, environment, folder, TIMEOUT))
    return sorted(seen, key=lambda item: (item.code == 0, item.cpu))[len(seen) // 2 if seen[-1].code == 0 else 0]


def _what_is_wrong(side: Side, phase: str, seen: Measured, marks: int) -> str:
    if seen.code != 0:
        return f"ended with {seen.code}: {seen.output[-1500:]}"
    expected = (side.marks or {}).get(phase)
    return f"expected {expected} executions" if expected is not None and expected != marks else ""


def _quantities(seen: Measured) -> dict[str, Any]:
    return {"cpu": seen.cpu, "wall": seen.wall, "tree": seen.tree, "largest": seen.largest, **_printed(seen.output)}


def _printed(output: str) -> dict[str, Any]:
    """What a script of ours found itself: one JSON object as its last line."""
    last = output.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        return {}
    document: dict[str, Any] = json.loads(last)
    return document


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


# -- results -----------------------------------------------------------------------------------------------------------


def _write(results: dict[str, Any], output: Path) -> int:
    figures = [*FIGURES, *WORKSPACE_FIGURES, *CLUSTER_FIGURES, *SERVER_FIGURES]
    found = found_in(results, figures)
    results["figures"] = [
        {"name": item.name, "limit": item.limit, "median": item.median, "values": list(item.values)} for item in found
    ]
    text = _markdown(results, found)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(text, encoding="utf-8")
    if panels := _panels(results["samples"]):
        title = f"CPU seconds of the whole process tree, {results['machine']}, {results['date'][:DAY]}"
        output.with_suffix(".svg").write_text(report.picture(title, panels), encoding="utf-8")
    print("\n" + text)
    missed = [item.name for item in found if not item.met]
    if missed:
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _cells(samples: Sequence[Mapping[str, Any]], case: str) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """The samples of a case by side and phase, as it was measured last."""
    newest = max((sample.get("date", "") for sample in samples if sample["case"] == case), default="")
    cells: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for sample in samples:
        if sample["case"] == case and sample.get("date", "") == newest:
            cells[sample["side"], sample["phase"]].append(sample)
    return cells


def _markdown(results: Mapping[str, Any], found: Sequence[Found]) -> str:
    samples = results["samples"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    dates = sorted({sample.get("date", results["date"])[:DAY] for sample in samples})
    head = f"Measured on {' and '.join(dates)}: {results['machine']}. {versions}."
    tables = [
        report.case_table(case, _cells(samples, case)) for case in dict.fromkeys(item["case"] for item in samples)
    ]
    return "\n\n".join([head, report.figure_table(found), *tables]) + "\n"


def _panels(samples: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    panels = {}
    for case, phase in PANELS:
        cells = _cells(samples, case)
        bars = {side: report.median(found, "cpu") for (side, seen), found in cells.items() if seen == phase}
        if bars:
            panels[f"{case}, {phase}"] = bars
    return panels


def _compare(now: Path, before: Path | None) -> int:
    if before is None:
        stored = sorted(path for path in RESULTS.glob("*.json") if path.stem != "latest")
        if not stored:
            print("there are no stored results of a release", file=sys.stderr)
            return 2
        before = stored[-1]
    if not now.is_file():
        print(f"there are no results at {now}: measure first, with 'python -m benchmarks'", file=sys.stderr)
        return 2
    worse = regressions(json.loads(now.read_text("utf-8")), json.loads(before.read_text("utf-8")))
    print("\n".join(worse) or f"no figure is worse by more than a third than in {before.name}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
