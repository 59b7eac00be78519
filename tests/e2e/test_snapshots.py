"""Snapshots at the command line and in Python, and what runs tell of git."""

import subprocess
import zipfile

import pytest

from pipelinekit import Workspace
from pipelinekit.errors import NotFoundError, UsageError

PIPELINE = """
from pipelinekit import CommandStep, pipeline, step

@step
def one(x: int = 1) -> int:
    return x + 1

other = CommandStep("sh -c 'cat data.txt > {outputs.text}'", source_directory="scripts", outputs=["text"], name="other")

@pipeline
def main(x: int = 1):
    return {"one": one(x), "text": other().text}
"""


@pytest.fixture
def project(project):
    project.write(main=PIPELINE)
    (project.folder / "scripts").mkdir()
    (project.folder / "scripts" / "data.txt").write_text("data\n")
    (project.folder / "tool.sh").write_text("#!/bin/sh\n")
    (project.folder / "tool.sh").chmod(0o755)
    return project


def git(project, *words):
    done = subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=a@b", "-c", "init.defaultBranch=trunk", *words],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_snapshot_of_a_run_is_shown_and_copied(project, tmp_path):
    project.run("main.py")
    shown = project("snapshots", "show", "--json").json
    assert [item["path"] for item in shown["files"]] == ["main.py", "scripts/data.txt", "tool.sh"]
    project.edit("main.py", "x + 1", "x + 2")
    project("snapshots", "download", "-o", str(tmp_path / "copy"))
    assert "x + 1" in (tmp_path / "copy" / "main.py").read_text()
    assert (tmp_path / "copy" / "tool.sh").stat().st_mode & 0o777 == 0o755
    told = project("snapshots", "download", shown["digest"], "-o", str(tmp_path / "one.zip"), "--json").json
    assert told["files"] == 3
    project("snapshots", "download", "-o", str(tmp_path / "two.zip"))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["main.py", "scripts/data.txt", "tool.sh"]
        assert archive.testzip() is None
    error = project("snapshots", "download", "-o", str(tmp_path / "one.zip"), code=2).err
    assert "one.zip is there already" in error
    step = project("snapshots", "show", "--step", "other", "--json").json
    assert [item["path"] for item in step["files"]] == ["data.txt"]
    assert "has no step 'nobody'" in project("snapshots", "show", "--step", "nobody", code=2).err


def test_a_preview_tells_rules_and_problems(project, tmp_path):
    (project.folder / ".amlignore").write_text("*.sh\n")
    told = project("snapshots", "preview").out
    assert "a snapshot would hold 3 files" in told
    assert ".amlignore:1: *.sh" in told
    found = project("snapshots", "preview", "--json").json
    assert found["left_out"][-1]["rule"] == {"file": ".amlignore", "line": 1, "pattern": "*.sh"}
    (tmp_path / "outside").write_text("")
    (project.folder / "link").symlink_to(tmp_path / "outside")
    assert "problem: " in project("snapshots", "preview", code=1).out
    assert "outside the source folder" in project("run", "main.py", code=2).err


def test_snapshots_in_python(project, tmp_path):
    run = project.run("main.py")["id"]
    workspace = Workspace.open(project.folder)
    snapshot = workspace.snapshots.get(run)
    assert snapshot.read("scripts/data.txt") == b"data\n"
    assert snapshot.digest == workspace.snapshots.get(snapshot.digest).digest
    (tmp_path / "empty").mkdir()
    assert (snapshot.download(tmp_path / "empty") / "main.py").is_file()
    with pytest.raises(UsageError, match="is there already"):
        snapshot.download(tmp_path / "empty")
    with pytest.raises(NotFoundError, match="has no file 'nobody'"):
        snapshot.read("nobody")
    with pytest.raises(NotFoundError, match="there is no snapshot"):
        workspace.snapshots.get("xxh3:" + "0" * 32)
    assert len(workspace.snapshots.preview(project.folder).taken) == 3


def test_a_likely_secret_is_named_once_in_each_run(project):
    (project.folder / "scripts" / "id_rsa").write_text("CANARY")
    (project.folder / ".env").write_text("left out by itself")
    for _ in range(2):
        done = project("run", "main.py")
        assert done.err.count("scripts/id_rsa: it looks like a secret (a private key)") == 1
        assert "CANARY" not in done.err
        assert ".env" not in done.err.replace(".environ", "")
    for folder in (project.folder, project.folder / "scripts"):
        (folder / ".amlignore").write_text("id_rsa\n")
    assert "secret" not in project("run", "main.py").err


def test_without_git_runs_tell_nothing_of_it(project):
    document = project.run("main.py")
    assert "git" not in document
    assert "git" not in project("runs", "show").out
    assert "no difference to a commit was kept" in project("runs", "show", "--diff", code=2).err


def test_runs_tell_commit_and_differences_and_ask_git_only_when_something_executes(project, tmp_path, monkeypatch):
    git(project, "init", "-q")
    git(project, "remote", "add", "origin", "https://bob:hunter2@example.com/x.git")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    commit = git(project, "rev-parse", "HEAD")
    project.run("main.py")
    shown = project("runs", "show").out
    assert f"{commit[:12]} on trunk  (https://example.com/x.git)" in shown
    assert "the source folder was as committed" in shown
    project.edit("main.py", "x + 1", "x + 2")
    project.run("main.py")
    assert "1 file changed; --diff shows them" in project("runs", "show").out
    assert "+    return x + 2" in project("runs", "show", "--diff").out
    found = project("runs", "show", "--json").json["git"]
    assert (found["commit"], found["dirty"], found["modified"]) == (commit, True, ["main.py"])
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    assert project.executed("main.py") == []
    assert not (tmp_path / "asked").exists()
    assert project("runs", "show", "--json").json["git"]["commit"] == commit
    assert "+    return x + 2" in project("runs", "show", "--diff").out, "it was seen before"
    project("run", "main.py", "-p", "x=7")
    assert not (tmp_path / "asked").exists(), "of this source and commit it is known"
    assert "+    return x + 2" in project("runs", "show", "--diff").out
    project.edit("main.py", "x + 2", "x + 3")
    project("run", "main.py")
    assert (tmp_path / "asked").exists()
    assert "hunter2" not in project("runs", "show", "--json").out
    assert b"hunter2" not in (project.home / "records.db").read_bytes()
