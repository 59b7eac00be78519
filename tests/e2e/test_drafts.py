"""Pipeline drafts: copied from what there is, changed, submitted and published, whatever becomes of their source."""

import shutil
import sys

import pytest
from upkeep.conftest import blobs_of, make_old

from pipelinekit import Workspace
from pipelinekit.errors import ConflictError, NotFoundError, ParameterError, UsageError

FILE = """
    from pathlib import Path
    from pipelinekit import File, pipeline, step

    @step
    def read(path: File, rows: int) -> list[float]:
        return [float(line) for line in Path(path).read_text().split()][:rows]

    @step
    def scale(numbers: list[float], rate: float) -> float:
        return sum(numbers) * rate

    @pipeline
    def retrain(rate: float, data: File = "data/numbers.txt", rows: int = 3):
        "Retrains."
        return scale(read(data, rows), rate)
"""


@pytest.fixture
def authored(project):
    (project.folder / "data").mkdir()
    (project.folder / "data" / "numbers.txt").write_text("1 2 3 4")
    project.write(retrain=FILE)
    return project


def forget_source(project):
    (project.folder / "retrain.py").unlink()
    shutil.rmtree(project.folder / "data")


def drafts(project, *words, code=0):
    found = project("pipeline-drafts", *words, "--json", code=code)
    return found.json if code == 0 else found.err


def submit(project, draft, *words):
    return drafts(project, "submit", draft, "--wait", *words)


def executed(run):
    return [step["name"] for step in run["steps"] if step["status"] == "Completed"]


def test_a_draft_of_a_file_is_completed_and_runs_with_its_source_gone(authored):
    made = drafts(authored, "create", "retrain.py", "--name", "try", "--tag", "team=a")
    assert (made["name"], made["version"], made["experiment"], made["source"]) == ("try", 1, "retrain", {})
    forget_source(authored)
    assert "parameter 'rate' (float) has no value" in authored("pipeline-drafts", "submit", made["id"], code=2).err
    changed = drafts(authored, "update", made["id"], "-p", "rate=2", "--description", "words", "--experiment", "tries")
    assert (changed["version"], changed["description"], changed["tags"]) == (2, "words", {"team": "a"})
    run = submit(authored, made["id"])
    assert (run["outputs"], run["experiment"]) == ({"output": 12.0}, "tries")
    found = Workspace.open(authored.folder).runs.get(run["id"])
    assert (found.properties, found.tags) == ({"pipeline_draft": made["id"], "draft_version": "2"}, {"team": "a"})
    drafts(authored, "update", made["id"], "-p", "rows=1")
    again = submit(authored, made["id"])
    assert (again["outputs"], executed(again)) == ({"output": 2.0}, ["read", "scale"])
    shown = drafts(authored, "show", made["id"])
    assert (shown["last_run"], shown["version"], shown["steps"]) == (again["id"], 3, 2)
    told = {item["name"]: item.get("default") for item in shown["parameters"]}
    assert (told["rate"], told["rows"], told["data"]["format"]) == (2.0, 1, "file")


def test_what_is_said_with_a_run_of_a_draft_leaves_the_draft_as_it_is(authored):
    made = drafts(authored, "create", "retrain.py", "-p", "rate=2")
    run = submit(authored, made["id"], "-p", "rate=3", "-p", "rows=1", "--experiment", "else")
    assert (run["outputs"], run["experiment"]) == ({"output": 3.0}, "else")
    shown = drafts(authored, "show", made["id"])
    assert shown["version"] == 1
    assert next(item.get("default") for item in shown["parameters"]) == 2.0


def test_a_draft_is_a_copy_of_a_run_a_published_pipeline_a_version_or_a_draft(authored):
    run = authored.run("retrain.py", "-p", "rate=5", "-p", "rows=1", "--continue-on-step-failure")
    made = authored("publish", "retrain.py", "-p", "rate=7", "--endpoint", "retraining", "--json").json
    authored("publish", "retrain.py", "-p", "rate=8", "--endpoint", "retraining", "--json")
    forget_source(authored)
    of_run = drafts(authored, "create", f"run:{run['id']}")
    of_pipeline = drafts(authored, "create", f"pipeline:{made['id']}", "--continue-on-step-failure")
    of_version = drafts(authored, "create", "endpoint:retraining@1", "-p", "rows=1")
    of_draft = drafts(authored, "clone", of_version["id"], "--name", "copy")
    pinned = of_version["source"]["pipeline"]
    assert of_run["source"] == {"run": run["id"]}
    assert of_pipeline["source"] == {"pipeline": made["id"]}
    assert of_version["source"] == {"endpoint": "retraining", "endpoint_version": "1", "pipeline": pinned}
    assert of_draft["source"] == {"draft": of_version["id"], "draft_version": "1"}
    goes_on = [item["continue_on_step_failure"] for item in (of_run, of_pipeline, of_version)]
    assert goes_on == [True, True, False]
    results = [
        submit(authored, item["id"])["outputs"]["output"] for item in (of_run, of_pipeline, of_version, of_draft)
    ]
    assert results == [5.0, 42.0, 8.0, 8.0]
    drafts(authored, "update", of_draft["id"], "-p", "rate=1")
    assert [submit(authored, item["id"])["outputs"]["output"] for item in (of_version, of_draft)] == [8.0, 1.0]
    assert [item["id"] for item in drafts(authored, "list", "--name", "copy")["pipeline_drafts"]] == [of_draft["id"]]
    assert len(drafts(authored, "list")["pipeline_drafts"]) == 4


def test_a_draft_is_published_and_stays_a_draft(authored):
    made = drafts(authored, "create", "retrain.py", "-p", "rate=2", "--description", "words", "--tag", "a=b")
    forget_source(authored)
    first = drafts(authored, "publish", made["id"], "--endpoint", "retraining")
    drafts(authored, "update", made["id"], "-p", "rate=3", "--name", "later")
    second = drafts(authored, "publish", made["id"], "--endpoint", "retraining", "--default", "--version", "mine")
    assert [item["endpoint"]["version"] for item in (first, second)] == [0, 1]
    assert (first["name"], second["name"], second["version"]) == ("retrain", "later", "mine")
    assert (first["description"], first["tags"], first["provenance"]["draft"]) == ("words", {"a": "b"}, made["id"])
    assert f"draft {made['id']}" in authored("pipelines", "show", first["id"]).out
    drafts(authored, "delete", made["id"])
    assert "there is no pipeline draft" in authored("pipeline-drafts", "show", made["id"], code=2).err
    call = authored("pipeline-endpoints", "submit", "retraining", "--wait", "--json").json
    assert call["outputs"] == {"output": 18.0}


def test_clean_up_and_a_move_leave_what_drafts_hold(authored, postgres):
    made = drafts(authored, "create", "retrain.py", "-p", "rate=2")
    kept = blobs_of(authored)
    make_old(authored)
    authored("gc", "--keep-days", "0")
    assert blobs_of(authored) == kept
    authored("workspace", "move", "--records", postgres.new())
    assert drafts(authored, "show", made["id"])["graph"] == made["graph"]
    authored("workspace", "move", "--records", "file")
    authored("fsck")
    forget_source(authored)
    assert submit(authored, made["id"])["outputs"] == {"output": 12.0}
    drafts(authored, "delete", made["id"])
    make_old(authored)
    authored("gc", "--keep-days", "0", "--keep-runs", "0", "--unused-days", "0")
    assert blobs_of(authored) == set()
    authored("fsck")


def test_a_draft_whose_files_are_lost_is_told_by_the_checks(authored):
    drafts(authored, "create", "retrain.py")
    blobs = authored.folder / ".pipelinekit" / "blobs"
    for file in (item for item in blobs.rglob("*") if item.is_file()):
        file.unlink()
    assert authored("fsck", code=1).out


def test_the_newest_dataset_counts_until_a_version_is_named(authored):
    authored("datasets", "register", "numbers", "data/numbers.txt")
    made = drafts(authored, "create", "retrain.py", "-p", "rate=1", "-p", "rows=9")
    drafts(authored, "update", made["id"], "-p", "data=dataset:numbers")
    (authored.folder / "data" / "numbers.txt").write_text("10 20")
    authored("datasets", "register", "numbers", "data/numbers.txt", "--create-new-version")
    assert submit(authored, made["id"])["outputs"] == {"output": 30.0}
    drafts(authored, "update", made["id"], "-p", "data=dataset:numbers@1")
    assert submit(authored, made["id"])["outputs"] == {"output": 10.0}
    drafts(authored, "update", made["id"], "-p", "data=data/numbers.txt")
    assert submit(authored, made["id"])["outputs"] == {"output": 30.0}


def test_authors_draft_in_python(authored, monkeypatch):
    monkeypatch.chdir(authored.folder)
    monkeypatch.syspath_prepend(str(authored.folder))
    workspace = Workspace.open()
    monkeypatch.delitem(sys.modules, "retrain", raising=False)  # another test's, of another folder
    from retrain import retrain

    made = workspace.pipeline_drafts.create(retrain, parameters={"rate": 2.0}, name="mine", tags={"a": 1})
    assert (made.name, made.version, made.record.tags) == ("mine", 1, {"a": "1"})
    with pytest.raises(ParameterError, match="do not fit"):
        made.update(parameters={"rows": "many", "nothing": 1})
    with pytest.raises(UsageError, match="name"):
        made.update(name="a/b")
    for odd in ("nothing", "run:", "endpoint:x@y"):
        with pytest.raises(UsageError):
            workspace.pipeline_drafts.create(odd)
    with pytest.raises(NotFoundError):
        workspace.pipeline_drafts.create("endpoint:nothing")
    with pytest.raises(UsageError, match="in the process of whoever calls it"):
        made.update(compute="in-process")
    with pytest.raises(UsageError, match="without an endpoint"):
        made.publish(default=True)
    assert workspace.pipeline_drafts.get(made.id).version == 1
    other = workspace.pipeline_drafts.get(made.id)
    other.update(parameters={"rows": 1}, version=1)
    with pytest.raises(ConflictError, match="changed meanwhile"):
        made.update(description="late", version=1)
    made.update(description="late")  # what the other one changed stays
    assert made.submit().wait().outputs["output"].load() == 2.0
    assert made.publish(endpoint="retraining").record.details["draft"] == made.id
    assert [run.properties["draft_version"] for run in made.runs()] == ["3"]
