"""Workspaces whose blobs lie in an object store: a server in a process of its own, commands in processes of theirs."""

import os
import shutil
import subprocess
import sys

import object_servers
import pytest
from conftest import Project, scheduler_address
from distributed import Client

PIPELINE = """
    import os
    from pathlib import Path
    from pipelinekit import Folder, pipeline, step

    @step
    def numbers(n: int) -> list[int]:
        return list(range(n))

    @step
    def pages(words: list[int]) -> Folder:
        folder = Path("pages")
        folder.mkdir()
        for number in range(3):
            (folder / f"{number}.txt").write_text(f"{words[number]} " * 3000)
        return folder

    @step
    def letters(pages: Folder) -> int:
        return sum(len(path.read_text()) for path in pages.iterdir())

    @pipeline
    def book(n: int = 3000):
        return letters(pages(numbers(n)))
"""


@pytest.fixture
def place(moto, monkeypatch):
    """The address of an empty store, named by settings."""
    address = moto.address()
    for name, value in {
        **object_servers.CREDENTIALS,
        "PIPELINEKIT_BLOBS": address.url,
        "PIPELINEKIT_BLOBS_ENDPOINT": address.endpoint,
        "PIPELINEKIT_BLOBS_REGION": address.region,
    }.items():
        monkeypatch.setenv(name, value)
    return address


@pytest.fixture
def store(place, tmp_path):
    return object_servers.opened(place, tmp_path / "own-copies")


def local_blobs(project):
    return [path for path in (project.home / "blobs").rglob("*") if path.is_file()]


def copies(project):
    return list((project.home / "blob-copies").glob("??/*"))


@pytest.mark.slow
def test_a_workspace_with_the_same_records_and_no_copies_reuses_and_executes(project, store, tmp_path):
    project.write(book=PIPELINE)
    assert project.executed("book.py") == ["numbers", "pages", "letters"]
    assert local_blobs(project) == []
    stored = {entry.digest for entry in store.upkeep.blobs()}
    assert len(stored) == 7, "source and its manifest, a list, two different pages and one more, and their manifest"
    assert store.blobs.missing(stored) == set()

    other = Project(tmp_path / "other" / "project")
    other.folder.mkdir(parents=True)
    shutil.copyfile(project.folder / "book.py", other.folder / "book.py")
    other.home.mkdir()
    shutil.copyfile(project.home / "records.db", other.home / "records.db")
    other.edit("book.py", "len(path.read_text())", "len(path.read_text()) + 1")
    document = other.run("book.py")
    assert [step["status"] for step in document["steps"]] == ["Reused", "Reused", "Completed"]
    assert document["outputs"] == {"output": 18_003}
    assert copies(other), "what the step needed was fetched"


@pytest.mark.slow
def test_what_the_store_lost_or_damaged_is_made_again(project, store):
    project.write(book=PIPELINE)
    project.run("book.py")
    for path in copies(project):
        path.unlink()
    page = next(entry.digest for entry in store.upkeep.blobs() if entry.size == 6000)
    store.blobs.discard(page)
    project.edit("book.py", "len(path.read_text())", "len(path.read_text()) + 1")
    assert project.executed("book.py") == ["pages", "letters"], "it is looked for before a result is reused"

    for path in copies(project):
        path.unlink()
    object_servers.damage(store.blobs, page)
    project.edit("book.py", "len(path.read_text()) + 1", "len(path.read_text()) + 2")
    document = project.run("book.py")
    assert [step["status"] for step in document["steps"]] == ["Reused", "Completed", "Completed"]
    assert document["outputs"] == {"output": 18_006}
    assert [item.kind for item in store.upkeep.leftovers()] == ["set aside"]


def test_clean_up_and_checks_work_on_the_store(project, store, place, moto):
    project.write(book=PIPELINE)
    project.run("book.py")
    before = {entry.digest for entry in store.upkeep.blobs()}
    unused, _ = store.blobs.put(b"nobody's")
    moto.age(place, 3 * 86400)
    found = project("gc", "--json").json
    assert {item["kind"]: item["count"] for item in found["freed"] if item["count"]} == {"blobs": 1}
    assert {entry.digest for entry in store.upkeep.blobs()} == before
    damaged = next(entry.digest for entry in store.upkeep.blobs() if entry.size == 6000)
    object_servers.damage(store.blobs, damaged)
    assert "its bytes are not what its name says" in project("fsck", code=1).out
    assert "repaired: it is set aside" in project("fsck", "--repair").out
    for path in copies(project):
        path.unlink()
    assert project.executed("book.py") == ["pages"], "early cutoff: the pages are as they were"
    assert project("fsck").out == "no faults\n"
    assert unused not in before


SMALL = """
    from pipelinekit import File, pipeline, step

    @step
    def lines(data: File) -> int:
        return len(data.read_text().split())

    @pipeline
    def small(data: File = "data.txt", factor: int = 1):
        return lines(data)
"""
NOWHERE = {"PIPELINEKIT_BLOBS_ENDPOINT": "http://127.0.0.1:9"}


def test_a_run_in_which_nothing_is_new_needs_no_connection_to_the_store(project, store):
    project.write(small=SMALL)
    data = project.folder / "data.txt"
    data.write_text("one two")
    assert project.executed("small.py") == ["lines"]
    again = project.run("small.py", env=NOWHERE)
    assert [step["status"] for step in again["steps"]] == ["Reused"]
    assert again["number"] == 2, "what was tried first and taken back leaves nothing"
    assert [run["number"] for run in project("runs", "list", "--json").json["runs"]] == [2, 1]

    data.write_text("one two three")
    assert project.run("small.py")["outputs"] == {"output": 3}
    project.edit("small.py", "@step", "# a step\n@step")
    before = {entry.digest for entry in store.upkeep.blobs()}
    assert project.executed("small.py") == []
    new = {entry.digest for entry in store.upkeep.blobs()} - before
    assert len(new) == 2, "the source that has changed, and its manifest, although no step was executed"
    assert project("fsck").out == "no faults\n"


@pytest.mark.slow
def test_dask_workers_with_folders_of_their_own_need_no_folder_of_the_workspace(project, store, tmp_path, monkeypatch):
    project.write(book=PIPELINE)
    own = tmp_path / "worker"
    monkeypatch.setenv("PIPELINEKIT_NODE_CACHE", "100")

    def sources():
        return [path for path in own.rglob("snapshots/*") if path.is_dir()]

    with dask_elsewhere(tmp_path / "dask", {"PIPELINEKIT_WORKER_FOLDER": str(own)}) as address:
        document = project.run("book.py", "--compute", address)
        assert {step["status"] for step in document["steps"]} == {"Completed"}
        assert document["outputs"] == {"output": 18_000}
        fetched = [path for path in own.rglob("blob-copies/??/*") if path.is_file()]
        assert fetched, "the worker keeps copies in its own folder"
        assert not (project.home / "snapshots").exists(), "nothing was executed here"
        shutil.rmtree(own)
        project.edit("book.py", "len(path.read_text())", "len(path.read_text()) + 1")
        assert project.executed("book.py", "--compute", address) == ["letters"]
        assert project("runs", "outputs", "--json").json["output"]["value"] == 18_003
        assert len(sources()) == 1, "there is room for less, but a process was at work in it"

        os.utime(sources()[0], (1.0, 1.0))
        project.edit("book.py", "len(path.read_text()) + 1", "len(path.read_text()) + 2")
        assert project.executed("book.py", "--compute", address) == ["letters"]
        assert len(sources()) == 1, "what nobody uses any more has made room"
    assert project("runs", "outputs", "--json").json["output"]["value"] == 18_006


LARGE = """
    import time
    from pathlib import Path
    from pipelinekit import pipeline, step

    GO = Path({go!r})

    @step
    def make(seed: int) -> bytes:
        return seed.to_bytes(4, "big") * 3_000_000

    @step
    def turned(data: bytes, by: int) -> bytes:
        return data[by:] + data[:by]

    @step
    def hold(data: bytes) -> int:
        while not GO.exists():
            time.sleep(0.02)
        return len(data)

    @step
    def let_go(data: bytes) -> int:
        GO.touch()
        return len(data)

    @pipeline
    def chain(seed: int = 1):
        return let_go(turned(turned(turned(make(seed), 1), 2), 3))

    @pipeline
    def busy(seed: int = 2):
        data = make(seed)
        return {{"held": hold(data), "let_go": let_go(data)}}
"""


@pytest.mark.slow
def test_a_step_goes_to_the_node_that_holds_its_inputs_unless_that_one_is_busy(project, store, tmp_path):
    project.write(large=LARGE.format(go=str(tmp_path / "go")))
    nodes = [tmp_path / "one", tmp_path / "two"]

    def large_copies():
        return [sum(path.stat().st_size > 10**7 for path in node.rglob("blob-copies/??/*")) for node in nodes]

    with dask_elsewhere(tmp_path / "dask", *({"PIPELINEKIT_WORKER_FOLDER": str(node)} for node in nodes)) as address:
        assert project.run("large.py:chain", "--compute", address)["outputs"] == {"output": 12_000_000}
        assert sorted(large_copies()) == [0, 4], "what one step has made the next one finds where it was made"
        (tmp_path / "go").unlink()
        document = project.run("large.py:busy", "--compute", address)
        assert document["outputs"] == {"held": 12_000_000, "let_go": 12_000_000}, "one of them went to the other node"
    assert sum(large_copies()) == 6, "and nothing was brought anywhere but the one input, there"


def dask_elsewhere(folder, *environments):
    """A Dask scheduler and workers with environments of their own; its address."""
    return _Dask(folder, environments)


class _Dask:
    def __init__(self, folder, environments):
        folder.mkdir()
        self.file = folder / "scheduler.json"
        self.log = (folder / "log").open("w")
        self.options = {"stdout": self.log, "stderr": subprocess.STDOUT, "cwd": folder}
        self.environments = environments
        self.processes = []

    def _start(self, *words, **options):
        self.processes.append(subprocess.Popen([sys.executable, "-m", "dask", *words], **self.options, **options))

    def __enter__(self):
        file = str(self.file)
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        address = scheduler_address(self.file)
        settled = {**os.environ}
        for name in ("PIPELINEKIT_BLOBS", "PIPELINEKIT_BLOBS_ENDPOINT", "PIPELINEKIT_BLOBS_REGION"):
            settled.pop(name)  # the driver tells where blobs are kept
        worker = ["worker", "--scheduler-file", file, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        for environment in self.environments:
            self._start(*worker, env={**settled, **environment})
        with Client(address) as client:
            client.wait_for_workers(len(self.environments), timeout=60)
        return address

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(timeout=30)
        self.log.close()
