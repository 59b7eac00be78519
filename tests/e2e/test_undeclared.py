"""Files that a step opens without declaring them: noticed, told, and counted from then on."""

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
