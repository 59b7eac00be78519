"""Every code pattern through the command line in fresh processes: no result is ever stale, no cosmetic edit executes."""

import json
import os
import subprocess
import sys

import pytest
from patterns import ALL

ARGUMENTS = {  # of the step `run`, where `x=2` is not what it takes
    "attribute of a module by computed getattr": {"x": 2, "name": "clean"},
    "dynamic import by a computed name": {"x": 2, "name": "plug"},
    "eval": {"x": 2, "text": "clean(x)"},
    "globals()": {"x": 2, "name": "clean"},
    "registry filled by decorators in an imported module": {"x": 2, "name": "clean"},
    "registry filled by a decorator factory": {"x": 2, "name": "clean"},
    "registry filled by assignment in an imported module": {"x": 2, "name": "clean"},
    "local names hide global ones": {"x": [1, 2]},
    "nested functions and comprehensions": {"x": {"a": [1, 2]}},
    "defaults: of the step an input, of a helper code": {"x": 2, "n": 3},
    "match statement and walrus": {"x": {"a": 1, "b": 2, "c": 3}},
    "format registered for another type": {"x": [1, 2]},
    "format registered for what an input may be": {"x": [1, 2]},
}
NOT_RUN = {  # what they do cannot be told by a plain value, or needs what is not installed; the closure is still tested
    "annotations of the step's own inputs": "takes tables",
    "import of a module for what importing it does": "imports a package that is not installed",
    "import_module passed on as a value": "returns modules",
    "format registered for a type of one's own": "returns an object",
    "format registered for a class derived from the one that is expected": "takes an object",
}
RUNNABLE = [pattern for pattern in ALL if pattern.name not in NOT_RUN]
SAMPLE = RUNNABLE[4::13]
ENVIRONMENT = {"MODE": "1", "MOOD": "2", "OTHER": "3", "ANOTHER": "4", "THIRD": "5", "PYTHONDONTWRITEBYTECODE": "1"}
PIPELINE = """
from pipelinekit import pipeline
import main

@pipeline
def pipe():
    return main.run(**{arguments!r})
"""
SCRATCH = """
import asyncio, inspect, json, sys
sys.path.insert(0, "")
import main
try:
    value = main.run(**json.loads(sys.argv[1]))
    value = asyncio.run(value) if inspect.iscoroutine(value) else value
    print(json.dumps({"value": value}))
except Exception as error:
    print(json.dumps({"error": type(error).__name__}))
"""


def lay(project, files):
    """Make the source these files, and nothing else."""
    for path in project.folder.rglob("*.py"):
        if path.name != "pipe.py":
            path.unlink()
    for name, text in files.items():
        path = project.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def from_scratch(project, arguments):
    """What plain Python computes in a fresh process, without any of our engine."""
    done = subprocess.run(
        [sys.executable, "-c", SCRATCH, json.dumps(arguments)],
        cwd=project.folder, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def run(project):
    """What the pipeline gives in a fresh process: the outcome, whether the step was executed, and what was warned of."""
    process = project.start("run", "pipe.py", "--json", "--in-process", env=ENVIRONMENT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1), err
    document = json.loads(out)
    (step,) = document["steps"]
    if step["status"] == "Failed":
        return {"error": step["error"]["types"][0]}, True, err
    return {"value": document["outputs"]["output"]}, step["status"] == "Completed", err


def edited(files, edit):
    name, old, new = edit
    return {**files, name: files[name].replace(old, new, 1)}


@pytest.mark.parametrize(
    "pattern",
    [pattern if pattern in SAMPLE else pytest.param(pattern, marks=pytest.mark.slow) for pattern in RUNNABLE],
    ids=lambda pattern: pattern.name,
)
def test_no_result_is_stale_and_no_cosmetic_edit_executes(project, pattern):
    arguments = ARGUMENTS.get(pattern.name, {"x": 2})
    (project.folder / "pipe.py").write_text(PIPELINE.format(arguments=arguments))
    lay(project, pattern.files)
    outcome, executed, err = run(project)
    assert executed
    assert outcome == from_scratch(project, arguments)
    assert (pattern.warns in err) if pattern.warns else ("warning" not in err), err
    for edit in pattern.keep:
        lay(project, edited(pattern.files, edit))
        again, executed, _ = run(project)
        assert again == from_scratch(project, arguments), f"stale after {edit}"
        assert not executed or "error" in again, f"executed after {edit}"
    for edit in pattern.must:
        lay(project, edited(pattern.files, edit))
        again, executed, _ = run(project)
        assert again == from_scratch(project, arguments), f"stale after {edit}"
        assert executed, f"not executed after {edit}"


def test_a_hundred_patterns_are_run():
    assert len(RUNNABLE) >= 100
    assert not (ARGUMENTS.keys() | NOT_RUN.keys()) - {pattern.name for pattern in ALL}
