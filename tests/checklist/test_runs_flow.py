"""Experiments and runs in their order: submitted, waited for, found, described, canceled; with children, files and logs."""

import datetime
import io
import zipfile

import pytest
from checklist.lab import lab  # noqa: F401 - a fixture

from pipelinekit import RunStatus, get_context
from pipelinekit.errors import NotFoundError, PipelinekitError, RunFailedError, UsageError

FLOW = """
    import sys, time
    from pathlib import Path
    from pipelinekit import File, get_context, pipeline, step

    @step
    def folds(n: int) -> int:
        run = get_context(allow_offline=False)
        print("the step says")
        run.set_property("seed", 7)
        for child in run.create_children(tag_key="fold", tag_values=range(n)):
            with child:
                print("a fold says")
                child.log("loss", n)
                with child.child_run("deeper", {"depth": 2}) as deeper:
                    print("deeper says", file=sys.stderr)
                    deeper.log("x", 1)
        Path("notes.txt").write_text("kept")
        run.upload("outputs/notes.txt", "notes.txt")
        run.parent.tag("told", "by step")
        run.parent.set_property("lasting", "yes")
        run.parent.log("score", n)
        return n

    @step
    def fail(x: int) -> int:
        raise ValueError("the root of it")

    @step
    def sleep(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    @pipeline
    def good(n: int = 2):
        return folds(n)

    @pipeline
    def bad():
        return folds(fail(1))

    @pipeline
    def slow(seconds: float = 0.3):
        return sleep(sleep(seconds))
"""


def test_experiments_are_made_tagged_archived_and_listed(lab):  # noqa: F811
    flow = lab.module("flow", FLOW)
    experiments = lab.workspace.experiments
    first = experiments.get("first try-1")
    with pytest.raises(UsageError, match="not allowed"):
        experiments.get("-odd")
    run = first.submit(flow.good, parameters={"n": 1}, tags={"team": "a"}, display_name="by hand").wait()
    assert (run.status, run.record.number, run.record.display_name) == (RunStatus.COMPLETED, 1, "by hand")
    first.set_tags({"kind": "toy"})
    first.describe("what it is for")
    assert [item.name for item in experiments.list(tags={"kind": "toy"})] == ["first try-1"]
    assert experiments.list(tags={"kind": "other"}) == []
    first.archive()
    assert experiments.list() == []
    assert [item.name for item in experiments.list(archived=True)] == ["first try-1"]
    first.reactivate()
    with pytest.raises(UsageError, match="has runs"):
        first.delete()
    empty = experiments.get("empty")
    empty.delete()
    with pytest.raises(NotFoundError):
        experiments.get("empty", create=False)
    assert lab.cli("experiments", "list", "--all", "--tag", "kind=toy")["experiments"][0]["name"] == "first try-1"


def test_runs_are_filtered_sorted_and_paged(lab):  # noqa: F811
    flow = lab.module("flow", FLOW)
    workspace = lab.workspace
    one, two = (workspace.submit(flow.good, parameters={"n": n}, tags={"size": n}).wait() for n in (1, 2))
    failed = workspace.submit(flow.bad)
    with workspace.experiments.get("notebook").start_run() as hand:
        hand.set_property("seed", "7")

    def ids(**query):
        return [run.id for run in workspace.runs.list(**query)]

    assert ids() == [hand.id, failed.id, two.id, one.id]
    assert ids(kind="interactive") == [hand.id]
    assert ids(status="Failed") == [failed.id]
    assert ids(pipeline="good", tags={"size": "2"}) == [two.id]
    assert ids(properties={"lasting": None}) == [two.id, one.id]
    assert ids(properties={"seed": "7"}) == [hand.id]
    assert ids(where=["param.n>=1", "metric.score<2"]) == [one.id]
    assert ids(sort="metric.score", ascending=True) == [one.id, two.id]
    assert ids(since=two.record.created_at, until=hand.run.record.created_at) == [failed.id, two.id]
    assert ids(limit=2, after=failed.id) == [two.id, one.id]
    begun = datetime.datetime.fromtimestamp(two.record.created_at)
    assert ids(since=begun) == ids(since=begun.timestamp())
    assert ids(where="metric.score<2") == [one.id]
    wrong_values = [{"limit": limit} for limit in (0, -1, "3")]
    for wrong in (*wrong_values, {"since": "2026"}, {"tags": ["a"]}, {"after": "zzz"}):
        with pytest.raises(PipelinekitError):
            ids(**wrong)
    assert len(ids(kind="child")) == 6
    for wrong in ({"kind": "odd"}, {"status": "Odd"}):
        with pytest.raises(UsageError, match="there is no"):
            ids(**wrong)
    with pytest.raises(UsageError, match="a int cannot be submitted"):
        workspace.submit(3)
    with pytest.raises(UsageError, match="no compute target"):
        workspace.submit(flow.good, compute="nowhere")
    words = (
        "--kind",
        "pipeline",
        "--property",
        "lasting=yes",
        "--since",
        "1d",
        "--tag",
        "size",
        "--sort",
        "metric.score",
    )
    assert [run["id"] for run in lab.cli("runs", "list", *words)["runs"]] == [two.id, one.id]
    workspace.experiments.get("good").archive()
    assert workspace.experiments.get("good").submit(flow.good).wait().record.number == 3
    assert next(item.name for item in workspace.experiments.list()) == "good", "a new run brings it back"


def test_a_run_tells_everything_about_itself(lab):  # noqa: F811
    flow = lab.module("flow", FLOW)
    run = lab.workspace.submit(flow.good, parameters={"n": 2}, tags={"a": ""}).wait()
    document = lab.cli("runs", "show", run.id)
    assert document["status"] == "Completed"
    assert (document["compute"], document["experiment"], document["kind"]) == ("in-process", "good", "pipeline")
    assert document["submitted"]["user"]
    assert document["created_at"] <= document["started_at"] <= document["ended_at"]
    assert document["standing"] == "1 step: 1 completed"
    assert document["tags"] == {"a": "", "told": "by step"}
    assert document["properties"] == {"lasting": "yes"}
    assert document["parameters"] == {"n": 2}
    assert set(document["durations"]) == set(document["steps"][0]["durations"]) == {"queued", "prepare", "run"}
    assert run.durations()["folds"].run > 0
    run.set_tags({"a": "1"})
    run.add_properties({"lasting": "no", "more": 1})
    assert (run.tags["a"], run.properties["lasting"], run.properties["more"]) == ("1", "yes", "1")
    with pytest.raises(UsageError, match="more than 50"):
        run.set_tags({f"t{number}": "" for number in range(51)})
    with pytest.raises(UsageError, match="more than 50"):
        run.add_properties({f"p{number}": "" for number in range(51)})
    with pytest.raises(UsageError, match="too long"):
        run.set_tags({"k": "v" * 1001})
    run.remove_tags("a")
    assert lab.cli("runs", "tag", run.id, "--set", "b=2", "--remove", "told")["tags"] == {"b": "2"}
    run.describe(display_name="best", description="so far")
    assert lab.cli("runs", "describe", run.id, "--name", "better")["description"] == "so far"
    assert lab.workspace.runs.get(run.id[:12]).record.display_name == "better"


def test_children_files_logs_and_snapshot(lab):  # noqa: F811
    flow = lab.module("flow", FLOW)
    first = lab.workspace.submit(flow.good, parameters={"n": 2}).wait()
    again = lab.workspace.submit(flow.good, parameters={"n": 2}).wait()
    for run in (first, again):
        below = run.all_children()
        assert [child.record.display_name for child in below] == ["", "deeper", "", "deeper"]
        folds = run.all_children(recursive=False, status="Completed", tags={"fold": None})
        assert [child.tags for child in folds] == [{"fold": "0"}, {"fold": "1"}]
        assert [child.logs() for child in below] == ["a fold says\n", "deeper says\n"] * 2
        assert "the step says" in run.step("folds").logs()
        assert run.logs().startswith("==> folds\nthe step says\n")
        assert below[1].parent.id == below[0].id
        assert run.all_metrics()[below[1].id] == {"x": 1}
        assert run.all_metrics()[""] == {"score": 2}
        saved = run.step("folds").download(lab.folder / run.id, prefix="outputs/")
        assert saved["outputs/notes.txt"].read_text() == "kept"
        with pytest.raises(NotFoundError, match="outputs/notes"):
            run.step("folds").download(lab.folder, prefix="other")
    (lab.folder / "report.txt").write_text("later")
    first.upload("reports/one.txt", "report.txt")
    with pytest.raises(NotFoundError, match="no file 'absent'"):
        first.upload("x", "absent")
    with pytest.raises(UsageError, match=r"cannot be kept as '\.\./x'"):
        first.upload("../x", "report.txt")
    assert lab.cli("runs", "upload", first.id, "report.txt", "--name", "two.txt")["size"] == 5
    kept = lab.cli("runs", "files", first.id, "--prefix", "reports/")["files"]
    assert [item["name"] for item in kept] == ["reports/one.txt"]
    child = first.all_children()[0].id
    assert lab.cli("runs", "logs", child)["log"] == "a fold says\n"
    assert len(lab.cli("runs", "children", again.id, "--direct", "--tag", "fold=1")["children"]) == 1
    assert lab.workspace.snapshots.get(first.id).read("flow.py").startswith(b"\nimport sys")
    archive = lab.cli("snapshots", "download", first.id, "-o", "code.zip")
    assert archive
    assert "flow.py" in zipfile.ZipFile(io.BytesIO((lab.folder / "code.zip").read_bytes())).namelist()


def test_interactive_runs_succeed_fail_and_keep_a_snapshot(lab):  # noqa: F811
    (lab.folder / "src").mkdir()
    (lab.folder / "src" / "notebook.py").write_text("1\n")
    experiment = lab.workspace.experiments.get("notebook")
    with experiment.start_run("by hand", tags={"who": "me"}, source_directory="src") as run:
        print("it says")
        print("as it goes", file=run)
        run.log("x", 1)
        with run.child_run("below") as child:
            print("below says")
        assert run.run.status is RunStatus.RUNNING
        assert run.run.standing == "its process logs to it"
    handle = lab.workspace.runs.get(run.id)
    assert handle.status is RunStatus.COMPLETED
    assert handle.logs() == "it says\nas it goes\n"
    assert lab.workspace.runs.get(child.id).logs() == "below says\n"
    assert [entry.path for entry in lab.workspace.snapshots.get(run.id).files] == ["notebook.py"]
    with pytest.raises(ZeroDivisionError), experiment.start_run() as broken:
        1 / 0
    assert broken.run.record.failure.types[0] == "ZeroDivisionError"
    with pytest.raises(NotFoundError, match="no folder 'absent'"):
        experiment.start_run(source_directory="absent")
    failed = experiment.start_run()
    failed.fail("no luck")
    assert (failed.run.status, failed.run.standing) == (RunStatus.FAILED, "no luck")
    assert lab.cli("runs", "logs", run.id)["log"] == "it says\nas it goes\n"
    assert lab.cli("snapshots", "show", run.id)["files"][0]["path"] == "notebook.py"


def test_waiting_canceling_and_the_longest_duration(lab, capsys):  # noqa: F811
    flow = lab.module("flow", FLOW)
    run = lab.workspace.submit(flow.bad)
    with pytest.raises(RunFailedError, match="the root of it") as error:
        run.wait(show_output=True)
    assert error.value.fields["error"]["kind"] == "user"
    assert run.wait(raise_on_error=False).status is RunStatus.FAILED
    assert lab.cli("runs", "wait", run.id, code=1)["standing"].startswith("step 'fail' failed")
    done = lab.workspace.submit(flow.good, parameters={"n": 1})
    capsys.readouterr()
    done.wait(show_output=True)
    assert "==> folds\nthe step says\n" in capsys.readouterr().out
    late = lab.workspace.submit(flow.slow, max_run_duration_seconds=0.1)
    assert (late.status, late.standing) == (RunStatus.CANCELED, "the run had taken 100 ms, as long as it may")
    assert late.record.failure.kind == "timeout"
    assert lab.workspace.submit(flow.slow, max_run_duration_seconds=60).status is RunStatus.COMPLETED
    document = lab.cli("run", "flow.py:slow", "-p", "seconds=0.2", "--max-duration", "0.1", code=130)
    assert document["error"]["kind"] == "timeout"
    asked = lab.workspace.experiments.get("open").start_run()
    assert lab.cli("runs", "cancel", asked.id)["status"] == "CancelRequested"
    asked.fail()


def test_outside_of_runs_nothing_is_kept_unless_that_is_refused(capsys):
    run = get_context()
    run.log("x", 1)
    assert run.id == ""
    with pytest.raises(UsageError, match="not part of a run"):
        get_context(allow_offline=False)
    for wrong in ({}, {"count": 101}, {"count": 2, "tag_key": "a"}, {"tag_key": "a"}, {"count": -1}):
        with pytest.raises(UsageError, match="children"):
            run.create_children(**wrong)
