"""What git knows of a source folder: read from its files as git itself would tell it, and its differences."""

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.snapshots import Tree, TreeEntry
from pipelinekit.workspace.git import find_repository, git_facts, without_credentials
from pipelinekit.workspace.git_changes import LONGEST_DIFF, changes_of_snapshot, git_changes


def git(folder, *words):
    quiet = [
        "-c",
        "user.name=n",
        "-c",
        "user.email=a@b",
        "-c",
        "init.defaultBranch=trunk",
        "-c",
        "protocol.file.allow=always",
    ]
    done = subprocess.run(["git", *quiet, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path):
    """A work tree with one commit, and a source folder inside."""
    tree = tmp_path / "tree"
    source = tree / "source"
    source.mkdir(parents=True)
    git(tree, "init", "-q")
    (source / "main.py").write_text("a = 1\n")
    (source / "other é.py").write_text("b = 1\n")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "first")
    return source


def facts(folder):
    return git_facts(folder, {})


def test_facts_are_those_that_git_tells(root):
    assert facts(root) == {"branch": "trunk", "commit": git(root, "rev-parse", "HEAD")}
    git(root, "checkout", "-qb", "feature/one")
    git(root, "commit", "-qm", "second", "--allow-empty")
    git(root, "pack-refs", "--all")
    assert facts(root) == {"branch": "feature/one", "commit": git(root, "rev-parse", "HEAD")}
    git(root, "checkout", "-q", "--detach", "trunk")
    assert facts(root) == {"commit": git(root, "rev-parse", "HEAD")}


def test_before_the_first_commit_there_is_a_branch_only(tmp_path):
    git(tmp_path, "init", "-q")
    assert facts(tmp_path) == {"branch": "trunk"}
    (tmp_path / "main.py").write_text("")
    git(tmp_path, "add", ".")
    found = git_changes(tmp_path, ["main.py"], has_commit=False)
    assert (found["dirty"], found["untracked"], found["diff"]) == (True, ["main.py"], "")


def test_the_remote_is_that_of_the_branch_without_credentials(root):
    git(root, "remote", "add", "upstream", "https://other.example/x.git")
    assert facts(root)["repository"] == "https://other.example/x.git"
    git(root, "remote", "add", "origin", "https://bob:hunter2@example.com:8443/x/y.git?token=abc")
    assert facts(root)["repository"] == "https://example.com:8443/x/y.git"
    git(root, "config", "branch.trunk.remote", "upstream")
    assert facts(root)["repository"] == "https://other.example/x.git"


def test_work_trees_beside_and_submodules_are_told(root, tmp_path):
    git(root, "remote", "add", "origin", "https://example.com/x.git")
    git(root, "worktree", "add", "-q", "-b", "beside", str(tmp_path / "beside"))
    found = facts(tmp_path / "beside" / "source")
    assert found == {
        "repository": "https://example.com/x.git",
        "branch": "beside",
        "commit": git(root, "rev-parse", "HEAD"),
    }
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    git(inner, "commit", "-qm", "inner", "--allow-empty")
    git(root.parent, "submodule", "--quiet", "add", str(inner), "module")
    assert facts(root.parent / "module")["commit"] == git(inner, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "content", ["", "gitdir: /nowhere/at/all", "nonsense \0", "ref: refs/heads/../../../etc/passwd"]
)
def test_what_is_no_repository_is_no_error(tmp_path, content):
    (tmp_path / ".git").write_text(content)
    assert facts(tmp_path) == {}
    (tmp_path / ".git").unlink()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(content)
    assert "commit" not in facts(tmp_path)


def test_outside_of_any_repository_there_is_nothing(tmp_path):
    assert find_repository(tmp_path) is None
    assert facts(tmp_path) == {}
    assert git_changes(tmp_path, ["main.py"]) is None


def test_a_build_machine_may_know_better(root):
    given = {"PIPELINEKIT_GIT_BRANCH": "main", "PIPELINEKIT_GIT_REPOSITORY": "https://u:p@host/x"}
    found = git_facts(root, given)
    assert (found["branch"], found["repository"]) == ("main", "https://host/x")


@given(
    st.sampled_from(["https", "http", "ssh", "git", "ftp"]),
    st.from_regex(r"[a-zA-Z0-9_.%+-]{1,10}(:[^/@\s]{1,10})?", fullmatch=True),
    st.sampled_from(["example.com", "10.0.0.1:8080"]),
)
def test_no_user_or_password_is_left_in_a_url(scheme, user, host):
    clean = without_credentials(f"{scheme}://{user}@{host}/a/b.git")
    assert clean in (f"{scheme}://{host}/a/b.git", f"ssh://git@{host}/a/b.git")


def test_a_remote_as_ssh_writes_it_stays():
    assert without_credentials("git@example.com:a/b.git") == "git@example.com:a/b.git"
    assert without_credentials("ssh://git@example.com/a.git") == "ssh://git@example.com/a.git"
    assert without_credentials("/srv/a.git") == "/srv/a.git"


def test_a_clean_folder_is_clean_whatever_lies_beside_it(root):
    (root.parent / "beside.py").write_text("")
    found = git_changes(root, ["main.py", "other é.py"])
    assert found == {"dirty": False, "modified": [], "deleted": [], "untracked": [], "diff": "", "truncated": False}


def test_changes_of_the_snapshot_are_told_and_shown(root):
    (root / "main.py").write_text("a = 2\n")
    (root / "other é.py").unlink()
    (root / "new.py").write_text("")
    (root / "notes").write_text("")  # ignored: not among the files that are taken
    found = git_changes(root, ["main.py", "new.py"])
    assert (found["dirty"], found["modified"], found["untracked"]) == (True, ["main.py"], ["new.py"])
    assert found["deleted"] == ["other é.py"]
    assert "-a = 1\n+a = 2\n" in found["diff"]
    assert "diff --git a/main.py b/main.py" in found["diff"]


def test_nothing_is_shown_of_what_is_ignored_or_looks_like_a_secret(root):
    for name in ("ignored.py", "secret.pem"):
        (root / name).write_text("before\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "second")
    for name in ("ignored.py", "secret.pem", "main.py"):
        (root / name).write_text("CANARY\n" if name != "main.py" else "a = 3\n")
    found = git_changes(root, ["main.py", "secret.pem"], ["secret.pem"])
    assert found["modified"] == ["main.py", "secret.pem"]
    assert "a = 3" in found["diff"]
    assert "CANARY" not in str(found)


def manifest_of(root, *paths):
    entries = [TreeEntry(path, digest_bytes((root / path).read_bytes()), 1) for path in paths]
    return Tree.of(entries).manifest()


def test_a_folder_that_changed_after_its_snapshot_is_not_told_of(root):
    (root / "main.py").write_text("a = 2\n")
    (root / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    git(root, "add", "key.pem")
    manifest = manifest_of(root, "main.py", "other é.py", "key.pem")
    found = changes_of_snapshot(root, manifest, has_commit=True)
    assert found["modified"] == ["key.pem", "main.py"]
    assert "a = 2" in found["diff"]
    assert "PRIVATE KEY" not in found["diff"]
    (root / "main.py").write_text("a = 3\n")
    assert changes_of_snapshot(root, manifest, has_commit=True) is None


def test_a_long_difference_is_cut_and_says_so(root):
    (root / "main.py").write_text("x = 1\n" * LONGEST_DIFF)
    found = git_changes(root, ["main.py"])
    assert len(found["diff"]) == LONGEST_DIFF
    assert found["truncated"]


def test_no_program_of_the_repositorys_settings_is_run(root, tmp_path):
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    evil.chmod(0o755)
    (root / ".gitattributes").write_text("*.py diff=evil\n")
    for name in ("core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command", "core.pager"):
        git(root, "config", name, str(evil))
    (root / "main.py").write_text("a = 2\n")
    assert "+a = 2" in git_changes(root, ["main.py"])["diff"]
    assert not (tmp_path / "ran").exists()


def test_without_the_program_git_there_is_nothing_to_tell(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_changes(root, ["main.py"]) is None
    assert facts(root)["branch"] == "trunk", "files are read without it"


def test_a_name_that_looks_like_an_option_or_a_pattern_is_a_name(root):
    for name in ("--output=x.py", "[m]ain.py", ":(top)y.py"):
        (root / name).write_text("1\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "odd")
    for name in ("--output=x.py", "[m]ain.py", ":(top)y.py", "main.py"):
        (root / name).write_text("2\n")
    found = git_changes(root, ["--output=x.py", "[m]ain.py", ":(top)y.py"])
    assert found["diff"].count("diff --git") == 3
    assert "a/main.py" not in found["diff"].replace("a/[m]ain.py", "")
    assert not os.path.exists(root / "x.py")
