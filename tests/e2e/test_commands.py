"""The command line as a person meets it: what it prints, what it refuses, how it ends."""

import json
import os

import pytest

from pipelinekit.storage.database import migrations

STEPS = """
    from pipelinekit import pipeline, step, File

    @step
    def one(x: int) -> int:
        print("one says", x)
        return x

    @step
    def fail(x: int) -> int:
        raise ValueError(f"cannot take {x}")

    @pipeline
    def good(x: int = 1, name: str | None = None):
        return {"x": one(x)}

    @pipeline
    def bad(x: int = 1):
        return {"x": one(fail(x))}

    @pipeline
    def faulty(x: int = 1):
        one("text")
        one(y=2)

    @pipeline
    def files(data: File, more: File | None = None):
        return one(1)

    @pipeline
    def loop(n: int = 2):
        for i in range(n):
            one(i)
"""


@pytest.fixture
def steps(project):
    return project.write(steps=STEPS)


def test_a_run_is_told_in_lines_and_a_summary(steps):
    first = steps("run", "steps.py:good")
    assert "Completed one" in first.err
    assert "(it has not run before)" in first.err
    assert "1 step, 1 completed" in first.out
    second = steps("run", "steps.py:good")
    assert "Reused    one  from run" in second.err
    assert "everything was reused" in second.out


def test_a_failure_is_told_with_its_cause_and_what_to_do_next(steps):
    found = steps("run", "steps.py:bad", code=1)
    assert "step 'fail' failed: ValueError: cannot take 1" in found.out
    assert 'File "steps.py", line 11, in fail' in found.out
    assert "see all that it wrote: pipelinekit runs logs" in found.out
    assert "pipelinekit/" not in found.out
    document = steps.run("steps.py:bad", code=1)
    assert document["status"] == "Failed"
    assert [step["status"] for step in document["steps"]] == ["Failed", "Canceled"]
    assert document["steps"][0]["error"]["kind"] == "user"


def test_the_document_of_a_run(steps):
    document = steps.run("steps.py:good", "-p", "x=5", "--experiment", "mine")
    assert set(document) >= {"id", "status", "steps", "outputs", "experiment", "number", "parameters", "summary"}
    assert document["experiment"] == "mine"
    assert document["parameters"] == {"name": None, "x": 5}
    (step,) = document["steps"]
    assert (step["name"], step["status"], step["reused_from"]) == ("one", "Completed", None)
    assert step["reasons"] == [{"cause": "first run", "message": "it has not run before"}]
    assert step["seconds"] > 0
    assert document["outputs"] == {"x": 5}


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["steps.py"], ["has several pipelines: good, bad, faulty, files, loop", "name one: steps.py:good"]),
        (["steps.py:none"], ["has no pipeline 'none'"]),
        (["absent.py"], ["there is no file 'absent.py'"]),
        (["steps.txt"], ["there is no file 'steps.txt'"]),
        (["steps.py:good", "-p", "x"], ["parameter 'x' has no value", "NAME=VALUE"]),
        (
            ["steps.py:good", "-p", "x=a", "-p", "nam=3"],
            ["there is no parameter 'nam'", "did you mean 'name'?", "expected int, got 'a'"],
        ),
        (["steps.py:good", "-p", "x=1", "-p", "x=2"], ["parameter 'x' is given twice"]),
        (
            ["steps.py:faulty"],
            [
                "3 faults",
                "steps.py:23: step 'one' input 'x': expected int, got str 'text'",
                "steps.py:24: step 'one' has no input 'y'",
                "steps.py:24: step 'one' has no value for its input 'x' (int)",
            ],
        ),
        (["steps.py:files"], ["parameter 'data' (file) has no value and no default"]),
        (["steps.py:files", "-p", "data=absent.csv"], ["absent.csv': No such file or directory"]),
        (["steps.py:files", "-p", "data=."], ["it is a folder, not a file"]),
        (["steps.py:good", "--compute", "nonsense"], ["there is no compute target 'nonsense'"]),
        (["steps.py:good", "--experiment", "a/b"], ["experiment name 'a/b' is not allowed"]),
        (["absent.json"], ["there is no file 'absent.json'"]),
    ],
)
def test_bad_input_gives_one_message_and_leaves_the_workspace_as_it_was(steps, words, parts):
    steps("run", "steps.py:good")
    before = steps("runs", "list", "--json").json
    found = steps("run", *words, code=2)
    for part in parts:
        assert part in found.err
    assert found.err.startswith(("error: ", "usage: "))
    assert found.out == ""
    assert steps("runs", "list", "--json").json == before


def test_errors_for_machines_are_documents(steps):
    document = steps("run", "steps.py:faulty", "--json", code=2).json
    assert document["error"]["code"] == "compile"
    assert [(fault["file"], fault["line"]) for fault in document["error"]["faults"]] == [
        ("steps.py", 23),
        ("steps.py", 24),
        ("steps.py", 24),
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("def broken(:\n", ["cannot be read", "broken.py:1:"]),
        (
            "import no_such_module\n",
            ["cannot be imported", "broken.py:1: ModuleNotFoundError: No module named 'no_such_module'"],
        ),
        ("x = 1\n\ny = 1 / 0\n", ["broken.py:3: ZeroDivisionError: division by zero"]),
        ("x = 1\n", ["has no pipeline", "decorate a function with @pipeline"]),
    ],
)
def test_files_that_cannot_be_used(project, text, parts):
    (project.folder / "broken.py").write_text(text)
    found = project("run", "broken.py", code=2)
    for part in parts:
        assert part in found.err
    assert not project.home.exists(), "nothing is created for a file that cannot be used"


def test_a_helper_with_an_error_is_named(project):
    project.write(
        main="from pipelinekit import pipeline, step\n@step\ndef one() -> int:\n    import helper\n    return helper.x\n@pipeline\ndef main():\n    return one()\n"
    )
    (project.folder / "helper.py").write_text("def x(:\n")
    assert "helper.py:1: the module cannot be parsed" in project("run", "main.py", code=2).err


def test_a_file_whose_name_is_taken_is_refused(project):
    project.write(json="from pipelinekit import pipeline\n@pipeline\ndef p():\n    pass\n")
    found = project("run", "json.py", code=2)
    assert "that is the name of" in found.err
    assert "rename the file" in found.err


def test_structural_parameters_are_fixed_in_a_stored_graph(steps):
    steps("compile", "steps.py:loop", "-o", "loop.json")
    found = steps("run", "loop.json", "-p", "n=3", code=2)
    assert "parameter 'n' is structural: it is fixed at 2 in this graph, not 3" in found.err
    assert "its value was used at steps.py:32" in found.err
    assert len(steps.run("steps.py:loop", "-p", "n=3")["steps"]) == 3


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not JSON"),
        ("{}", "is not a compiled graph"),
        ('{"kind": "pipelinekit.graph", "version": 99}', "has version 99; this release reads version 1"),
        ('{"kind": "pipelinekit.graph", "version": 1}', "is damaged"),
        ('{"kind": "a", "kind": "b"}', "a key appears twice"),
    ],
)
def test_graph_documents_that_cannot_be_read(project, text, part):
    (project.folder / "graph.json").write_text(text)
    assert part in project("run", "graph.json", code=2).err


def test_a_stored_graph_whose_nodes_make_no_order_is_refused(steps):
    steps("compile", "steps.py:loop", "-o", "loop.json")
    graph = json.loads((steps.folder / "loop.json").read_text())
    graph["nodes"][0]["after"] = [1]
    (steps.folder / "loop.json").write_text(json.dumps(graph))
    assert "refers to a node that does not come before it" in steps("run", "loop.json", code=2).err


def test_runs_are_listed_shown_and_their_outputs_printed(steps):
    ids = [steps.run("steps.py:good", "-p", f"x={n}")["id"] for n in range(3)]
    listed = steps("runs", "list", "--json").json["runs"]
    assert [run["id"] for run in listed] == ids[::-1]
    assert [run["id"] for run in steps("runs", "list", "--json", "--after", ids[2], "--limit", "1").json["runs"]] == [
        ids[1]
    ]
    assert ids[0] in steps("runs", "list").out
    shown = steps("runs", "show", ids[1]).out
    assert "one" in shown
    assert "Completed" in shown
    assert steps("runs", "show", ids[1][:12] + ids[1][12:], "--json").json["id"] == ids[1]
    assert steps("runs", "outputs", ids[2], "--json").json["x"]["value"] == 2
    assert steps("runs", "outputs", ids[2], "--step", "one", "--json").json["output"]["value"] == 2
    assert steps("runs", "logs", ids[2]).out == "==> one  Completed\none says 2\n"
    assert steps("runs", "logs", ids[2], "one").out == "one says 2\n"
    again = steps.run("steps.py:good", "-p", "x=2")
    assert steps("runs", "logs", again["id"], "one").out == "one says 2\n", "a reused step shows its original's log"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["runs", "show", "zzz"], "there is no run 'zzz'"),
        (["runs", "logs", "latest", "nope"], "has no step 'nope'"),
        (["runs", "outputs", "latest", "--step", "nope"], "has no step 'nope'"),
        (["explain", "latest", "nope"], "has no step 'nope'"),
        (["runs", "outputs", "latest", "--save", "x"], "has no file or folder among its outputs"),
    ],
)
def test_what_is_not_there_is_told(steps, words, part):
    steps.run("steps.py:good")
    assert part in steps(*words, code=2).err


def test_looking_needs_a_workspace_and_makes_none(project):
    for words in (["runs", "list"], ["runs", "show"], ["explain"]):
        found = project(*words, code=2)
        assert "there is no workspace at" in found.err
    assert not project.home.exists()


def test_the_workspace_is_found_from_below_and_can_be_named(steps, tmp_path):
    steps.run("steps.py:good")
    below = steps.folder / "deep" / "er"
    below.mkdir(parents=True)
    outer = steps.folder
    steps.folder = below
    assert len(steps("runs", "list", "--json").json["runs"]) == 1
    steps.folder = outer
    other = tmp_path / "other"
    steps.run("steps.py:good", "--workspace", str(other))
    assert len(steps("runs", "list", "--json", "--workspace", str(other)).json["runs"]) == 1
    assert len(steps("runs", "list", "--json").json["runs"]) == 1
    assert (other / ".pipelinekit" / ".gitignore").read_text() == "*\n"


def test_settings_come_from_file_environment_and_flag(steps):
    steps.run("steps.py:good")
    (steps.home / "config.toml").write_text('experiment = "from file"\ncores = 1\n')
    found = {
        item["name"]: item for item in steps("settings", "--json", env={"PIPELINEKIT_CORES": "2"}).json["settings"]
    }
    assert (found["experiment"]["value"], found["experiment"]["origin"]) == (
        "from file",
        str(steps.home / "config.toml"),
    )
    assert (found["cores"]["value"], found["cores"]["origin"]) == (2, "environment variable PIPELINEKIT_CORES")
    assert found["compute"]["origin"] == "default"
    assert steps.run("steps.py:good")["experiment"] == "from file"
    assert steps.run("steps.py:good", "--experiment", "flag")["experiment"] == "flag"
    assert "meaning" in steps("settings").out


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("colour = 1\n", "there is no setting 'colour'"),
        ('cores = "many"\n', "setting 'cores' must be a whole number, not 'many'"),
        ("cores = \n", "cannot be read"),
    ],
)
def test_settings_that_make_no_sense(steps, text, part):
    steps.run("steps.py:good")
    (steps.home / "config.toml").write_text(text)
    assert part in steps("runs", "list", code=2).err
    (steps.home / "config.toml").unlink()
    assert "must be a whole number" in steps("runs", "list", code=2, env={"PIPELINEKIT_CORES": "x"}).err


def test_files_are_given_by_path_from_where_one_stands(steps, tmp_path):
    (tmp_path / "data.csv").write_text("1")
    assert steps.run("steps.py:files", "-p", "data=../data.csv")["status"] == "Completed"
    assert steps.run("steps.py:files", "-p", "data=../data.csv", "-p", "more=null")["steps"][0]["status"] == "Reused"


def test_help_version_and_unknown_commands(project):
    for command in ("run", "plan", "explain", "runs", "compile", "settings", "graph"):
        assert f"\n  {command}" in project("--help").out
        assert "usage: pipelinekit" in project(command, "--help").out
    assert project("--version").out.startswith("pipelinekit ")
    assert "there is no command 'frob'" in project("frob", code=2).err


def test_debug_shows_tracebacks(steps):
    process = steps.start("run", "steps.py:none", "--debug")
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" in err


def test_a_snapshot_that_is_too_large_names_the_largest_entries(project):
    project.write(steps=STEPS)
    (project.folder / "data").mkdir()
    with (project.folder / "data" / "big.bin").open("wb") as stream:
        stream.truncate(400 * 2**20)
    found = project("run", "steps.py:good", code=2)
    assert "is larger than a snapshot may be" in found.err
    assert "data (400 MiB)" in found.err
    (project.folder / ".amlignore").write_text("data/\n")
    assert project.run("steps.py:good")["status"] == "Completed"


def test_links_out_of_the_source_folder_are_refused_by_name(project):
    project.write(steps=STEPS)
    os.symlink("/etc/hostname", project.folder / "link")
    found = project("run", "steps.py:good", code=2)
    assert "link is a link to /etc/hostname, outside the source folder" in found.err


def test_a_workspace_of_a_newer_release_is_refused(steps):
    import sqlite3

    steps.run("steps.py:good")
    connection = sqlite3.connect(steps.home / "records.db")
    connection.execute("pragma user_version = 99")
    connection.close()
    found = steps("runs", "list", code=1)
    assert f"schema 99, newer than the {migrations()[-1][0]} that this release knows" in found.err


def test_damaged_records_are_told(steps):
    steps.run("steps.py:good")
    (steps.home / "records.db").write_bytes(b"nonsense" * 1000)
    found = steps("runs", "list", code=1)
    assert "cannot be used: file is not a database" in found.err
    assert "restore it from a backup" in found.err


def test_no_more_processes_are_started_than_steps_run_at_once(project):
    """A module that takes long to import is imported once to look at the pipeline, and once to run its steps."""
    project.write(
        main="""
            import os
            from pathlib import Path
            from pipelinekit import pipeline, step

            with Path(os.environ["IMPORTED"]).open("a") as stream:
                stream.write(f"{os.getpid()}\\n")

            @step
            def one(value: int) -> int:
                return value + 1

            @pipeline
            def main():
                return one(one(one(0)))
        """
    )
    imported = project.folder.parent / "imported.txt"
    assert len(project.executed("main.py", env={"IMPORTED": str(imported)})) == 3
    assert len(set(imported.read_text().split())) == 2
