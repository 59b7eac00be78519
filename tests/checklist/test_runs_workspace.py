"""A workspace: made, found again, described by its collections, deleted."""

import pytest
from checklist.lab import lab  # noqa: F401 - a fixture

from pipelinekit import Workspace, get_secrets
from pipelinekit.errors import ConflictError, NotFoundError, PipelinekitError, UsageError
from pipelinekit.harness.secrets import given_secrets


def test_a_workspace_is_created_found_from_below_and_deleted(lab, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.delenv("PIPELINEKIT_WORKSPACE")
    place = tmp_path / "new"
    place.mkdir()
    with pytest.raises(NotFoundError, match="there is no workspace at"):
        Workspace.open(place, create=False)
    made = Workspace.create(place)
    with pytest.raises(ConflictError, match="already"):
        Workspace.create(place)
    assert Workspace.create(place, exist_ok=True).folder == made.folder
    (place / ".pipelinekit" / "config.toml").write_text('experiment = "trials"\n')
    below = place / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    found = Workspace.open(create=False)
    assert found.folder == place / ".pipelinekit"
    assert found.services.settings.experiment == "trials"
    with found.experiments.get("open").start_run() as run, pytest.raises(UsageError, match=run.id):
        found.delete()
    assert found.delete() == []
    assert not (place / ".pipelinekit").exists()
    assert lab.cli("workspace", "create", str(place))["workspace"] == str(place / ".pipelinekit")
    assert lab.cli("workspace", "delete", "--workspace", str(place), code=2)["error"]["hint"].startswith("--yes")
    assert lab.cli("workspace", "delete", "--workspace", str(place), "--yes")["left"] == []


def test_collections_by_name_stores_secrets_and_care(lab):  # noqa: F811
    workspace = lab.workspace
    with workspace.experiments.get("trials").start_run() as run:
        run.log("x", 1)
    assert workspace.runs.get(run.id).metrics() == {"x": 1}
    with pytest.raises(UsageError, match="3 is not the id of a run"):
        workspace.runs.get(3)
    with pytest.raises(UsageError, match="'soon' is not a duration"):
        workspace.runs.get(run.id).wait(timeout="soon")
    assert [item.name for item in workspace.experiments.list()] == ["trials"]
    for collection in ("datastores", "datasets", "environments"):
        with pytest.raises(PipelinekitError, match="absent"):
            getattr(workspace, collection).get("absent")
    (lab.folder / "data").mkdir()
    workspace.datastores.register("shelf", str(lab.folder / "data"))
    workspace.datastores.set_default("shelf")
    assert workspace.datastores.default.name == "shelf"
    workspace.secrets.set("TOKEN", "a long and secret text")
    assert [item.name for item in workspace.secrets.list()] == ["TOKEN"]
    with (
        given_secrets({"TOKEN": "a long and secret text"}, "step"),
        pytest.raises(UsageError, match=r"(?s)'FIRST', 'SECOND'.*given 'TOKEN'"),
    ):
        get_secrets(["TOKEN", "FIRST", "SECOND"])
    workspace.secrets.delete("TOKEN")
    shown = lab.cli("workspace", "show")
    assert (shown["runs"], shown["experiments"]) == (1, 1)
    assert lab.cli("fsck")["faults"] == []
    assert lab.cli("gc", "--dry-run")
