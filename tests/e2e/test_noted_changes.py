"""What the user of a workspace folder changes stands in the audit log, as what a server's callers change does."""

import pytest

from pipelinekit import Environment, Workspace
from pipelinekit.cli.main import main
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.workspace.pipelines import user_name

FILE = """
    from pipelinekit import pipeline, step

    @step
    def double(number: int) -> int:
        return number * 2

    @pipeline
    def doubled(number: int = 1):
        return double(number)
"""

PATIENT = """
    import time
    from pipelinekit import pipeline, step

    @step
    def patient() -> int:
        time.sleep(600)

    @pipeline
    def waiting():
        return patient()
"""


@pytest.fixture
def authored(project):
    project.write(doubled=FILE)
    return project


def rows(workspace):
    """What was noted, the oldest first."""
    return [(row.event.action, row.event.object) for row in workspace.audit.all()]


def test_commands_on_the_folder_are_noted_with_who_gave_them(authored, monkeypatch):
    monkeypatch.chdir(authored.folder)
    made = authored("publish", "doubled.py", "--endpoint", "calls", "--json").json["id"]
    draft = authored("pipeline-drafts", "create", "endpoint:calls", "--json").json["id"]
    (authored.folder / "raw").mkdir()
    (authored.folder / "raw" / "a.txt").write_text("a")
    for line in (
        f"pipeline-drafts update {draft} -p number=2",
        f"pipeline-drafts delete {draft}",
        f"pipelines describe {made} words",
        "pipeline-endpoints update calls --description words",
        "schedules create nightly --cron @daily --endpoint calls --experiment e",
        "schedules disable nightly",
        "schedules enable nightly",
        "schedules run-now nightly",
        "schedules backfill nightly 2026-01-01 2026-01-02",
        "schedules delete nightly",
        "pipeline-endpoints archive calls",
        "datastores register raw raw",
        "datastores set-default raw",
        "datasets register notes a.txt --store raw",
        "datasets update notes --tag a=b",
        "datasets unregister notes@1",
        "datastores unregister raw",
        "computes attach far tcp://127.0.0.1:9 --skip-validation",
        "computes update far --tag a=b",
        "computes update far --max-runs 2",
        "computes detach far",
    ):
        assert main(line.split()) == 0, line
    workspace = Workspace.open(authored.folder)
    assert rows(workspace) == [
        ("pipelines.publish", made), ("pipeline-endpoints.create", "calls"), ("pipeline-drafts.create", draft),
        ("pipeline-drafts.change", draft), ("pipeline-drafts.delete", draft), ("pipelines.describe", made),
        ("pipeline-endpoints.change", "calls"), ("schedules.create", "nightly"), ("schedules.disable", "nightly"),
        ("schedules.enable", "nightly"), ("schedules.run-now", "nightly"), ("schedules.backfill", "nightly"),
        ("schedules.delete", "nightly"), ("pipeline-endpoints.archive", "calls"), ("datastores.register", "raw"),
        ("datastores.set-default", "raw"), ("datasets.register", "notes@1"), ("datasets.update", "notes@1"),
        ("datasets.unregister", "notes@1"), ("datastores.unregister", "raw"), ("computes.attach", "far"),
        ("computes.update", "far"), ("computes.update", "far"), ("computes.limit", "far"), ("computes.detach", "far"),
        ("computes.limit", "far"),
    ]  # fmt: skip
    assert {(row.event.origin.actor, row.event.origin.source) for row in workspace.audit.all()} == {
        (user_name(), "local")
    }
    authored("fsck")


def test_changes_in_python_are_noted_and_what_is_refused_is_not(authored):
    authored.run("doubled.py")
    workspace = Workspace.open(authored.folder)
    assert rows(workspace) == []  # a run that is started is no change
    workspace.environments.register(Environment("light", packages=["attrs"]))
    workspace.environments.lock("light:1")
    workspace.environments.delete("light", 1)
    workspace.secrets.set("KEY", "a value")
    workspace.secrets.delete("KEY")
    made = workspace.experiments.get("tries")
    workspace.experiments.get("tries")  # which is there
    made.set_tags({"a": "b"})
    made.limit_runs(2)
    made.archive()
    made.reactivate()
    made.delete()
    known = [
        ("environments.register", "light:1"), ("environments.lock", "light:1"), ("environments.delete", "light:1"), ("secrets.set", "KEY"),
        ("secrets.delete", "KEY"), ("experiments.make", "tries"), ("experiments.change", "tries"),
        ("experiments.limit", "tries"), ("experiments.archive", "tries"), ("experiments.reactivate", "tries"), ("experiments.delete", "tries"),
    ]  # fmt: skip
    assert rows(workspace) == known
    with pytest.raises(NotFoundError):
        workspace.datastores.unregister("nothing")
    draft = workspace.pipeline_drafts.create("run:latest")
    with pytest.raises(ConflictError):
        draft.update(description="late", version=7)
    pipeline = draft.publish(endpoint="calls")
    with pytest.raises(ConflictError, match="cannot be deleted"):
        workspace.published_pipelines.delete(pipeline.id)
    pipeline.disable()
    pipeline.enable()
    assert rows(workspace)[len(known) :] == [
        ("pipeline-drafts.create", draft.id), ("pipelines.publish", pipeline.id), ("pipeline-endpoints.create", "calls"),
        ("pipelines.disable", pipeline.id), ("pipelines.enable", pipeline.id),
    ]  # fmt: skip


def test_what_is_done_to_runs_afterwards_is_noted_and_what_belongs_to_their_start_is_not(authored, monkeypatch):
    monkeypatch.chdir(authored.folder)
    words = ("--detach", "--tag", "a=b", "--name", "first")
    run = authored("run", "doubled.py", *words).out.strip()
    authored("runs", "wait", run)
    (authored.folder / "notes.txt").write_text("it went well")
    for line in (
        f"runs cancel {run}",  # which has ended: nothing is changed
        f"runs tag {run} --set c=d --remove a",
        f"runs tag {run} --step double --set e=f",
        f"runs describe {run} --name best",
        f"runs upload {run} notes.txt",
        f"runs pin {run}",
        f"runs unpin {run}",
    ):
        assert main(line.split()) == 0, line
    workspace = Workspace.open(authored.folder)
    handle = workspace.runs.get(run)
    handle.add_properties({"build": 7})
    assert (handle.tags, handle.record.display_name) == ({"c": "d"}, "best")
    told = ["tag", "tag", "tag", "describe", "keep-file", "pin", "unpin", "add-properties"]
    assert rows(workspace) == [(f"runs.{verb}", run) for verb in told]
    authored.write(patient=PATIENT)
    run = authored("run", "patient.py", "--detach").out.strip()
    for _ in range(2):  # the second changes nothing
        authored("runs", "cancel", run)
    authored("runs", "wait", run, code=130)
    assert rows(workspace)[len(told) :] == [("runs.cancel", run)]


def test_a_change_is_there_with_its_row_or_not_at_all(authored):
    made = authored("publish", "doubled.py", "--json").json["id"]
    workspace = Workspace.open(authored.folder)
    before = rows(workspace)

    def fails():
        with workspace.services.records.batch():
            workspace.published_pipelines.get(made).disable()
            assert len(rows(workspace)) == len(before) + 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert rows(workspace) == before
    assert str(workspace.published_pipelines.get(made).status) == "Active"
