"""What is imported when: `import pipelinekit` costs nothing, and a run that is wholly reused loads next to nothing.

Most invocations find everything done. Up to the moment when something must execute, the standard library, xxhash and
pipelinekit itself are enough; pysqlite3 is the standard library's own module with a newer SQLite, and stands in its place.
"""

import json
import os
import subprocess
import sys

import pytest

from pipelinekit.config import PREFIX

LIGHT = {"pipelinekit", "xxhash"}
SITE = {"__main__", "sitecustomize", "usercustomize", "_distutils_hack", "_virtualenv", "a1_coverage", "coverage"}

PIPELINE = """
    from helpers import double
    from pipelinekit import File, pipeline, step

    @step
    def load(data: File) -> list[int]:
        return [int(line) for line in data.read_text().split()]

    @step
    def one(x: list[int], factor: int = 2) -> list[int]:
        return double(x, factor)

    @pipeline
    def main(data: File = "numbers.txt", names: list[str] | None = None):
        return {"x": one(load(data))}
"""

DUMP = """
import json, sys
def loaded():
    found = {name.partition(".")[0] for name in sys.modules}
    if "pysqlite3" in found and "sqlite3" not in found:  # one of the two, never both
        found.discard("pysqlite3")
    return sorted(name for name in found if name not in sys.stdlib_module_names)
"""

COMMAND = (
    DUMP
    + """
from pipelinekit.cli.main import main
code = main(json.loads(sys.argv[1]))
print(json.dumps(loaded()), file=sys.stderr)
sys.exit(code)
"""
)


def python(script, *words, folder):
    """Run a script in a process of its own; what it wrote."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "COV_", "COVERAGE"))
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def third_party(lines, own=("main", "helpers")):
    """Top-level modules that are neither the standard library's, nor ours, nor the author's."""
    found = set(json.loads(lines.splitlines()[-1])) - LIGHT - SITE - set(own)
    return sorted(name for name in found if not name.startswith("__editable__"))


def test_importing_pipelinekit_loads_nothing_else(tmp_path):
    script = DUMP + "import pipelinekit\npipelinekit.__version__\ndir(pipelinekit)\nprint(json.dumps(loaded()))"
    loaded = python(script, folder=tmp_path).stdout
    assert third_party(loaded) == []
    assert "xxhash" not in json.loads(loaded.splitlines()[-1]), "not even what the engine needs"
    script = "import sys, pipelinekit\nprint([name for name in sys.modules if name.startswith('pipelinekit.')])"
    assert python(script, folder=tmp_path).stdout == "[]\n"


def test_the_names_that_authors_write_with_load_nothing_heavy(tmp_path):
    script = DUMP + (
        "from pipelinekit import Environment, File, Folder, Pipeline, Resources, Retry, Workspace, pipeline, step, when\n"
        "print(json.dumps(loaded()))"
    )
    assert third_party(python(script, folder=tmp_path).stdout) == []


def test_every_public_name_can_be_imported(tmp_path):
    script = DUMP + (
        "import pipelinekit\nfor name in pipelinekit.__all__:\n    getattr(pipelinekit, name)\nprint(json.dumps(loaded()))"
    )
    assert third_party(python(script, folder=tmp_path).stdout) == []


@pytest.fixture
def warm(project):
    """A project whose pipeline has run."""
    project.write(main=PIPELINE, helpers="def double(x, factor):\n    return [n * factor for n in x]\n")
    (project.folder / "numbers.txt").write_text("1\n2\n3\n")
    project.run("main.py")
    return project


def command(project, *words):
    return python(COMMAND, json.dumps(words), folder=project.folder)


def test_a_run_that_is_wholly_reused_is_light(warm):
    done = command(warm, "run", "main.py", "--json")
    assert {step["status"] for step in json.loads(done.stdout)["steps"]} == {"Reused"}
    assert third_party(done.stderr) == []
    assert "xxhash" in json.loads(done.stderr.splitlines()[-1])


ALL = "import json, sys\n" + COMMAND.removeprefix(DUMP).replace("loaded()", "sorted(sys.modules)")


def test_a_run_that_is_wholly_reused_does_without_what_is_dear_in_the_standard_library(project):
    project.write(main="from pipelinekit import pipeline, step\n\n@step\ndef one() -> list[int]:\n    return [1]\n\n"
                  "@pipeline\ndef main(count: int = 1):\n    return one()\n")  # fmt: skip
    project.run("main.py")
    done = python(ALL, json.dumps(["run", "main.py"]), folder=project.folder)
    assert "everything was reused" in done.stdout
    dear = {"argparse", "dataclasses", "gettext", "inspect", "locale", "subprocess", "tempfile", "threading", "typing"}
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert dear & loaded == set()
    remote = ("pipelinekit.client", "pipelinekit.connecting", "pipelinekit.cli.servers", "pipelinekit.rest")
    assert [name for name in loaded if name.startswith(remote)] == []


def test_a_run_for_people_that_is_wholly_reused_is_light(warm):
    done = command(warm, "run", "main.py")
    assert "everything was reused" in done.stdout
    assert third_party(done.stderr) == []


def test_a_run_that_executes_on_this_machine_is_light_too(warm):
    warm.edit("helpers.py", "n * factor", "n + factor")
    done = command(warm, "run", "main.py", "--json")
    assert "Completed" in {step["status"] for step in json.loads(done.stdout)["steps"]}
    assert third_party(done.stderr) == []


def test_what_executes_on_a_cluster_loads_more(warm, dask_address):
    """The other half of the promise: without it the tests here could not fail."""
    warm.edit("helpers.py", "n * factor", "n - factor")
    done = command(warm, "run", "main.py", "--json", "--compute", dask_address)
    assert "Completed" in {step["status"] for step in json.loads(done.stdout)["steps"]}
    assert "distributed" in third_party(done.stderr)


def test_a_run_on_a_dataset_that_is_wholly_reused_is_light_too(warm):
    warm("datasets", "register", "numbers", "numbers.txt")
    done = command(warm, "run", "main.py", "--json", "-p", "data=dataset:numbers")
    assert {step["status"] for step in json.loads(done.stdout)["steps"]} == {"Reused"}
    assert third_party(done.stderr) == []


def test_looking_is_light(warm):
    for words in (
        ("plan", "main.py", "--json"),
        ("explain", "--json"),
        ("runs", "list"),
        ("runs", "show"),
        ("runs", "logs"),
        ("runs", "outputs", "--json"),
        ("compile", "main.py", "-o", "graph.json"),
        ("settings",),
    ):
        assert third_party(command(warm, *words).stderr) == [], words


def test_an_edit_that_changes_no_key_is_light_too(warm):
    warm.edit("helpers.py", "def double", "# twice\ndef double")
    (warm.folder / "other.py").write_text("import numpy\n")
    os.utime(warm.folder / "numbers.txt")
    done = command(warm, "run", "main.py", "--json")
    assert {step["status"] for step in json.loads(done.stdout)["steps"]} == {"Reused"}
    assert third_party(done.stderr) == []


def test_the_harness_is_light_until_a_value_needs_more(tmp_path):
    script = DUMP + "import pipelinekit.harness.process\nprint(json.dumps(loaded()))"
    assert third_party(python(script, folder=tmp_path).stdout) == []
