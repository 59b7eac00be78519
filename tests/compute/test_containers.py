"""Container images: how they are pinned, what is called, and what is said where no engine works.

The engine of these tests is a script that answers as docker does and runs the command here; that a real one does so is
not shown by them.
"""

import json

import pytest

from pipelinekit import Environment
from pipelinekit.compute.containers import container_command, container_engine, pinned_image
from pipelinekit.compute.environments import Environments
from pipelinekit.errors import ComputeError

DIGEST = "sha256:" + "0123456789abcdef" * 4
ENGINE = f"""#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
case "$1" in
info) exit 0 ;;
build) cat > "$(dirname "$0")/dockerfile"; echo {DIGEST} ;;
pull) [ "$3" = missing ] && {{ echo "manifest unknown" >&2; exit 1; }}; exit 0 ;;
image) echo "registry.example/box@{DIGEST}" ;;
run)
    shift
    while [ $# -gt 0 ]; do
        case "$1" in
        --rm|--init) shift ;;
        --workdir) cd "$2"; shift 2 ;;
        --entrypoint) entry="$2"; shift 2 ;;
        --*) shift 2 ;;
        *) break ;;
        esac
    done
    shift
    exec "$entry" "$@" ;;
esac
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A program named docker, and nothing else that could be an engine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(ENGINE)
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def calls(engine):
    return (engine / "calls").read_text().splitlines()


def test_an_image_that_is_pinned_needs_no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    image = f"registry.example:5000/box@{DIGEST}"
    assert pinned_image(Environment("e", image=image)) == image
    assert Environments(tmp_path).resolve(Environment("e", image=image)).image == image


def test_a_tag_is_pinned_by_the_digest_that_it_has_now(engine):
    assert pinned_image(Environment("e", image="box:latest")) == f"registry.example/box@{DIGEST}"
    assert [line.partition(" ")[0] for line in calls(engine)] == ["info", "pull", "image"]


def test_a_dockerfile_is_built_without_files_beside_it(engine):
    assert pinned_image(Environment("e", dockerfile="FROM box\nRUN true\n")) == DIGEST
    assert (engine / "dockerfile").read_text() == "FROM box\nRUN true\n"
    assert calls(engine)[-1] == "build --quiet -"


def test_an_image_that_is_not_there_is_told_in_the_engines_words(engine):
    with pytest.raises(ComputeError, match="the image of environment 'e' cannot be fetched:\nmanifest unknown"):
        pinned_image(Environment("e", image="missing"))


def test_without_an_engine_each_is_told_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ComputeError) as error:
        container_engine("box")
    assert "environment 'box' is a container image" in error.value.message
    assert "docker is not installed; podman is not installed" in error.value.message
    assert "packages instead of an image" in error.value.hint
    (tmp_path / "docker").write_text("#!/bin/sh\necho Cannot connect to the daemon >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    with pytest.raises(ComputeError, match=r"docker does not work \(Cannot connect to the daemon\)"):
        container_engine("box")


def test_the_command_line_shows_no_value_of_a_variable(tmp_path):
    scratch = tmp_path / "scratch"
    (scratch / "inputs").mkdir(parents=True)
    words = ["tool", "--out", str(scratch / "out")]
    command = container_command("docker", f"box@{DIGEST}", scratch, scratch / "source", ["TOKEN", "A"], words)
    assert command[:4] == ["docker", "run", "--rm", "--init"]
    text = " ".join(command)
    assert "--env A --env TOKEN" in text
    assert f"--volume {scratch}:{scratch} --volume {scratch}/inputs:{scratch}/inputs:ro" in text
    assert text.endswith(f"--workdir {scratch}/source --entrypoint tool box@{DIGEST} --out {scratch}/out")
    assert "--userns keep-id" in " ".join(container_command("podman", DIGEST, scratch, scratch, [], words))
    assert "--pull never" in " ".join(container_command("podman", DIGEST, scratch, scratch, [], words))


PIPELINE = """
from pipelinekit import CommandStep, Environment, PythonScriptStep, pipeline, step

box = Environment("box", image="box:1", variables={{"MODE": "fast"}})
copy = CommandStep("sh -c 'echo $MODE {{inputs.x}} > {{outputs.text}}'", inputs=["x"], outputs=["text"], environment=box)

@step{decoration}
def read(text: str = "") -> str:
    return text

@pipeline
def main(x: int = 7):
    read()
    return copy(x=x).text
"""


def test_a_command_runs_in_the_image_and_its_digest_is_keyed(project, engine):
    project.write(main=PIPELINE.format(decoration=""))
    project("compile", "main.py", "-o", "graph.json")
    steps = json.loads((project.folder / "graph.json").read_text())["steps"]
    assert {step["software"].get("base") for step in steps} == {None, f"image:registry.example/box@{DIGEST}"}
    assert set(project.executed("main.py")) == {"sh", "read"}
    saved = project("runs", "outputs", "--save", "out", "--json").json
    assert (project.folder / saved["output"]).read_text() == "fast 7\n"
    assert any(line.startswith("run --rm") and "--env MODE" in line for line in calls(engine))
    assert project.executed("main.py") == []


def test_a_function_cannot_run_in_an_image(project, engine):
    project.write(main=PIPELINE.format(decoration="(environment=box)"))
    error = project("run", "main.py", code=2).err
    assert "step 'read' is a Python function, and environment 'box' is a container image" in error


def test_a_machine_without_an_engine_refuses_the_step(project, engine):
    project.write(main=PIPELINE.format(decoration=""))
    project("compile", "main.py", "-o", "graph.json")
    (engine / "docker").write_text("#!/bin/sh\necho no daemon >&2\nexit 1\n")
    done = project("run", "graph.json", code=1)
    assert "environment 'box' is a container image, and no container engine works here" in done.out + done.err
    assert "docker does not work (no daemon)" in done.out + done.err
