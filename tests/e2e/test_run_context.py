"""What the code of steps tells of its run, through real processes: metrics, tags, files, children."""

import json
import subprocess
import sys

import pytest

from pipelinekit import PipelinekitError, get_context
from pipelinekit.storage.sqlite_library import sqlite3

TRAIN = """
    import os
    import signal
    from pipelinekit import File, get_context, pipeline, step

    @step
    def train(epochs: int) -> float:
        run = get_context()
        for epoch in range(epochs):
            run.log("loss", 1 / (epoch + 1), step=epoch)
        run.log_list("curve", range(25_000))
        run.log_table("table", {"word": ["a", "b"], "count": [1, 2]})
        run.log_confusion_matrix("matrix", {"class_labels": ["no", "yes"], "matrix": [[3, 1], [0, 4]]})
        run.tag("model", "tree")
        run.set_property("seed", 7)
        with open("notes.txt", "w") as stream:
            stream.write("kept")
        run.upload("notes.txt", "notes.txt")
        assert os.path.exists("notes.txt"), "a file that is kept stays where it is"
        run.parent.log("score", 1 / epochs)
        run.parent.tag("best", "yes")
        for fold in range(2):
            with run.child_run(f"fold {fold}", {"fold": fold}) as child:
                child.log("loss", fold)
                child.child_run("below").complete()
        assert run.parameters == {"epochs": epochs}
        return 1 / epochs

    @pipeline
    def main(epochs: int = 4):
        return train(epochs)
"""


@pytest.fixture
def trained(project):
    project.write(main=TRAIN).run("main.py")
    return project


def metrics(project, *words):
    return {item["name"]: item for item in project("runs", "metrics", *words, "--json").json["metrics"]}


@pytest.mark.parametrize("compute", ["local", "in-process"])
def test_what_a_step_tells_is_found_and_told_again_when_it_is_reused(project, compute):
    first = project.write(main=TRAIN).run("main.py", "--compute", compute)["id"]
    again = project.run("main.py", "--compute", compute)
    assert again["summary"]["Reused"] == 1
    for run in (first, again["id"]):
        found = metrics(project, run)
        assert {name: item["points"] for name, item in found.items()} == {
            "score": 1, "loss": 4, "curve": 25_000, "table": 2, "matrix": 1,
        }  # fmt: skip
        assert (found["score"]["step"], found["loss"]["step"]) == (None, "train")
        assert (found["loss"]["last"], found["loss"]["lowest"], found["loss"]["highest"]) == (0.25, 0.25, 1.0)
        assert metrics(project, run, "--name", "loss")["loss"]["series"]["steps"] == [0, 1, 2, 3]
        assert metrics(project, run, "--name", "curve")["curve"]["series"]["values"] == list(range(25_000))
        assert metrics(project, run, "--name", "table")["table"]["columns"] == {"word": ["a", "b"], "count": [1, 2]}
        assert project("runs", "tag", run, "--json").json["tags"] == {"best": "yes"}
        assert project("runs", "tag", run, "--step", "train", "--json").json["tags"] == {"model": "tree"}
        children = project("runs", "children", run, "--json").json["children"]
        assert [child["display_name"] for child in children] == ["fold 0", "below", "fold 1", "below"]
        assert {child["status"] for child in children} == {"Completed"}
        saved = project("runs", "files", run, "--save", f"saved-{run}", "--json").json
        assert (project.folder / saved["train/notes.txt"]).read_text() == "kept"
    listed = project("runs", "list", "--where", "metric.score=0.25", "--tag", "best=yes", "--json").json["runs"]
    assert [run["id"] for run in listed] == [again["id"], first]
    assert len(project("runs", "list", "--children", "--tag", "fold", "--json").json["runs"]) == 2


def test_metrics_and_comparisons_are_readable(trained):
    trained.run("main.py", "-p", "epochs=2")
    trained.edit("main.py", "1 / (epoch + 1)", "2 / (epoch + 1)").run("main.py", "-p", "epochs=2")
    out = trained("runs", "metrics").out
    assert "loss" in out
    assert "█" in out
    runs = [run["id"] for run in trained("runs", "list", "--json").json["runs"]]
    rows = trained("runs", "compare", *runs, "--json").json["rows"]
    found = {(row["section"], row["name"]): row["values"] for row in rows}
    assert found["parameter", "epochs"] == ["2", "2", "4"]
    assert found["metric", "score"] == ["0.5", "0.5", "0.25"]
    assert found["metric", "train/loss"] == ["1", "0.5", "0.25"]
    assert ("code", "main:train") in found
    assert all(len(set(values)) > 1 for values in found.values())
    page = trained.folder / "curves.html"
    assert str(page.name) in trained("runs", "compare", *runs, "--plot", "curves.html").out
    text = page.read_text()
    assert text.count("<figure>") == 3
    assert all(run in text for run in runs)
    err = trained("runs", "compare", runs[0], code=2).err
    assert "nothing to be compared with" in err
    err = trained("runs", "metrics", "--name", "absent", code=2).err
    assert "it has: score, curve" in err


def test_a_killed_step_keeps_what_it_told_and_its_children_have_failed(project):
    project.write(
        main="""
            import os, signal
            from pipelinekit import get_context, pipeline, step

            @step
            def doomed() -> int:
                run = get_context()
                run.log_list("values", range(5000))
                run.child_run("open")
                run.flush()
                os.kill(os.getpid(), signal.SIGKILL)

            @pipeline
            def main():
                return doomed()
        """
    )
    project.run("main.py", code=1)
    assert metrics(project)["values"]["points"] == 5000
    children = project("runs", "children", "--json").json["children"]
    assert {(child["status"], child["error"]["kind"]) for child in children} == {("Failed", "lost")}


def test_a_step_that_is_tried_again_begins_its_metrics_anew(project):
    project.write(
        main="""
            from pathlib import Path
            from pipelinekit import Retry, get_context, pipeline, step

            @step(retries=Retry(delay=0))
            def shaky(marker: str) -> int:
                run = get_context()
                run.log("attempt", run.attempt)
                if not Path(marker).exists():
                    Path(marker).touch()
                    run.log("only in the first", 1)
                    raise RuntimeError("once")
                return 1

            @pipeline
            def main(marker: str):
                return shaky(marker)
        """
    )
    project.run("main.py", "-p", f"marker={project.folder / 'marker'}")
    assert {name: item["last"] for name, item in metrics(project).items()} == {"attempt": 2}


def test_a_script_tells_through_the_process_that_started_it(project):
    project.write(
        script="""
            import os, subprocess, sys
            from pipelinekit import get_context

            run = get_context()
            run.log_list("values", [1.5, 2.5])
            run.parent.log("total", 4)
            run.upload("source", __file__)
            with run.child_run("child") as child:
                child.log("x", 1)
            assert run.parameters == {"n": "3"}
            below = [sys.executable, "-c", "from pipelinekit import get_context; get_context().log('not', 1)"]
            subprocess.run(below, check=True)
        """,
        main="""
            from pipelinekit import PythonScriptStep, pipeline

            @pipeline
            def main():
                PythonScriptStep("script.py", arguments=["{inputs.n}"], inputs={"n": int})(n=3)
        """,
    )
    project.run("main.py")
    found = metrics(project)
    assert {name: item["last"] for name, item in found.items()} == {"total": 4, "values": 2.5}
    assert (
        "run.upload"
        in (project.folder / project("runs", "files", "--save", "to", "--json").json["script/source"]).read_text()
    )
    assert len(project("runs", "children", "--json").json["children"]) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("run.log('a', [1, 2])", "use log_list"),
        ("run.log('a', object())", "was given a value of type 'object'"),
        ("run.log('', 1)", "cannot be named"),
        ("run.log_row('t', a=[1])", "not one value"),
        ("run.log_table('t', {'a': [1], 'b': []})", "differ in length"),
        ("run.log_image('i')", "neither a path and a figure"),
        ("run.log_confusion_matrix('m', {'class_labels': ['a'], 'matrix': [[1, 2]]})", "does not fit"),
        ("run.upload('f', 'absent.txt')", "there is no file"),
        ("run.tag('k' * 101)", "too long"),
        ("run.log_list('a', 5)", "use log for one value"),
        ("run.create_children(101)", "from 1 to 100"),
    ],
)
def test_what_cannot_be_told_is_refused_where_it_is_told(call, words):
    """Outside of a run the same rules hold, and nothing else happens."""

    run = get_context()
    assert (run.id, repr(run)) == ("", "RunContext(outside of any run)")
    with pytest.raises(PipelinekitError, match=words):
        eval(call, {"run": run})


def test_interactive_runs_experiments_and_script_runs(project):
    project.write(
        src__train="""
            import os
            from pipelinekit import get_context
            get_context().log("loss", float(os.environ["PIPELINEKIT_INPUT_rate"]))
        """,
        go="""
            from pipelinekit import ScriptRunConfig, Workspace

            workspace = Workspace.open()
            experiment = workspace.experiments.get("tries")
            with experiment.start_run("by hand", tags={"who": "me"}) as run:
                run.log_list("x", [1, 2, 3])
                with run.child_run("below") as child:
                    child.log("y", 1)
            assert run.run.metrics() == {"x": [1, 2, 3]}
            assert [child.metrics() for child in run.run.children] == [{"y": 1}]
            assert str(run.run.status) == "Completed"
            try:
                with experiment.start_run() as run:
                    raise ValueError("wrong")
            except ValueError:
                assert run.run.record.failure.message == "ValueError: wrong"
            config = ScriptRunConfig("train.py", source_directory="src", inputs={"rate": 0.5})
            done = experiment.submit(config).wait()
            assert done.all_metrics() == {"": {}, "train": {"loss": 0.5}}
            config.save("train.json")
            assert [str(run.status) for run in experiment.runs()] == ["Completed", "Failed", "Completed"]
            left = experiment.start_run("left alone")
        """,
    )

    done = subprocess.run([sys.executable, "go.py"], cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert project.run("train.json")["summary"]["Reused"] == 1
    listed = project("runs", "list", "--experiment", "tries", "--json").json["runs"]
    assert [(run["kind"], run["status"]) for run in listed] == [
        ("interactive", "Failed"), ("pipeline", "Completed"), ("interactive", "Failed"), ("interactive", "Completed"),
    ]  # fmt: skip
    assert listed[0]["error"]["kind"] == "lost", "a process that ended without a word"
    assert "by hand" in project("runs", "show", listed[-1]["id"]).out
    assert "has no pipeline" in project("runs", "resume", listed[-1]["id"], code=2).err
    assert "has no pipeline" in project("graph", listed[-1]["id"], code=2).err
    for verb, shown in (("archive", []), ("reactivate", ["tries"])):
        project("experiments", verb, "tries")
        names = [item["name"] for item in project("experiments", "list", "--json").json["experiments"]]
        assert [name for name in names if name == "tries"] == shown
    project("experiments", "tag", "tries", "--set", "team=a")
    project("experiments", "describe", "tries", "what was tried")
    shown = project("experiments", "show", "tries", "--json").json
    assert (shown["tags"], shown["description"], shown["runs"]) == ({"team": "a"}, "what was tried", 4)
    assert "has runs" in project("experiments", "delete", "tries", code=2).err
    assert json.loads((project.folder / "train.json").read_text())["source_directory"] == "src"
    with sqlite3.connect(project.home / "records.db") as records:
        assert records.execute("select count(*) from runs where status = 'Running'").fetchone() == (0,)
    project("fsck")
