"""Published pipelines: they run with their source gone, and are called under names, by version."""

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


def publish(project, *words):
    return project("publish", "retrain.py", *words, "--json").json


def call(project, *words):
    return project("pipeline-endpoints", "submit", *words, "--wait", "--json").json


def test_a_published_pipeline_runs_with_its_source_gone(authored):
    made = publish(authored, "-p", "rate=2", "--endpoint", "retraining")
    forget_source(authored)
    run = call(authored, "retraining")
    assert (run["status"], run["outputs"]) == ("Completed", {"output": 12.0})
    assert run["experiment"] == "retrain"
    assert [step["status"] for step in run["steps"]] == ["Completed", "Completed"]
    again = authored("pipelines", "submit", made["id"], "-p", "rate=10", "-p", "rows=1", "--wait", "--json").json
    assert again["outputs"] == {"output": 10.0}


def test_a_call_reuses_what_the_same_pipeline_computed_from_its_source(authored):
    authored.run("retrain.py", "-p", "rate=2")
    publish(authored, "-p", "rate=2", "--endpoint", "retraining")
    forget_source(authored)
    assert [step["status"] for step in call(authored, "retraining")["steps"]] == ["Reused", "Reused"]
    executed = call(authored, "retraining", "-p", "rate=3")["steps"]
    assert [(step["name"], step["status"]) for step in executed] == [("read", "Reused"), ("scale", "Completed")]


def test_what_a_call_does_not_give_is_as_it_was_published(authored):
    made = publish(authored, "-p", "rate=2", "-p", "rows=2")
    shown = {item["name"]: item for item in authored("pipelines", "show", made["id"], "--json").json["parameters"]}
    assert (shown["rate"]["required"], shown["rate"]["default"]) == (False, 2.0)
    assert shown["rows"]["default"] == 2
    assert shown["data"]["default"]["format"] == "file"
    (authored.folder / "data" / "numbers.txt").write_text("100 100")
    run = authored("pipelines", "submit", made["id"], "--wait", "--json").json
    assert run["outputs"] == {"output": 6.0}


def test_a_parameter_without_a_value_is_asked_for(authored):
    made = publish(authored)
    assert [item["required"] for item in made["parameters"]] == [True, False, False]
    said = authored("pipelines", "submit", made["id"], code=2).err
    assert "parameter 'rate' (float) has no value and no default" in said
    assert "there is no parameter 'rte'" in authored("pipelines", "submit", made["id"], "-p", "rte=1", code=2).err


def test_versions_only_grow_and_calls_mean_the_default(authored):
    first = publish(authored, "-p", "rate=1", "--endpoint", "retraining")
    second = publish(authored, "-p", "rate=2", "--endpoint", "Retraining")
    assert (first["endpoint"]["version"], second["endpoint"]["version"]) == (0, 1)
    assert second["endpoint"]["default_version"] == 0
    assert call(authored, "retraining")["outputs"] == {"output": 6.0}
    assert call(authored, "retraining", "--version", "1")["outputs"] == {"output": 12.0}
    authored("pipeline-endpoints", "set-default", "retraining", "1")
    assert call(authored, "retraining")["outputs"] == {"output": 12.0}
    publish(authored, "-p", "rate=3", "--endpoint", "retraining", "--default")
    last = call(authored, "retraining")
    assert last["outputs"] == {"output": 18.0}
    runs = authored("pipeline-endpoints", "runs", "retraining", "--version", "2", "--json").json["runs"]
    assert [run["id"] for run in runs] == [last["id"]]
    assert len(authored("pipeline-endpoints", "runs", "retraining", "--json").json["runs"]) == 4
    assert "has no version 7" in authored("pipeline-endpoints", "submit", "retraining", "--version", "7", code=2).err
    said = authored("pipeline-endpoints", "add-version", "retraining", first["id"], code=2).err
    assert "is version 0 of pipeline endpoint 'retraining'" in said


def test_the_version_that_was_called_is_pinned_on_the_run(authored):
    made = publish(authored, "-p", "rate=1", "--endpoint", "retraining")
    workspace = Workspace.open(authored.folder)
    run = workspace.pipeline_endpoints.get("retraining").submit(tags={"why": "test"}).wait()
    endpoint = made["endpoint"]["id"]
    assert run.properties == {
        "published_pipeline": made["id"],
        "pipeline_endpoint": endpoint,
        "endpoint_version": "0",
    }
    assert run.tags == {"why": "test"}
    assert [item.id for item in workspace.published_pipelines.get(made["id"]).runs()] == [run.id]


def test_what_is_disabled_refuses_calls(authored):
    made = publish(authored, "-p", "rate=1", "--endpoint", "retraining")
    authored("pipelines", "disable", made["id"])
    assert "is disabled" in authored("pipeline-endpoints", "submit", "retraining", code=2).err
    assert authored("pipelines", "list", "--json").json["pipelines"] == []
    authored("pipelines", "enable", made["id"])
    authored("pipeline-endpoints", "disable", "retraining")
    said = authored("pipeline-endpoints", "submit", "retraining", code=2).err
    assert "pipelinekit pipeline-endpoints enable" in said
    authored("pipeline-endpoints", "enable", "retraining")
    assert call(authored, "retraining")["status"] == "Completed"


def test_an_archived_endpoint_gives_its_name_free(authored):
    first = publish(authored, "-p", "rate=1", "--endpoint", "retraining")["endpoint"]["id"]
    authored("pipeline-endpoints", "archive", "retraining")
    second = publish(authored, "-p", "rate=2", "--endpoint", "retraining")["endpoint"]["id"]
    assert first != second
    assert "already" in authored("pipeline-endpoints", "reactivate", first, code=2).err
    authored("pipeline-endpoints", "reactivate", first, "--name", "older")
    assert call(authored, "older")["outputs"] == {"output": 6.0}


def test_what_an_endpoint_has_is_not_deleted(authored):
    made = publish(authored, "-p", "rate=1", "--endpoint", "retraining")
    assert "it is version 0 of 'retraining'" in authored("pipelines", "delete", made["id"], code=2).err
    authored("pipeline-endpoints", "delete", "retraining")
    authored("pipelines", "delete", made["id"])
    assert "there is no published pipeline" in authored("pipelines", "show", made["id"], code=2).err


def test_only_a_proven_version_becomes_the_default(authored):
    publish(authored, "-p", "rate=1", "--endpoint", "retraining")
    authored("pipeline-endpoints", "update", "retraining", "--proven")
    assert "is not proven" in authored("publish", "retrain.py", "--endpoint", "retraining", "--default", code=2).err
    assert len(authored("pipelines", "list", "--json").json["pipelines"]) == 1  # nothing is half done
    publish(authored, "-p", "rate=2", "--endpoint", "retraining")
    assert "--version 1" in authored("pipeline-endpoints", "set-default", "retraining", "1", code=2).err
    call(authored, "retraining", "--version", "1")
    authored("pipeline-endpoints", "set-default", "retraining", "1")
    assert call(authored, "retraining")["outputs"] == {"output": 12.0}


def test_a_run_is_published_with_the_values_that_it_had(authored):
    run = authored.run("retrain.py", "-p", "rate=5", "-p", "rows=1")
    made = authored("publish", f"run:{run['id']}", "--name", "again", "--json").json
    assert made["provenance"]["run"] == run["id"]
    forget_source(authored)
    called = authored("pipelines", "submit", made["id"], "--wait", "--json").json
    assert (called["pipeline"], called["experiment"]) == ("retrain", "retrain")
    assert called["outputs"] == {"output": 5.0}
    assert [step["status"] for step in called["steps"]] == ["Reused", "Reused"]


def test_clean_up_keeps_what_is_published(authored):
    made = publish(authored, "-p", "rate=2")
    kept = blobs_of(authored)
    make_old(authored)
    authored("gc", "--keep-days", "0")
    assert blobs_of(authored) == kept
    authored("fsck")
    forget_source(authored)
    assert authored("pipelines", "submit", made["id"], "--wait", "--json").json["outputs"] == {"output": 12.0}
    authored("pipelines", "delete", made["id"])
    make_old(authored)
    authored("gc", "--keep-days", "0", "--keep-runs", "0", "--unused-days", "0")
    assert blobs_of(authored) == set()
    authored("fsck")


def test_the_newest_dataset_counts_at_the_time_of_the_call(authored):
    authored("datasets", "register", "numbers", "data/numbers.txt")
    made = publish(authored, "-p", "rate=1", "-p", "rows=9", "-p", "data=dataset:numbers")
    (authored.folder / "data" / "numbers.txt").write_text("10 20")
    authored("datasets", "register", "numbers", "data/numbers.txt", "--create-new-version")
    called = authored("pipelines", "submit", made["id"], "--wait", "--json").json
    assert called["outputs"] == {"output": 30.0}
    pinned = authored("pipelines", "submit", made["id"], "-p", "data=dataset:numbers@1", "--wait", "--json").json
    assert pinned["outputs"] == {"output": 10.0}


def test_authors_publish_in_python(authored, monkeypatch):
    monkeypatch.chdir(authored.folder)
    monkeypatch.syspath_prepend(str(authored.folder))
    workspace = Workspace.open()
    monkeypatch.delitem(sys.modules, "retrain", raising=False)  # another test's, of another folder
    from retrain import retrain

    made = retrain.publish(workspace=workspace, parameters={"rate": 2.0}, endpoint="retraining", version="spring")
    assert (made.name, made.record.version, str(made.status)) == ("retrain", "spring", "Active")
    endpoint = workspace.pipeline_endpoints.get("retraining")
    assert endpoint.submit(parameters={"rows": 1}).wait().outputs["output"].load() == 2.0
    with pytest.raises(ParameterError, match="do not fit"):
        endpoint.submit(parameters={"rows": "many", "nothing": 1})
    with pytest.raises(NotFoundError, match="no version 3"):
        endpoint.submit(version=3)
    with pytest.raises(ConflictError, match="already"):
        workspace.pipeline_endpoints.create("retraining", made)
    with pytest.raises(UsageError, match="in the process of whoever calls it"):
        made.submit(compute="in-process")


def test_two_versions_differ_in_steps_values_and_lines(authored):
    publish(authored, "-p", "rate=1", "--endpoint", "retraining")
    authored.edit("retrain.py", "sum(numbers) * rate", "sum(numbers) / rate")
    authored.edit("retrain.py", "scale(read(data, rows), rate)", "scale(read(data, 2), rate)")
    publish(authored, "-p", "rate=2", "--endpoint", "retraining", "--continue-on-step-failure", "--default")
    found = authored("pipeline-endpoints", "diff", "retraining", "0", "--json").json
    reasons = {step["name"]: [reason["message"] for reason in step["reasons"]] for step in found["steps"]}
    assert reasons == {
        "read": ["input 'rows' is 2, and was parameter rows"],
        "scale": ["retrain.scale at retrain.py:10 changed"],
    }
    values = {(item["kind"], item["name"]): (item["before"], item["after"]) for item in found["values"]}
    assert values["option", "continue_on_step_failure"] == (False, True)
    assert [side["default"] for side in values["parameter", "rate"]] == [1.0, 2.0]
    (file,) = found["files"]
    assert (file["path"], file["change"]) == ("retrain.py", "changed")
    assert "-    return sum(numbers) * rate" in file["diff"]
    assert "+    return sum(numbers) / rate" in file["diff"]
    said = authored("pipeline-endpoints", "diff", "retraining", "1", "0").out
    assert "+    return sum(numbers) * rate" in said
    assert authored("pipeline-endpoints", "diff", "retraining", "1").out == "no difference\n"
