"""The example that brings the workspace together: its essential part, and slowly all of it, as its reader types it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import set_secret

from pipelinekit import Workspace

EXAMPLE = Path(__file__).parents[2] / "examples" / "biopsies"
CANARY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
PARTS = [f"data/cells/cells-{year}.csv" for year in (2021, 2022, 2023)]


@pytest.fixture
def example(project):
    """A copy of the example, without what was run in it."""
    ignored = shutil.ignore_patterns(".pipelinekit", "data", "results", "__pycache__")
    shutil.copytree(EXAMPLE, project.folder, dirs_exist_ok=True, ignore=ignored)
    return project


def test_the_example_in_short(example):
    subprocess.run([sys.executable, "get_data.py"], cwd=example.folder, check=True, stdout=subprocess.DEVNULL)
    err = example("run", "pipeline.py", code=2).err
    assert "2 faults" in err
    assert "step 'join_diagnoses' needs the secret 'PATIENT_KEY'" in err
    assert "there is no registered environment 'graphs'" in err
    example("datasets", "register", "cells", *PARTS[:2])
    example("datasets", "register", "diagnoses", "data/diagnoses.csv", "--tabular")
    example("environments", "register", "graphs", "--variable", "MODE=without packages")  # the slow test builds one
    assert "as version 1" in set_secret(example, "PATIENT_KEY", CANARY)[0]
    short = ["-p", "rounds=4", "-p", "folds=2"]
    first = example.run("pipeline.py", *short)
    assert len(first["outputs"]["features"]) == 20
    example("datasets", "register", "cells", *PARTS, "--create-new-version")
    second = example.run("pipeline.py", *short, "-p", "learning_rate=0.5")
    reused = [step["name"] for step in second["steps"] if step["status"] == "Reused"]
    assert reused == ["read_cells[0]", "read_cells[1]"]
    runs = [first["id"], second["id"]]

    told = {item["name"]: item for item in example("runs", "metrics", runs[0], "--json").json["metrics"]}
    assert {name: item["kind"] for name, item in told.items() if item["step"] == "train"} == {
        "certainty": "image",
        "diagnoses": "confusion matrix",
        "importance": "rows",
        "loss on test rows": "series",
        "loss on training rows": "series",
    }
    assert [child["display_name"] for child in example("runs", "children", runs[0], "--json").json["children"]] == [
        "fold 1",
        "fold 2",
    ]
    saved = example("runs", "files", runs[0], "--save", "results", "--json").json
    picture = example.folder / saved["train/images/certainty"]
    assert (picture.suffix, picture.read_bytes()[1:4]) == (".png", b"PNG")

    listed = example("runs", "list", "--where", "param.rounds=4", "--sort", "metric.loss", "--ascending").out
    header, *rows = (line.split() for line in listed.splitlines())
    assert header[-3:] == ["param.rounds", "metric.loss", "name"]
    assert [row[0] for row in rows] == runs[::-1]
    assert [row[-2] for row in rows] == ["4", "4"]
    for run in runs:
        example("runs", "describe", run, "--name", "a try")  # names need not differ
    example("runs", "compare", *runs, "--plot", "compare.html")
    page = (example.folder / "compare.html").read_text()
    assert [f"a try {run}, learning_rate {rate}" in page for run, rate in zip(runs, (0.1, 0.5), strict=True)] == [
        True
    ] * 2

    assert "diagnoses      tabular of 8.4 KiB, xxh3:" in example("runs", "show").out
    assert "no faults" in example("fsck").out
    assert not [path for path in example.home.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_example_as_its_readme_shows_it(example):
    done = subprocess.run([sys.executable, "demo.py"], cwd=example.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert said.count("10 of 10 outputs are identical") == 2
    assert "it is in none" in said
    assert said.rstrip().splitlines()[-3].startswith("no faults")
    assert "networkx==3.4.2" in example("environments", "show", "graphs").out
    first = example("runs", "list", "--ascending", "--json").json["runs"][0]["id"]
    chosen = Workspace.open(example.folder).runs.get(first).step("choose_features")
    assert chosen.properties == {"networkx": "3.4.2"}
    again = subprocess.run([sys.executable, "demo.py"], cwd=example.folder, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "--anew" in again.stdout
