"""Files that a step opens without declaring them: noticed, told, and counted from then on."""

import importlib
import tempfile
from pathlib import Path

import pytest

STEPS = """
    import json
    import socket
    from pathlib import Path
    from pipelinekit import pipeline, step

    HERE = Path(__file__).parent

    @step
    def configured(x: int) -> int:
        return x * json.loads((HERE / "config.json").read_text())["factor"]

    @step
    def elsewhere(x: int, path: str) -> str:
        Path("scratch.txt").write_text("its own")
        assert Path("scratch.txt").read_text() == "its own"
        return Path(path).read_text() * x

    @step
    def clean(x: int) -> int:
        return x + 1

    @step
    def talks(port: int) -> int:
        with socket.create_connection(("127.0.0.1", port)):
            return port

    @pipeline
    def here(x: int = 2):
        return clean(configured(x))

    @pipeline
    def there(x: int = 2, path: str = ""):
        return elsewhere(x, path)

    @pipeline
    def network(port: int):
        return talks(port)
"""


@pytest.fixture
def tmp_path():
    """A folder outside of /dev, where what is opened is the system's, and not noted."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def steps_of(document):
    return {step["name"]: step for step in document["steps"]}


def test_a_file_of_the_source_counts_once_it_was_opened(project):
    project.write(steps=STEPS)
    config = project.folder / "config.json"
    config.write_text('{"factor": 3}')
    first = steps_of(project.run("steps.py:here"))
    assert "config.json without declaring it" in first["configured"]["note"]
    assert "note" not in first["clean"]
    assert project.executed("steps.py:here") == []
    config.write_text('{"factor": 5}')
    planned = project("plan", "steps.py:here", "--json").json["steps"]
    assert [(step["decision"], step["reasons"][0]["cause"]) for step in planned] == [
        ("run", "undeclared"),
        ("maybe", "upstream"),
    ]
    assert project.executed("steps.py:here") == ["configured", "clean"]
    reasons = project("explain", "latest", "configured", "--json").json["steps"][0]["reasons"]
    assert [(item["cause"], item["name"]) for item in reasons] == [("undeclared", "config.json")]
    config.write_text('{"factor": 3}')
    assert project.executed("steps.py:here") == []


def test_a_file_elsewhere_counts_once_it_was_opened(project, tmp_path):
    project.write(steps=STEPS)
    data = tmp_path / "data.txt"
    data.write_text("a")
    words = ("steps.py:there", "-p", f"path={data}")
    assert "data.txt without declaring it" in steps_of(project.run(*words))["elsewhere"]["note"]
    assert project.executed(*words) == []
    data.write_text("b")
    told = project("run", *words).out
    assert f"step 'elsewhere': it opened {data} without declaring it" in told
    assert project.run(*words)["outputs"]["output"] == "bb"
    data.write_text("a")
    assert project.executed(*words) == []


def test_in_process_runs_notice_as_well(project, tmp_path):
    project.write(steps=STEPS)
    data = tmp_path / "data.txt"
    data.write_text("a")
    words = ("steps.py:there", "-p", f"path={data}")
    project.run(*words, "--in-process")
    assert project.executed(*words) == []
    data.write_text("b")
    assert project.executed(*words, "--in-process") == ["elsewhere"]


def test_the_network_is_told_and_not_guessed_at(project):
    import socket

    project.write(steps=STEPS)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = steps_of(project.run("steps.py:network", "-p", f"port={port}"))
        assert f"connected to 127.0.0.1:{port}" in found["talks"]["note"]
        assert project.executed("steps.py:network", "-p", f"port={port}") == []


def test_resources_and_compiled_modules_of_the_source_count(project):
    """Files by `importlib.resources` and beside the module, and an extension of the user's own, by its bytes."""
    extension = Path(importlib.import_module("xxhash._xxhash").__file__)
    for name in ("pkg", "ext"):
        (project.folder / name).mkdir()
        (project.folder / name / "__init__.py").touch()
    project.write(
        main="""
            import importlib.resources
            import json
            from pathlib import Path
            from pipelinekit import pipeline, step

            @step
            def resource() -> int:
                return json.loads(importlib.resources.files("pkg").joinpath("x.json").read_text())

            @step
            def beside() -> int:
                return json.loads((Path(__file__).parent / "pkg" / "y.json").read_text())

            @step
            def native(x: int) -> int:
                from ext import _xxhash
                return len(_xxhash.xxh32_hexdigest(b"x")) - x

            @pipeline
            def main():
                return [resource(), beside(), native(7)]
        """,
    )
    copy = project.folder / "ext" / extension.name
    copy.write_bytes(extension.read_bytes())
    for name in ("x.json", "y.json"):
        (project.folder / "pkg" / name).write_text("1")
    assert project.run("main.py")["outputs"] == {"output": [1, 1, 1]}
    assert project.executed("main.py") == []
    for name, step in {"x.json": "resource", "y.json": "beside"}.items():
        (project.folder / "pkg" / name).write_text("2")
        assert project.executed("main.py") == [step]
    copy.write_bytes(extension.read_bytes() + b"\0")
    assert project.executed("main.py") == ["native"]


def test_a_file_that_was_not_opened_again_is_not_told_to_have_changed(project):
    project.write(
        main="""
            from pathlib import Path
            from pipelinekit import pipeline, step

            @step
            def read(x: int) -> str:
                if x > 1:
                    raise ValueError(x)
                return (Path(__file__).parent / "words.txt").read_text()

            @pipeline
            def main(x: int = 1):
                return read(x)
        """
    )
    (project.folder / "words.txt").write_text("one")
    project.run("main.py")
    project.run("main.py", "-p", "x=2", code=1)
    (step,) = project("explain", "--json").json["steps"]
    assert [reason["cause"] for reason in step["reasons"]] == ["parameter"]
