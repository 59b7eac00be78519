"""Steps in environments of their own, with packages that the tests build: registered, locked once, built once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wheels import make_wheel

from pipelinekit import Environment, Workspace
from pipelinekit.errors import ComputeError, NotFoundError, UsageError

PIPELINE = """
from pipelinekit import Environment, File, pipeline, step

@step(environment="training")
def report() -> list[str]:
    import sys
    import pk_alpha
    ours = sorted(name for name in ("pyarrow", "numpy", "distributed", "pathspec", "rich") if found(name))
    return [pk_alpha.__version__, sys.prefix, *ours]

def found(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None

@step(environment="training:1")
def write(words: list[str]) -> File:
    from pathlib import Path
    import pk_alpha
    Path("out.txt").write_text(f"{pk_alpha.__version__} {words[0]}")
    return File("out.txt")

@step(environment="training:1")
def read(given: File) -> dict[str, str]:
    return {"text": given.read_text()}

@pipeline
def main():
    words = report()
    return {"words": words, "text": read(write(words))}
"""


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder with tiny packages, the only place that uv looks in."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "pk-alpha", "1.0", scripts=["pk-alpha-say"])
    make_wheel(folder, "pk-alpha", "1.1", requires=["pk-beta>=1"])
    make_wheel(folder, "pk-beta", "1.0")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    return folder


@pytest.fixture
def training(project, packages):
    """A project whose environment `training` is registered in two versions."""
    environments = Workspace.open(project.folder).environments
    environments.register(Environment("training", ["pk-alpha==1.0"]))
    environments.register(Environment("training", ["pk-alpha"], {"MODE": "fast"}))
    return project


def built(project):
    return sorted(path.name for path in (project.home / "environments").glob("[!.]*"))


def test_steps_run_in_registered_environments_with_nothing_of_ours_installed(training):
    training.write(main=PIPELINE)
    outputs = training.run("main.py")["outputs"]
    assert outputs["words"][0] == "1.1"
    assert outputs["words"][2:] == [], "the step sees packages of pipelinekit's own environment"
    assert outputs["text"] == {"text": "1.0 1.1"}
    assert Path(outputs["words"][1]).parent == training.home / "environments"
    assert len(built(training)) == 2
    assert training.executed("main.py") == []


def test_the_newest_version_is_taken_when_the_pipeline_is_compiled_and_stays_in_the_graph(training):
    training.write(main=PIPELINE)
    training("compile", "main.py", "-o", "graph.json")
    graph = json.loads((training.folder / "graph.json").read_text())
    assert [step["environment"] for step in graph["steps"]] == ["training:2", "training:1", "training:1"]
    assert graph["steps"][0]["software"]["lock"][0].startswith("pk-alpha==1.1 --hash=sha256:")
    training.run("main.py")
    training("environments", "register", "training", "--package", "pk-alpha==1.0", "--variable", "MODE=slow")
    assert training.executed("graph.json") == []
    assert training.run("main.py")["outputs"]["words"][0] == "1.0"
    reasons = training("explain", "--json").json["steps"][0]["reasons"]
    assert {reason["cause"] for reason in reasons} == {"environment", "variable"}


def test_an_environment_is_resolved_once_until_it_is_upgraded(training, packages):
    training.write(main=PIPELINE)
    training.run("main.py")
    make_wheel(packages, "pk-alpha", "1.2")
    (training.home / "cache" / "local.db").unlink()
    assert training.executed("main.py") == []
    told = training("environments", "lock", "training", "--upgrade").out
    assert "pk-alpha==1.1 -> pk-alpha==1.2" in told
    assert "pk-beta==1.0 -> nothing" in told
    assert training.run("main.py")["outputs"]["words"][0] == "1.2"


def test_an_unregistered_environment_is_recorded_with_its_lock(project, packages):
    project.write(
        main="""
        from pipelinekit import Environment, pipeline, step

        @step(environment=Environment("ad hoc", ["pk-alpha"]))
        def version() -> str:
            import pk_alpha
            return pk_alpha.__version__

        @pipeline
        def main():
            return version()
        """
    )
    assert project.run("main.py")["outputs"] == {"output": "1.1"}
    assert project("environments", "list", "--json").json == {"environments": []}
    (found,) = project("environments", "list", "--all", "--json").json["environments"]
    assert (found["name"], found["version"], found["packages"]) == ("ad hoc", None, ["pk-alpha"])
    make_wheel(packages, "pk-alpha", "1.3")
    project.edit("main.py", "import pk_alpha", "import pk_alpha as given; pk_alpha = given")
    assert project.run("main.py")["outputs"] == {"output": "1.1"}, "it was resolved before"


BUILD = """
import sys
from pathlib import Path
from pipelinekit import Workspace

workspace = Workspace.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(workspace.environments.build("training:1"))
"""


def test_processes_that_need_one_environment_at_once_build_it_once(training):
    calls = training.folder / "uv calls"
    command = [sys.executable, "-P", "-c", BUILD, str(training.folder)]
    program = training.folder / "bin" / "uv"
    program.parent.mkdir()
    real = subprocess.run(
        [sys.executable, "-c", "import uv; print(uv.find_uv_bin())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    program.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\nexec {real} "$@"\n')
    program.chmod(0o755)
    spy = "import uv, sys\nuv.find_uv_bin = lambda: sys.argv[2]\n"
    command = [sys.executable, "-P", "-c", spy + BUILD, str(training.folder), str(program)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    places = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert len(places) == 1
    assert Path(places.pop()).exists()
    assert len([line for line in calls.read_text().splitlines() if " venv " in f" {line} "]) == 1
    assert len(built(training)) == 1


def test_a_damaged_environment_is_made_again_before_a_step_runs_in_it(training):
    training.write(main=PIPELINE)
    training("environments", "build", "training:1")
    (module,) = training.home.glob("environments/*/lib/*/site-packages/pk_alpha.py")
    module.write_text(module.read_text().replace("1.0", "9.9"))
    assert training("environments", "show", "training:1", "--json").json["built"] == "damaged"
    assert training.run("main.py")["outputs"]["text"] == {"text": "1.0 1.1"}
    noted = [(row["action"], row["object"]) for row in training("tokens", "audit", "--json").json["rows"]]
    assert noted[0] == ("environments.build", "training:1")


def test_an_environment_goes_when_nobody_has_used_it_for_long_unless_it_is_registered(training):
    training.write(main=PIPELINE)
    training.run("main.py")
    old = {place.name for place in (training.home / "environments").glob("[!.]*")}
    for place in old:
        os.utime(training.home / "environments" / place, (0, 0))
    training("gc")
    assert set(built(training)) == old, "registered environments stay"
    training("environments", "delete", "training:2")
    freed = {item["kind"]: item["count"] for item in training("gc", "--json").json["freed"]}
    assert freed["built environments"] == 1
    assert len(built(training)) == 1
    training("environments", "register", "training", "--package", "pk-alpha", "--variable", "MODE=fast")
    training("run", "main.py", "--regenerate")
    assert len(built(training)) == 2, "it is made again when it is needed"


def other_python():
    """A Python that is installed here and is not the one that runs the tests."""
    listed = subprocess.run(
        [sys.executable, "-m", "uv", "python", "list", "--only-installed", "--output-format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    own = ".".join(map(str, sys.version_info[:3]))
    found = {item["version"] for item in json.loads(listed.stdout)} - {own}
    usable = sorted(version for version in found if version.startswith(("3.11.", "3.12.", "3.13.")))
    assert usable, "this test needs a second Python, 3.11 to 3.13, that uv finds"
    return usable[0]


def test_a_step_runs_on_another_python_than_the_workspace(project, packages, monkeypatch):
    monkeypatch.delenv("UV_OFFLINE")  # what the harness needs may have to be fetched for that Python
    version = other_python()
    project.write(
        main=f"""
        from pipelinekit import Environment, pipeline, step

        @step(environment=Environment("older", python="{version}"))
        def bare(x: int = 1) -> list[str]:
            import sys
            return [sys.version.partition(" ")[0], str(x)]

        @pipeline
        def main():
            return bare()
        """
    )
    assert project.run("main.py")["outputs"] == {"output": [version, "1"]}
    assert project.executed("main.py") == []
    project.edit("main.py", f', python="{version}"', ', packages=["pk-alpha==1.0"]')
    assert project.run("main.py")["outputs"]["output"][0] == ".".join(map(str, sys.version_info[:3]))


def test_a_python_that_is_not_there_and_cannot_be_fetched_is_told(project, packages):
    project("environments", "register", "old", "--python", "3.12.0")
    done = project("environments", "lock", "old", code=1)
    assert "environment 'old' wants Python 3.12.0, which is not installed here and could not be fetched" in done.err
    assert "cpython-3.12.0" in done.err, "uv's own words"
    assert "choose a version that is here" in done.err


def test_a_build_that_fails_names_the_environment_and_quotes_the_resolver(training, packages, monkeypatch):
    training.write(main=PIPELINE)
    training("environments", "lock", "training:1")
    make_wheel(packages, "pk-alpha", "1.0", text="# other bytes\n")
    monkeypatch.setenv("UV_CACHE_DIR", str(packages / "empty cache"))  # where the locked bytes are not kept
    done = training("run", "main.py", code=1)
    assert "environment 'training:1' cannot be built" in done.out + done.err
    assert "Hash mismatch" in done.out + done.err
    training("environments", "register", "wrong", "--package", "pk-alpha>9", "--package", "pk-beta")
    done = training("environments", "lock", "wrong", code=1)
    assert "the packages of environment 'wrong' cannot be resolved" in done.err
    assert "pk-alpha>9" in done.err
    assert "hint: " in done.err


def test_a_lock_is_written_as_a_file_that_is_an_environment_again(training):
    training("environments", "lock", "training:2", "-o", "lock.txt")
    made = Environment.from_requirements(training.folder / "lock.txt", name="whole")
    environments = Workspace.open(training.folder).environments
    assert environments.lock(made) == environments.lock("training:2")


def test_a_faulty_name_of_an_environment_is_a_fault_of_the_pipeline(training):
    training.write(main=PIPELINE.replace('"training:1"', '"training:7"').replace('"training"', '"nobody"'))
    done = training("run", "main.py", code=2)
    assert "there is no registered environment 'nobody'" in done.err
    assert "environment 'training' has no version 7" in done.err
    assert "main.py:" in done.err


def test_steps_do_not_run_in_the_drivers_process_if_they_have_an_environment(training):
    training.write(main=PIPELINE)
    done = training("run", "main.py", "--in-process", code=1)
    assert "environment 'training:2'" in done.out + done.err
    assert "in-process" in done.out + done.err


def test_a_package_that_an_environment_lacks_is_missed_by_the_name_of_the_environment(training):
    training.write(main=PIPELINE.replace("    import pk_alpha\n    Path", "    import numpy\n    Path"))
    done = training("run", "main.py", code=1)
    assert "No module named 'numpy'" in done.out
    assert "name what it needs among the packages of environment 'training:1'" in done.out


def test_commands_of_an_environment_are_found(training):
    training.write(
        main="""
        from pipelinekit import CommandStep, PythonScriptStep, pipeline

        say = CommandStep("sh -c 'pk-alpha-say > {outputs.text}'", outputs=["text"], environment="training:1")

        @pipeline
        def main():
            return say().text
        """
    )
    training.run("main.py")
    saved = training("runs", "outputs", "--save", "here", "--json").json
    assert (training.folder / saved["output"]).read_text() == "1.0\n"


def test_environments_in_python(training, monkeypatch):
    workspace = Workspace.open(training.folder)
    assert [item.label for item in workspace.environments.list()] == ["training:2", "training:1"]
    found = workspace.environments.get("training", 1)
    assert (found.packages, found.version) == (("pk-alpha==1.0",), 1)
    assert workspace.environments.get("training:1") == found
    assert workspace.environments.register(Environment("training", ["pk-alpha==1.0"])) == found
    copy = workspace.environments.clone("training", "copy", version=1)
    assert (copy.label, copy.packages) == ("copy:1", found.packages)
    with pytest.raises(UsageError, match="registered with other content"):
        workspace.environments.register(Environment("training", ["pk-beta"]), version=1)
    with pytest.raises(UsageError, match="without a name cannot be registered"):
        workspace.environments.register(Environment(packages=["pk-beta"]))
    with pytest.raises(NotFoundError):
        workspace.environments.get("training", 9)
    with pytest.raises(UsageError, match="has nothing to build"):
        workspace.environments.build(Environment("ambient", variables={"A": "1"}))
    workspace.environments.delete("copy", 1)
    assert [item.name for item in workspace.environments.list("copy")] == []
    assert workspace.environments.lock("training").requirements[0].startswith("pk-alpha==1.1 ")
    box = Environment("box", image=f"python@sha256:{'0' * 64}")
    with pytest.raises(ComputeError, match="environment 'box' is the container image"):
        workspace.environments.build(box)
