"""Source folders that runs keep, how much they may hold, and what git and a build machine tell of them."""

import subprocess
import zipfile

import pytest
from data_flows import executed, here, json_of, submit, values, write

from pipelinekit import Workspace
from pipelinekit.errors import NotFoundError, UsageError

STEPS = """
    from pipelinekit import pipeline, step
    import {helper}

    @step
    def twice(n: int) -> int:
        return {helper}.twice(n)

    @pipeline
    def main(n: int = 2):
        return twice(n)
"""


def git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_what_a_run_was_made_of_is_kept_shown_and_copied(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    file = write(root, "kept_by_runs", STEPS.format(helper="kept_helper"))
    write(root, "kept_helper", "def twice(n):\n    return 2 * n\n")
    (root / "data.csv").write_text("1")
    (root / ".gitignore").write_text("kept_helper.py\n")
    (root / ".amlignore").write_text("*.csv\n")
    git(root, "init", "-q", "-b", "work")
    git(root, "remote", "add", "origin", "https://me:the-word@example.com/code.git")
    git(root, "add", "kept_by_runs.py")
    git(root, "commit", "-q", "-m", "first")
    workspace = Workspace.open(root)
    preview = json_of(root, "snapshots", "preview")
    assert {item["path"] for item in preview["included"]} >= {"kept_by_runs.py", "kept_helper.py"}
    assert "data.csv" in {item["path"] for item in preview["left_out"]}
    run = submit(workspace, file, "main")
    names = {item.path for item in workspace.snapshots.get(run.id).files}
    assert names == {".amlignore", ".gitignore", "kept_by_runs.py", "kept_helper.py"}
    again = submit(workspace, file, "main", n=3)
    assert workspace.snapshots.get(again.id).digest == workspace.snapshots.get(run.id).digest
    here(root, "snapshots", "download", run.id, "-o", "kept.zip")
    with zipfile.ZipFile(root / "kept.zip") as file_of_run:
        assert b"return 2 * n" in file_of_run.read("kept_helper.py")
    facts = json_of(root, "runs", "show", again.id)["git"]
    assert (facts["branch"], facts["repository"], facts["dirty"]) == ("work", "https://example.com/code.git", True)
    assert len(facts["commit"]) == 40
    with pytest.raises(NotFoundError, match=r"no file 'nothing\.py'"):
        workspace.snapshots.get(run.id).read("nothing.py")


def test_how_much_a_source_folder_may_hold_is_a_setting(tmp_path, monkeypatch):
    file = write(tmp_path, "large_by_setting", STEPS.format(helper="large_helper"))
    write(tmp_path, "large_helper", "def twice(n):\n    return 2 * n\n")
    monkeypatch.setenv("PIPELINEKIT_SNAPSHOT_FILES", "1")
    with pytest.raises(UsageError, match=r"larger than a snapshot may be \(300 MiB, 1 files\)") as error:
        submit(Workspace.open(tmp_path), file, "main")
    assert "snapshot_files" in error.value.hint
    assert json_of(tmp_path, "snapshots", "preview", code=1)["problems"]
    monkeypatch.setenv("PIPELINEKIT_SNAPSHOT_FILES", "30")
    monkeypatch.setenv("PIPELINEKIT_SNAPSHOT_SIZE", "much")
    assert "'snapshot_size' is no size" in here(tmp_path, "run", file, code=2).err
    monkeypatch.setenv("PIPELINEKIT_SNAPSHOT_SIZE", "1MB")
    assert values(submit(Workspace.open(tmp_path), file, "main")) == {"output": 4}


def test_a_build_machine_tells_its_build(tmp_path, monkeypatch):
    file = write(tmp_path, "told_by_builds", STEPS.format(helper="told_helper"))
    write(tmp_path, "told_helper", "def twice(n):\n    return 2 * n\n")
    workspace = Workspace.open(tmp_path)
    submit(workspace, file, "main")
    assert "git" not in json_of(tmp_path, "runs", "show"), "there is no repository"
    monkeypatch.setenv("PIPELINEKIT_BUILD_ID", "17")
    monkeypatch.setenv("PIPELINEKIT_BUILD_URL", "https://me:the-word@ci.example.com/17?token=x")
    monkeypatch.setenv("PIPELINEKIT_GIT_COMMIT", "c" * 40)
    assert executed(submit(workspace, file, "main")) == [], "nothing of it is keyed"
    facts = json_of(tmp_path, "runs", "show")["git"]
    assert facts == {"build": "17", "build_url": "https://ci.example.com/17", "commit": "c" * 40}
    assert "build 17 https://ci.example.com/17" in here(tmp_path, "runs", "show").out
