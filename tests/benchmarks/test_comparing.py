"""Figures of the benchmarks: how they are found, and that whoever compares them is told what has become worse."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.evaluating import found_in
from benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]


def compare(now, before, folder):
    files = []
    for name, figures in (("now", now), ("before", before)):
        files.append(folder / f"{name}.json")
        rows = [{"name": title, "limit": None, "median": median} for title, median in figures.items()]
        files[-1].write_text(json.dumps({"figures": rows}))
    command = [sys.executable, "-m", "benchmarks", "compare", *map(str, files)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_worse_by_more_than_a_third_is_told(tmp_path):
    done = compare({"warm": 1.34, "cold": 1.33, "new": 9.0}, {"warm": 1.0, "cold": 1.0}, tmp_path)
    assert done.returncode == 1
    assert done.stdout == "warm: 1 -> 1.34, 34% more\n"


def test_a_figure_that_is_gone_is_told(tmp_path):
    done = compare({"warm": 1.0}, {"warm": 1.0, "cold": 0.5}, tmp_path)
    assert done.returncode == 1
    assert done.stdout == "cold: not measured any more, was 0.5\n"


def test_better_figures_are_no_regression(tmp_path):
    done = compare({"warm": 0.5, "below zero": -1.5}, {"warm": 1.0, "below zero": -1.5}, tmp_path)
    assert done.returncode == 0
    assert done.stdout == "no figure is worse by more than a third than in before.json\n"


def test_results_that_are_not_there_are_told(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "compare", str(tmp_path / "none.json"), str(tmp_path / "none.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "measure first" in done.stderr


def sample(date, case, cpu):
    return {"date": date, "round": 0, "case": case, "side": "ours", "phase": "run", "cpu": cpu}


def test_what_was_measured_in_two_runs_makes_no_figure():
    figures = [
        Figure("growth", lambda seen: seen.get("large", "ours", "run") / seen.get("small", "ours", "run")),
        Figure("large", lambda seen: seen.get("large", "ours", "run")),
    ]
    monday = [sample("2026-11-23 10:00", "small", 1.0), sample("2026-11-23 10:00", "large", 3.0)]
    found = found_in({"date": "", "samples": [*monday, sample("2026-11-24 10:00", "large", 9.0)]}, figures)
    assert [(item.name, item.median) for item in found] == [("growth", 3.0), ("large", 9.0)]


@pytest.mark.parametrize("words", [["run", "no such case"], ["sing"]])
def test_what_is_not_there_to_be_measured_is_told(words):
    command = [sys.executable, "-m", "benchmarks", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "there is no case" in done.stderr or "invalid choice" in done.stderr
