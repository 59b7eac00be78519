"""The example from beginning to end: data, an environment, a secret, three runs, and the first of them done again.

It runs the commands that a person would type, each shown before it runs, and ends with the first that fails.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
WORKSPACE = HERE / ".pipelinekit"
RESULTS = HERE / "results"
ELSEWHERE = RESULTS / "elsewhere"
RATES = {"cautious": 0.02, "middle": 0.1, "hasty": 0.5}
CELLS = ["data/cells/cells-2021.csv", "data/cells/cells-2022.csv"]
LATE = "data/cells/cells-2023.csv"


def main() -> int:
    """Run the commands; the exit code of the first that fails, else 0."""
    if "--anew" in sys.argv[1:]:
        for folder in (WORKSPACE, RESULTS, HERE / "data"):
            shutil.rmtree(folder, ignore_errors=True)
    if WORKSPACE.exists():
        print("This was gone through before; README.md says how to go on by hand.")
        print("'python demo.py --anew' removes .pipelinekit, data and results, and begins anew.")
        return 1
    RESULTS.mkdir(exist_ok=True)
    canary = secrets.token_hex(16)  # what the commands call $KEY; it is kept nowhere else
    prepare(canary)
    runs = train()
    look(runs)
    go_on()
    do_again(runs, canary)
    find(canary)
    print(f"\nOpen {RESULTS / 'compare.html'} in a browser; README.md says what is on it, and what to try next.")
    return 0


def prepare(canary: str) -> None:
    """Data, environment and secret."""
    heading("Get the data: cells of 569 samples, in three files, and their diagnoses")
    command("get_data.py")
    heading("Register two of the files, and the table, as datasets: a version knows its files by their content")
    pipelinekit("datasets", "register", "cells", *CELLS)
    pipelinekit("datasets", "register", "diagnoses", "data/diagnoses.csv", "--tabular")
    heading("Register the environment of one step, which needs another networkx than is installed here")
    pipelinekit("environments", "register", "graphs", "graphs.txt")
    heading("Set the secret that pseudonyms of patients are made with: 32 random digits")
    pipelinekit("secrets", "set", "PATIENT_KEY", given=canary)


def train() -> dict[str, str]:
    """Three runs by their names; their ids."""
    heading("Run the pipeline with three learning rates: the second and the third run only train")
    runs = {}
    for name, rate in RATES.items():
        pipelinekit("run", "pipeline.py", "-p", f"learning_rate={rate}")
        pipelinekit("runs", "describe", "latest", "--name", name, quiet=True)
        runs[name] = ask("runs", "show", "--json")["id"]
    return runs


def look(runs: dict[str, str]) -> None:
    """What the runs told."""
    first = runs["cautious"]
    heading("What the first run told: curves, tables, a matrix, a picture; and a child run for each fold")
    pipelinekit("runs", "metrics", first)
    pipelinekit("runs", "metrics", first, "--name", "diagnoses")
    pipelinekit("runs", "children", first)
    pipelinekit("runs", "files", first, "--save", "results")
    heading("The three runs side by side, and their curves in one page")
    pipelinekit("runs", "compare", *runs.values(), "--plot", "results/compare.html")
    heading("Which runs missed at most three malignant samples? The best first")
    pipelinekit("runs", "list", "--where", "metric.missed<=3", "--sort", "metric.loss", "--ascending")


def go_on() -> None:
    """A version more of the data."""
    heading("The third file arrives: one new step reads it, and what follows from it is done anew")
    pipelinekit("datasets", "register", "cells", *CELLS, LATE, "--create-new-version")
    pipelinekit("run", "pipeline.py", "-p", f"learning_rate={RATES['middle']}")
    pipelinekit("datasets", "lineage", "cells")


def do_again(runs: dict[str, str], canary: str) -> None:
    """The first run, in an empty workspace, and from a file."""
    first = runs["cautious"]
    heading("Do the first run again in an empty workspace, with the data that it had, and compare every output")
    pipelinekit("runs", "reproduce", first)
    heading("Write it to a file; another workspace, which is told the secret, does it again from there")
    pipelinekit("runs", "export", first, "-o", "results/run.zip")
    ELSEWHERE.mkdir()
    pipelinekit("--workspace", "results/elsewhere", "secrets", "set", "PATIENT_KEY", given=canary)
    pipelinekit("--workspace", "results/elsewhere", "runs", "reproduce", "results/run.zip")


def find(canary: str) -> None:
    """Look for the secret in everything that was written."""
    heading("Is the secret anywhere? In no file of the workspaces, the results, the exported run")
    forms = [canary.encode(), b64encode(canary.encode()), canary.encode().hex().encode(), bytes.fromhex(canary)]
    count = 0
    for name, content in contents():
        count += 1
        if any(form in content for form in forms):
            sys.exit(f"the secret is in {name}")
    print(f"looked into {count} files: it is in none")
    pipelinekit("fsck")


def contents() -> Iterator[tuple[Path, bytes]]:
    """Every file that the demo has made, and every member of files that are archives."""
    for path in (*WORKSPACE.rglob("*"), *RESULTS.rglob("*")):
        if not path.is_file() or "environments" in path.relative_to(HERE).parts:
            continue
        yield path, path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                yield from ((path / name, archive.read(name)) for name in archive.namelist())


def heading(text: str) -> None:
    """A line that says what comes next."""
    print(f"\n== {text}", flush=True)


def pipelinekit(*words: str, given: str | None = None, quiet: bool = False) -> None:
    """Run a command of pipelinekit in the example's folder; `given` is its standard input."""
    shown = " ".join(f"'{word}'" if set(word) & set("<> ") else word for word in words)
    print(f"$ {'echo $KEY | ' if given else ''}pipelinekit {shown}", flush=True)
    run("-m", "pipelinekit", *words, given=given, quiet=quiet)


def ask(*words: str) -> dict[str, str]:
    """What a command of pipelinekit answers as JSON."""
    done = subprocess.run([sys.executable, "-m", "pipelinekit", *words], cwd=HERE, check=True, stdout=subprocess.PIPE)
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def command(script: str) -> None:
    """Run a script of the example."""
    print(f"$ python {script}", flush=True)
    run(script)


def run(*words: str, given: str | None = None, quiet: bool = False) -> None:
    """Run Python with these words; end with its exit code if it fails."""
    out = subprocess.DEVNULL if quiet else None
    done = subprocess.run([sys.executable, *words], cwd=HERE, check=False, input=given, text=True, stdout=out)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
