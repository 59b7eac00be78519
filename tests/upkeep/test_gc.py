"""Clean-up through the command line: what goes, what stays, and what it says."""

import json
import os
import time

import pytest
from conftest import wait_for
from upkeep.conftest import blobs_of, make_old

from pipelinekit.storage.sqlite_library import sqlite3


def freed(document):
    return {item["kind"]: item["count"] for item in document["freed"] if item["count"]}


def gc(project, *words):
    return project("gc", "--json", *words).json


def loads(project, run="latest"):
    """Whether the outputs of a run can be loaded."""
    target = project.folder / f"saved-{time.monotonic_ns()}"
    project("runs", "outputs", run, "--save", str(target))
    return sorted(path.name for path in target.rglob("text")) == ["text", "text"]


def test_without_options_only_what_nothing_refers_to_goes(kept):
    kept.run("words.py")
    needed = blobs_of(kept)
    kept.run("words.py", "-p", "n=2")
    needed = blobs_of(kept)
    stray = kept.home / "blobs" / "staging"
    stray.mkdir(exist_ok=True)
    (stray / "half").write_bytes(b"half")
    make_old(kept)
    (stray / "young").write_bytes(b"young")
    assert freed(gc(kept)) == {"half-written files": 1}
    assert blobs_of(kept) == needed
    assert [path.name for path in stray.iterdir()] == ["young"]
    assert kept.executed("words.py") == []
    assert loads(kept)


def test_nothing_to_remove_is_said(kept):
    kept.run("words.py")
    found = kept("gc").out
    assert found.startswith("nothing to remove\nkept: ")


def test_an_old_run_goes_with_all_that_only_it_names(kept):
    first = kept.run("words.py")["id"]
    before = blobs_of(kept)
    second = kept.run("words.py", "-p", "n=2")["id"]
    make_old(kept)
    found = gc(kept, "--keep-runs", "1", "--unused-days", "0")
    assert found["runs"] == [first]
    counts = freed(found)
    assert (counts["runs"], counts["reusable results"]) == (1, 4)
    assert counts["blobs"] >= 5
    assert before - blobs_of(kept)
    assert [run["id"] for run in kept("runs", "list", "--json").json["runs"]] == [second]
    assert "there is no run" in kept("runs", "show", first, code=2).err
    assert loads(kept, second)
    assert kept.executed("words.py", "-p", "n=2") == []
    assert sorted(kept.executed("words.py")) == ["join", "spell", "tabulate", "write"]
    assert loads(kept)


def test_results_of_a_removed_run_are_reused_until_they_are_given_up(kept):
    first = kept.run("words.py")["id"]
    second = kept.run("words.py", "-p", "n=2")["id"]
    make_old(kept)
    found = gc(kept, "--keep-runs", "1")
    assert found["runs"] == [first]
    assert "reusable results" not in freed(found)
    third = kept.run("words.py")
    assert {step["status"] for step in third["steps"]} == {"Reused"}
    assert {step["reused_from"]["run"] for step in third["steps"]} == {first}
    assert kept("runs", "show", first, "--json").json["removed"] is True
    assert "what is left is what other runs show or may reuse" in kept("runs", "show", first).out
    assert "was removed by clean-up" in kept("runs", "resume", first, code=2).err
    make_old(kept)
    gc(kept, "--keep-runs", "1", "--unused-days", "0")
    assert loads(kept, third["id"])
    assert [run["id"] for run in kept("runs", "list", "--json").json["runs"]] == [third["id"]]
    assert kept("runs", "logs", "--json").json["run"] == third["id"]
    assert "there is no run" in kept("runs", "show", second, code=2).err


def test_a_dry_run_says_exactly_what_goes_and_removes_nothing(kept):
    kept.run("words.py")
    kept.run("words.py", "-p", "n=2")
    make_old(kept)
    words = ("--keep-runs", "1", "--unused-days", "0")
    before = blobs_of(kept)
    said = gc(kept, *words, "--dry-run")
    assert blobs_of(kept) == before
    assert len(kept("runs", "list", "--json").json["runs"]) == 2
    assert kept("gc", *words, "--dry-run").out.startswith("would remove\n")
    done = gc(kept, *words)
    assert said["dry_run"] is True
    assert {**said, "dry_run": False} == done
    assert next(item for item in done["freed"] if item["kind"] == "reusable results")["seconds"] > 0
    assert freed(gc(kept, *words)) == {}


def test_blobs_used_lately_stay_for_the_grace_period(kept):
    kept.run("words.py")
    kept.run("words.py", "-p", "n=2")
    before = blobs_of(kept)
    found = gc(kept, "--keep-runs", "1", "--unused-days", "0")
    assert "blobs" not in freed(found)
    assert found["young"]["count"] > 0
    assert blobs_of(kept) == before
    assert "--grace must be at least 1 h" in kept("gc", "--grace", "0.5", code=2).err


def test_a_pinned_run_stays_with_all_that_it_names(kept):
    first = kept.run("words.py")["id"]
    kept("runs", "pin", first)
    assert kept("runs", "show", first, "--json").json["pinned"] is True
    kept.run("words.py", "-p", "n=2")
    make_old(kept)
    assert gc(kept, "--keep-runs", "1", "--keep-days", "0", "--unused-days", "0")["runs"] == []
    assert loads(kept, first)
    kept("runs", "unpin", first)
    make_old(kept)
    assert gc(kept, "--keep-runs", "1", "--keep-days", "0", "--unused-days", "0")["runs"] == [first]


def test_runs_younger_than_the_days_to_keep_stay(kept):
    first = kept.run("words.py")["id"]
    second = kept.run("words.py", "-p", "n=2")["id"]
    assert gc(kept, "--keep-days", "10")["runs"] == []
    with sqlite3.connect(kept.home / "records.db") as database:
        database.execute("update runs set created_at = created_at - 20 * 86400 where id = ?", (first,))
    database.close()
    assert gc(kept, "--keep-days", "10", "--keep-runs", "2")["runs"] == [], "what either keeps is kept"
    assert gc(kept, "--keep-days", "10")["runs"] == [first]
    assert [run["id"] for run in kept("runs", "list", "--json").json["runs"]] == [second]


def test_a_budget_takes_first_what_is_cheap_for_its_size(project):
    project.write(
        main="""
            import time
            from pipelinekit import pipeline, step

            @step
            def cheap(n: int) -> bytes:
                return bytes([n]) * 200_000

            @step
            def dear(n: int) -> bytes:
                until = time.monotonic() + 0.3
                while time.monotonic() < until:
                    pass
                return bytes([n, 1]) * 50_000

            @pipeline
            def main(n: int):
                cheap(n)
                dear(n)
        """
    )
    project.run("main.py", "-p", "n=1")
    project.run("main.py", "-p", "n=2")
    make_old(project)
    found = gc(project, "--keep-runs", "1", "--max-size", "450kB")
    assert freed(found)["reusable results"] == 1
    assert (found["over"], found["kept"]["size"] < 450_000) == (0, True)
    assert project.executed("main.py", "-p", "n=1") == ["cheap"]


def test_a_budget_that_cannot_be_kept_is_said(kept):
    kept.run("words.py")
    found = kept("gc", "--max-size", "1kB").out
    assert "over its budget: the rest belongs to runs that are kept" in found
    assert loads(kept)
    assert "is not a size" in kept("gc", "--max-size", "much", code=2).err


def test_a_compiled_graph_keeps_its_code(kept):
    kept("compile", "words.py", "-o", "graph.json")
    make_old(kept)
    gc(kept)
    (kept.folder / "words.py").rename(kept.folder / "words.txt")
    assert len(kept.executed("graph.json")) == 4
    (kept.folder / "words.txt").rename(kept.folder / "words.py")
    with sqlite3.connect(kept.home / "records.db") as database:
        database.execute("update compiled_graphs set compiled_at = compiled_at - 20 * 86400")
        database.execute("update runs set created_at = created_at - 20 * 86400")
    database.close()
    make_old(kept)
    assert freed(gc(kept, "--keep-days", "10", "--unused-days", "0"))["runs"] == 1
    assert "the code of this graph is not in the workspace's store" in kept("run", "graph.json", code=1).err


def test_a_run_whose_inputs_are_gone_is_not_resumed(kept):
    elsewhere = kept.folder.with_name("elsewhere.txt")
    elsewhere.write_bytes(b"elsewhere")
    first = kept.run("words.py", "-p", f"data={elsewhere}")["id"]
    name = next(path for path in (kept.home / "blobs").glob("??/*") if path.read_bytes() == b"elsewhere")
    name.unlink()
    found = kept("runs", "resume", first, code=1)
    assert "an input of pipeline 'words' is no longer in the workspace's store" in found.err
    assert len(kept("runs", "list", "--json").json["runs"]) == 1


def test_source_folders_and_scratch_of_the_dead_go(kept):
    kept.run("words.py")
    (source,) = (kept.home / "snapshots").iterdir()
    dead = kept.home / "scratch" / "4194305"  # larger than any process id
    (dead / "left").mkdir(parents=True)
    (dead / "left" / "file").write_bytes(b"x" * 1000)
    alive = kept.home / "scratch" / str(os.getpid())
    alive.mkdir()
    assert freed(gc(kept)) == {}, "they are too young"
    for path in (source, dead, alive):
        os.utime(path, (time.time() - 10**6,) * 2)
    assert freed(gc(kept)) == {"source folders": 1, "scratch folders": 1}
    assert not source.exists()
    assert [path.name for path in (kept.home / "scratch").iterdir()] == [str(os.getpid())]
    assert not (kept.home / "trash").exists()
    assert len(kept.executed("words.py", "-p", "n=3")) == 4


def test_logs_and_documents_of_removed_runs_go(project):
    project.write(
        main="""
            from pipelinekit import pipeline, step

            @step
            def one(x: int) -> int:
                print("said", x)
                return x

            @pipeline
            def main(x: int = 1):
                one(x)
        """
    )
    project.run("main.py")
    project.run("main.py", "-p", "x=2")
    found = {item["kind"]: item["size"] for item in gc(project, "--keep-runs", "1", "--unused-days", "0")["freed"]}
    assert found["logs"] == len("said 1\n")
    assert found["documents"] > 0
    with sqlite3.connect(project.home / "records.db") as database:
        counts = {
            table: database.execute(f"select count(*) from {table}").fetchone()[0]
            for table in ("runs", "step_runs", "completions", "(select distinct run, step from logs)")
        }
    database.close()
    assert set(counts.values()) == {1}, counts  # one line of a log may have come in several pieces
    assert "parameter 'x' changed: 1 -> 2" in project("explain").out


@pytest.mark.parametrize("options", [("--keep-runs", "-1"), ("--keep-days", "x"), ("--max-size", "1 parsec")])
def test_bad_options_are_refused(kept, options):
    kept.run("words.py")
    assert kept("gc", *options, code=2).err


def test_an_open_run_loses_nothing_however_old_its_blobs_are(kept, tmp_path):
    kept.write(
        waiting="""
            import time
            from pathlib import Path
            from pipelinekit import Folder, pipeline, step
            from words import join, spell, tabulate, write

            @step
            def wait(n: int, marks: str) -> int:
                Path(marks, "begun").touch()
                while not Path(marks, "go").exists():
                    time.sleep(0.01)
                return n

            @pipeline
            def waiting(marks: str, n: int = 1):
                files = write(n)
                text = spell(n, after=files)
                table = tabulate(n, after=text)
                return {"total": join(text, files, table, after=wait(n, marks, after=table)), "files": files}
        """
    )
    kept.run("words.py")
    marks = tmp_path / "marks"
    marks.mkdir()
    process = kept.start("run", "waiting.py", "--json", "-p", f"marks={marks}")
    wait_for((marks / "begun").exists)
    make_old(kept)
    for folder in (kept.home / "snapshots").iterdir():
        os.utime(folder, (time.time() - 10**6,) * 2)
    found = gc(kept, "--keep-runs", "0", "--unused-days", "0", "--max-size", "0")
    assert (len(found["runs"]), freed(found)["runs"]) == (1, 1)
    (marks / "go").touch()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    statuses = {step["name"]: step["status"] for step in json.loads(out)["steps"]}
    assert statuses["write"] == statuses["spell"] == "Reused"
    assert loads(kept)
    assert kept("fsck").out == "no faults\n"
    assert kept.run("words.py")["outputs"]["total"] == 1000 + 50_000 + 8000
