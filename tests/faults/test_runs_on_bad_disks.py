"""Whole runs on disks that fill up or are taken away: what failed says so, what was finished stays, and it goes on after."""

import json

from seams import Child, small_disk

MAIN = """
import os
import subprocess
import time
from pathlib import Path
from pipelinekit import pipeline, step

@step
def small() -> bytes:
    return b"s" * 5000

@step
def large(data: bytes, size: int) -> bytes:
    return bytes(range(256)) * (size // 256)

@step
def count(data: bytes) -> int:
    return len(data)

@step
def fill(data: bytes, place: str) -> int:
    with open(place, "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(1024))
        except OSError:
            pass
    for _ in range(200):
        print("x" * 1000)
    return len(data)

@step
def away(data: bytes, place: str, mark: str) -> bytes:
    subprocess.run(["umount", "-l", place], check=True)
    Path(mark).touch()
    return data * 2

@pipeline
def main(size: int = 1000):
    return count(large(small(), size))

@pipeline
def filled(place: str):
    return fill(small(), place)

@pipeline
def parted(place: str, mark: str):
    return count(away(small(), place, mark))
"""
COMMON = """
    import json, os, subprocess, sys, time
    from pathlib import Path
    folder, text = Path(sys.argv[1]), sys.argv[2]
    project = folder / "project"
    (project / "main.py").write_text(text)
    done = {}
    def start(*words):
        command = [sys.executable, "-P", "-m", "pipelinekit", *map(str, words)]
        return subprocess.Popen(command, cwd=project, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    def end(name, process):
        out, err = process.communicate(timeout=100)
        done[name] = [process.returncode, out, err]
    def run(name, *words):
        end(name, start(*words))
"""


def told(child):
    """What each command of a script ended with and wrote."""
    done = json.loads(child.end(seconds=200).splitlines()[-1])
    assert not [err for _, _, err in done.values() if "Traceback" in err], done
    return done


def test_a_run_on_a_full_disk_fails_with_words_and_the_next_one_goes_on(tmp_path):
    script = (
        COMMON
        + """
    run("first", "run", "main.py:main", "--json")
    run("too large", "run", "main.py:main", "--json", "-p", "size=6000000")
    left = [path.name for path in (project / ".pipelinekit/blobs/staging").rglob("*")]
    run("filled", "run", "main.py:filled", "--json", "-p", f"place={project}/ballast")
    run("refused", "run", "main.py:main", "--json", "-p", "size=2000")
    run("looked at", "runs", "list", "--json")
    (project / "ballast").unlink()
    run("after", "run", "main.py:main", "--json", "-p", "size=2000")
    run("list", "runs", "list", "--json")
    run("fsck", "fsck")
    print(left)
    print(json.dumps(done))
    """
    )
    (tmp_path / "project").mkdir()
    child = Child(script, tmp_path, MAIN, prefix=small_disk(tmp_path / "project", "4m"))
    assert child.says() == "[]", "no half-written file is left"
    done = told(child)
    assert done["first"][0] == 0
    code, out, _ = done["too large"]
    error = json.loads(out)["error"]
    assert (code, error["kind"]) == (1, "storage")
    assert "No space left on device" in error["message"]
    assert "free space on the disk" in error["hint"]
    (step,) = (step for step in json.loads(out)["steps"] if step["name"] == "large")
    assert step["attempts"] == 4, "it was tried again"
    for name in ("filled", "refused"):
        code, out, err = done[name]
        assert code == 1, done[name]
        assert "full" in out + err or "No space left" in out + err
        assert "free space on the disk" in out + err
    assert done["looked at"][0] == 0, "looking needs no room"
    after = json.loads(done["after"][1])
    assert (done["after"][0], after["outputs"]) == (0, {"output": 1792})
    assert [step["status"] for step in after["steps"]] == ["Reused", "Completed", "Completed"]
    assert {run["status"] for run in json.loads(done["list"][1])["runs"]} == {"Completed", "Failed"}
    assert done["fsck"][1].startswith("no faults")


def test_a_run_whose_store_goes_away_waits_for_it_and_completes(tmp_path):
    script = (
        COMMON
        + """
    for name in ("disk", "project/.pipelinekit/blobs"):
        (folder / name).mkdir(parents=True)
    blobs = project / ".pipelinekit/blobs"
    subprocess.run(["mount", "-t", "tmpfs", "none", folder / "disk"], check=True)
    subprocess.run(["mount", "--bind", folder / "disk", blobs], check=True)
    process = start("run", "main.py:parted", "--json", "-p", f"place={blobs}", "-p", f"mark={folder}/mark")
    while not (folder / "mark").exists():
        time.sleep(0.01)
    assert list(blobs.iterdir()) == []
    subprocess.run(["mount", "--bind", folder / "disk", blobs], check=True)
    end("run", process)
    run("again", "run", "main.py:parted", "--json", "-p", f"place={blobs}", "-p", f"mark={folder}/mark")
    run("fsck", "fsck")
    subprocess.run(["umount", blobs], check=True)
    print(sorted(path.name for path in blobs.iterdir()))
    print(json.dumps(done))
    """
    )
    (tmp_path / "project").mkdir()
    small_disk(tmp_path, "1m")  # says whether that can be done here
    child = Child(script, tmp_path, MAIN, prefix=["unshare", "-rm"])
    assert child.says() == "[]", "nothing was written where the disk was not"
    done = told(child)
    first, again = (json.loads(done[name][1]) for name in ("run", "again"))
    assert (done["run"][0], first["outputs"]) == (0, {"output": 10_000})
    assert {step["attempts"] for step in first["steps"]} == {1}, "it waited, and was not tried again"
    assert {step["status"] for step in again["steps"]} == {"Reused"}
    assert done["fsck"][1].startswith("no faults")
