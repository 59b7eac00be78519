"""Checks and repair through the command line: each fault is found exactly, and the next run heals it."""

import os
import time

import pytest
from upkeep.conftest import blobs_of, make_old

from pipelinekit.storage.sqlite_library import sqlite3

TEXT = b"\x01" * 50_000  # what step `spell` gives


def place_of(project, content):
    """The file of the blob with this content."""
    return next(path for path in (project.home / "blobs").glob("??/*") if path.read_bytes() == content)


def name_of(path):
    return f"xxh3:{path.parent.name}{path.name}"


def flip(path):
    os.chmod(path, 0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    os.chmod(path, 0o600)
    os.truncate(path, 100)


def misname(path):
    path.rename(path.with_name(path.name[:-4] + ("0000" if path.name[-4:] != "0000" else "1111")))


def fsck(project, *words, code=0):
    return project("fsck", *words, "--json", code=code).json


def said(document):
    return [(item["rule"], item["object"]) for item in document["faults"] if not item["note"]]


def execute(project, *statements):
    database = sqlite3.connect(project.home / "records.db")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def test_a_workspace_in_order_has_no_faults(kept):
    kept.run("words.py")
    kept.run("words.py", "-p", "n=2")
    before = blobs_of(kept)
    assert fsck(kept) == {"repaired": False, "clean": True, "faults": []}
    assert fsck(kept, "--repair")["faults"] == []
    assert kept("fsck").out == "no faults\n"
    assert blobs_of(kept) == before
    assert kept.executed("words.py") == []
    make_old(kept)
    kept("gc", "--keep-runs", "1", "--unused-days", "0")
    assert said(fsck(kept)) == []


@pytest.mark.parametrize(("harm", "rule"), [(flip, "I9"), (truncate, "I9"), (os.unlink, "I2")])
def test_a_harmed_blob_is_found_taken_back_and_made_again(kept, harm, rule):
    run = kept.run("words.py")["id"]
    blob = place_of(kept, TEXT)
    harm(blob)
    found = fsck(kept, code=1)
    assert said(found) == [(rule, f"blob {name_of(blob)}")]
    assert f"an output of step 'spell' of run {run}" in found["faults"][0]["message"]
    assert said(fsck(kept, code=1)) == said(found), "a check changes nothing"
    mended = fsck(kept, "--repair")
    assert said(mended) == said(found)
    again = fsck(kept)
    assert said(again) == []
    assert [item["object"] for item in again["faults"]] == [f"blob {name_of(blob)}"], "the loss stays known"
    assert kept.executed("words.py") == ["spell"]
    assert place_of(kept, TEXT) == blob
    assert fsck(kept)["faults"] == []


def test_a_misnamed_blob_is_two_faults(kept):
    kept.run("words.py")
    blob = place_of(kept, TEXT)
    misname(blob)
    other = place_of(kept, TEXT)
    found = fsck(kept, code=1)
    assert said(found) == [("I9", f"blob {name_of(other)}"), ("I2", f"blob {name_of(blob)}")]
    assert "nothing refers to it" in found["faults"][0]["message"]
    fsck(kept, "--repair")
    assert kept.executed("words.py") == ["spell"]
    assert fsck(kept)["faults"] == []


def test_a_file_inside_a_folder_and_its_manifest_count_too(kept):
    kept.run("words.py")
    inner = place_of(kept, b"a 1 " * 1000)
    flip(inner)
    assert said(fsck(kept, code=1)) == [("I9", f"blob {name_of(inner)}")]
    fsck(kept, "--repair")
    assert kept.executed("words.py") == ["write"]
    manifest = next(path for path in (kept.home / "blobs").glob("??/*") if b"a/text" in path.read_bytes()[:300])
    manifest.unlink()
    assert said(fsck(kept, code=1)) == [("I2", f"blob {name_of(manifest)}")]
    fsck(kept, "--repair")
    assert kept.executed("words.py") == ["write"]
    assert fsck(kept)["faults"] == []


def test_damaged_code_is_set_aside_and_stored_again(kept):
    kept.run("words.py")
    source = place_of(kept, (kept.folder / "words.py").read_bytes())
    flip(source)
    found = fsck(kept, code=1)
    assert said(found) == [("I9", f"blob {name_of(source)}")]
    assert "the code of snapshot" in found["faults"][0]["message"]
    fsck(kept, "--repair")
    assert list((kept.home / "snapshots").iterdir()) == [], "its files share their bytes with the store"
    assert len(kept.executed("words.py", "-p", "n=7")) == 4
    assert fsck(kept)["faults"] == []


def test_a_quick_check_looks_without_reading(kept):
    kept.run("words.py")
    blob = place_of(kept, TEXT)
    flip(blob)
    assert said(fsck(kept, "--quick")) == []
    blob.unlink()
    assert said(fsck(kept, "--quick", code=1)) == [("I2", f"blob {name_of(blob)}")]


def test_files_that_do_not_belong_to_the_store_are_set_aside(kept):
    kept.run("words.py")
    (kept.home / "blobs" / "notes.txt").write_text("mine")
    staging = kept.home / "blobs" / "staging"
    staging.mkdir(exist_ok=True)
    for name in ("old", "young"):
        (staging / name).write_text("half")
    os.utime(staging / "old", (time.time() - 10**6,) * 2)
    found = fsck(kept, code=1)
    assert sorted(said(found)) == [("I9", "file notes.txt in the store"), ("I9", "file staging/old in the store")]
    fsck(kept, "--repair")
    assert (kept.home / "blobs" / "damaged" / "notes.txt").read_text() == "mine"
    assert [path.name for path in staging.iterdir()] == ["young"]
    assert fsck(kept)["faults"] == []


def test_a_claim_that_nobody_holds_is_ended(kept):
    run = kept.run("words.py")["id"]
    execute(kept, f"insert into claims values ('xxh3:0', '{run}', 1, 'spell')")
    assert said(fsck(kept, code=1)) == [("I12", f"claim of step 'spell' of run {run}")]
    assert said(fsck(kept, "--repair")) == [("I12", f"claim of step 'spell' of run {run}")]
    assert fsck(kept)["faults"] == []


@pytest.mark.parametrize(
    ("statement", "rule", "part"),
    [
        ("delete from events where sequence = 2", "I1", "its events have gaps"),
        ("update runs set events = events + 1", "I1", "events, but has"),
        ("update runs set status = 'Failed'", "I1", "it ended as Completed, but is recorded as Failed"),
        ("update step_runs set status = 'Reused' where step = 'spell'", "I1", "but became Completed"),
        (
            "update step_runs set status = 'Running' where step = 'spell'",
            "I3",
            "it has ended, but step 'spell' has not",
        ),
        (
            "update step_runs set status = 'Failed' where step = 'spell'",
            "I3",
            "it completed, but step 'spell' is Failed",
        ),
        (
            """update events set body = '{"steps":[["join","Queued"]]}' where sequence = 2""",
            "I4",
            "it began before step 'spell', which comes before it, had ended",
        ),
        ("delete from completions where step = 'spell'", "I2", "the outputs of step 'spell'"),
        ("update step_runs set key = 'x' where step = 'spell'", "I5", "its step run has another key"),
        ("delete from documents where body like '%pipelinekit.graph%'", "I5", "it is not in the records"),
        ("update documents set body = '{}' where body like '%\"origins\"%'", "I5", "it is not what its digest says"),
        ("update events set run = 'zz' where sequence = 2", "I13", "refers to a row of runs that is not there"),
    ],
)
def test_records_that_contradict_each_other_are_told(kept, statement, rule, part):
    kept.run("words.py")
    execute(kept, statement)
    found = fsck(kept, code=1)
    assert (rule, True) in {(item["rule"], part in item["message"]) for item in found["faults"]}, found


def test_damaged_documents_are_removed_and_their_results_not_reused(kept):
    kept.run("words.py")
    execute(kept, "update documents set body = '{}' where body like '%\"places\"%'")
    found = fsck(kept, code=1)
    assert {rule for rule, _ in said(found)} == {"I5"}
    assert len(said(found)) == 4
    fsck(kept, "--repair")
    assert sorted(kept.executed("words.py")) == ["join", "spell", "tabulate", "write"]
    assert fsck(kept)["faults"] == []


def test_faults_are_told_with_what_to_do(kept):
    kept.run("words.py")
    flip(place_of(kept, TEXT))
    found = kept("fsck", code=1).out.splitlines()
    assert found[0].startswith("I9  blob xxh3:")
    assert found[1].strip().startswith("--repair: it is set aside, and 1 result not reused any more")
    assert found[-1] == "1 fault, 1 fault can be repaired"
    assert kept("fsck", "--repair").out.splitlines()[-1] == "1 fault, 1 fault repaired"
