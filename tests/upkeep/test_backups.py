"""`workspace backup` and `workspace restore`: records as they were at one moment, and back to it."""

import os

import pytest
from conftest import wait_for

STEPS = """
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    @step
    def wait(marks: str, n: int) -> int:
        Path(marks, f"begun-{n}").touch()
        while not Path(marks, f"go-{n}").exists():
            time.sleep(0.01)
        return n

    @pipeline
    def main(marks: str, n: int):
        return wait(marks, n)
"""


@pytest.fixture
def marked(project, tmp_path):
    project.write(main=STEPS)
    project.words = ("main.py", "-p", f"marks={tmp_path}", "-p")
    (tmp_path / "go-0").touch()
    project.first = project.run(*project.words, "n=0")
    return project


def runs(project):
    return [run["id"] for run in project("runs", "list", "--json").json["runs"]]


def test_a_copy_is_whole_while_a_run_goes_on_and_brings_back_what_was(marked, tmp_path):
    process = marked.start("run", "--json", *marked.words, "n=1")
    wait_for((tmp_path / "begun-1").exists)
    said = marked("workspace", "backup", "kept.db")
    assert str(marked.folder / "kept.db") in said.out
    assert sorted(os.listdir(marked.folder)) == [".pipelinekit", "kept.db", "main.py"], "one file holds it all"
    (tmp_path / "go-1").touch()
    process.communicate(timeout=60)
    before = runs(marked)
    assert len(before) == 2
    refused = marked("workspace", "restore", "kept.db", code=2)
    assert "nothing was changed" in refused.err
    assert "--yes" in refused.err
    told = marked("workspace", "restore", "kept.db", "--yes", "--json").json
    again = marked.run(*marked.words, "n=0")
    assert again["steps"][0]["status"] == "Reused"
    statuses = {run["id"]: run["status"] for run in marked("runs", "list", "--json").json["runs"]}
    assert statuses[before[0]] == "Failed", "it was in progress in the copy"
    assert marked("fsck").out == "no faults\n"
    marked("workspace", "restore", told["kept"], "--yes")
    assert runs(marked) == before


def test_records_that_are_damaged_are_set_aside_for_a_copy(marked):
    marked("workspace", "backup", "kept.db")
    (marked.home / "records.db").write_bytes(b"no database at all" * 1000)
    assert "is not a database" in marked("runs", "list", code=1).err
    told = marked("workspace", "restore", "kept.db", "--yes", "--json").json
    assert runs(marked) == [marked.first["id"]]
    with open(told["kept"], "rb") as kept:
        assert kept.read(10) == b"no databas"


@pytest.mark.parametrize("content", [b"", b"no database" * 500])
def test_what_is_no_copy_changes_nothing(marked, content):
    (marked.folder / "kept.db").write_bytes(content)
    said = marked("workspace", "restore", "kept.db", "--yes", code=2).err
    assert "nothing was changed" in said
    assert runs(marked) == [marked.first["id"]]
    assert not [name for name in os.listdir(marked.home) if "replaced" in name]


def test_a_damaged_copy_changes_nothing(marked):
    marked("workspace", "backup", "kept.db")
    whole = (marked.folder / "kept.db").read_bytes()
    (marked.folder / "kept.db").write_bytes(whole[: len(whole) // 2])
    assert "nothing was changed" in marked("workspace", "restore", "kept.db", "--yes", code=2).err
    assert runs(marked) == [marked.first["id"]]


def test_a_copy_is_never_written_over_another_file(marked):
    (marked.folder / "kept.db").write_text("mine")
    assert "there is a file at" in marked("workspace", "backup", "kept.db", code=2).err
    assert (marked.folder / "kept.db").read_text() == "mine"
    assert "there is no folder" in marked("workspace", "backup", "absent/kept.db", code=2).err


def test_nothing_is_put_back_under_a_run_that_goes_on(marked, tmp_path):
    marked("workspace", "backup", "kept.db")
    process = marked.start("run", "--json", *marked.words, "n=2")
    wait_for((tmp_path / "begun-2").exists)
    assert "is Running" in marked("workspace", "restore", "kept.db", "--yes", code=2).err
    (tmp_path / "go-2").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0
