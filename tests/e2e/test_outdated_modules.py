"""Files of an author's that change around the process which imported them: no result is reused that is not the file's."""

import importlib.machinery
import importlib.util
import json
import marshal
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.harness.bytecode import distrust_young_bytecode, was_made_of

WITH_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
HELPERS = "def value():\n    return {}\n"
PIPE = """
from pipelinekit import pipeline, step
import helpers

@step
def one() -> int:
    return helpers.value()

@pipeline
def pipe():
    return {"x": one()}
"""
SCRIPT = """
import pathlib
import sys

from pipelinekit import step
import pipe


def run():
    run = pipe.pipe.submit(compute="in-process").wait()
    print(run.steps[0].status, run.outputs["x"].load())


if __name__ == "__main__":
    run()
    if "edit" in sys.argv:
        pathlib.Path("helpers.py").write_text(pathlib.Path("helpers.py").read_text().replace("1", "2"))
        run()
"""


def told(project, *words):
    """What the script prints: status and value of each run."""
    script = [sys.executable, "script.py", *words]
    process = subprocess.run(script, cwd=project.folder, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def change_behind_python(project):
    """Change the helper so that Python takes the bytecode of before for that of now."""
    helpers = project.folder / "helpers.py"
    before = helpers.stat()
    py_compile.compile(str(helpers), doraise=True)
    helpers.write_text(HELPERS.format(7))
    os.utime(helpers, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def written(project):
    """A pipeline whose step returns what a helper does."""
    return project.write(pipe=PIPE, script=SCRIPT, helpers=HELPERS.format(1))


def test_a_step_that_ran_with_a_module_of_before_its_files_change_is_nobody_elses(written):
    assert told(written, "edit") == ["Completed 1", "Completed 1"], "a process goes on with what it has imported"
    shown = written("runs", "show", "latest").out
    assert "helpers.py changed after this process had begun" in shown
    assert "not reused" in shown
    assert told(written) == ["Completed 2"], "the file says 2, and nobody has computed that"
    assert "which changed while the process of its last execution ran" in written("explain", "latest").out
    assert told(written) == ["Reused 2"]


def test_who_reads_the_source_of_a_module_has_not_loaded_it_anew(written, tmp_path):
    distrust_young_bytecode(str(written.folder))
    spec = importlib.util.spec_from_file_location("helpers", written.folder / "helpers.py")
    loader = importlib.machinery.PathFinder.find_spec("helpers", [str(written.folder)]).loader
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec("helpers", loader, origin=spec.origin))
    loader.exec_module(module)
    first = digest_bytes((written.folder / "helpers.py").read_bytes())
    assert was_made_of(module, first)
    written.write(helpers=HELPERS.format(2))
    assert "2" in loader.get_source("helpers")
    assert was_made_of(module, first)
    assert not was_made_of(module, digest_bytes((written.folder / "helpers.py").read_bytes()))


def test_where_no_file_changes_what_ran_in_a_scripts_own_process_is_reused(written):
    assert told(written) == ["Completed 1"]
    assert told(written) == ["Reused 1"]
    assert written.executed("pipe.py") == []


def test_a_module_that_differs_from_the_snapshot_of_a_compiled_graph_is_not_taken_for_it(written):
    written("compile", "pipe.py", "-o", "graph.json")
    written.write(helpers=HELPERS.format(5))
    here = {"PYTHONPATH": str(written.folder)}
    assert written.run("graph.json", "--in-process", env=here)["outputs"]["x"] == 1, "the graph's own code"


def test_bytecode_of_an_earlier_content_is_not_taken(written):
    change_behind_python(written)
    script = "import helpers; print(helpers.value())"
    plain = subprocess.run(
        [sys.executable, "-c", script], cwd=written.folder, capture_output=True, text=True, check=True
    )
    assert plain.stdout == "1\n", "Python itself is taken in"
    for words in (["--in-process"], ["--regenerate"]):
        assert written.run("pipe.py", *words, env=WITH_BYTECODE)["outputs"]["x"] == 7


def test_what_a_script_imports_from_bytecode_of_an_earlier_content_is_nobody_elses(written):
    change_behind_python(written)
    assert told(written) == ["Completed 1"], "Python itself is taken in"
    assert written.run("pipe.py")["outputs"]["x"] == 7


def test_bytecode_is_kept_at_once_and_taken_while_the_source_has_its_hash(written):
    helpers = written.folder / "helpers.py"
    words = "--in-process", "--regenerate"
    kept = Path(importlib.util.cache_from_source(helpers))
    for value in (1, 3):  # within the same second, of the same size
        helpers.write_text(HELPERS.format(value))
        assert written.run("pipe.py", *words, env=WITH_BYTECODE)["outputs"]["x"] == value
        assert int.from_bytes(kept.read_bytes()[4:8], "little") == 0b11, "it is checked by the source's hash"
    kept.write_bytes(kept.read_bytes()[:16] + marshal.dumps(compile(HELPERS.format(8), str(helpers), "exec")))
    assert written.run("pipe.py", *words, env=WITH_BYTECODE)["outputs"]["x"] == 8, "nothing is compiled"


@pytest.mark.parametrize("mode", ["default", "never"])
def test_bytecode_that_nobody_checks_is_not_taken(written, mode):
    helpers = written.folder / "helpers.py"
    py_compile.compile(str(helpers), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    helpers.write_text(HELPERS.format(4))
    python = [sys.executable, "--check-hash-based-pycs", mode, "-m", "pipelinekit"]
    environment = {**os.environ, **WITH_BYTECODE}
    for value in (4, 5):
        helpers.write_text(HELPERS.format(value))
        done = subprocess.run(
            [*python, "run", "pipe.py", "--in-process", "--json"],
            cwd=written.folder,
            env=environment,
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout)["outputs"]["x"] == value
