"""What many tests need: real Dask processes, projects on disk, the command line in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import servers
from fast_disk import own_folder
from object_servers import Moto
from postgres import Server

OWN_FOLDER = own_folder() if "TMPDIR" not in os.environ else None
if OWN_FOLDER:
    os.environ["TMPDIR"] = tempfile.tempdir = str(OWN_FOLDER)

# files are changed within a second here, for which Python would take the bytecode of before
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.dont_write_bytecode = True


def pytest_sessionfinish(exitstatus):
    """Give the memory back, unless somebody may want to look at what failed."""
    if OWN_FOLDER and exitstatus == 0:
        shutil.rmtree(OWN_FOLDER, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """What takes longest begins first, so that no process waits for another at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def own_children():
    """The step processes below this one that live; others may be ending just now."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "pipelinekit.harness" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def wait_for(condition, seconds=60.0, why=lambda: ""):
    """Wait until something is so; it is looked at often, and an assertion fails when it takes too long.

    `why` tells what is known of that then.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it never came true\n{why()}"
        time.sleep(0.02)
    return found


def mistyped(token):
    """A token, but for its last letter, which may be any."""
    return token[:-1] + ("0" if token[-1] != "0" else "1")


def set_secret(project, name, value, *words, code=0):
    """Set a secret as `printf %s VALUE | pipelinekit secrets set NAME` does."""
    process = project.start("secrets", "set", name, *words, stdin=subprocess.PIPE)
    out, err = process.communicate(value, timeout=60)
    assert process.returncode == code, err
    return out, err


def alive(pid):
    """Whether a process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second when it ends between the opening and the reading
        return False


def scheduler_address(file):
    """The address of a Dask scheduler that is about to write it to a file."""

    def written():
        with suppress(FileNotFoundError, json.JSONDecodeError):  # it may be half-written
            return json.loads(file.read_text())["address"]

    return wait_for(written)


@contextmanager
def dask_cluster(folder, *words, workers=2):
    """A Dask scheduler and workers as processes of their own; the scheduler's address."""
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    with (folder / "log").open("w") as log:
        quiet = {"stdout": log, "stderr": subprocess.STDOUT, "cwd": folder}
        scheduler = [*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file), *words]
        if "--protocol" not in words:
            scheduler += ["--host", "127.0.0.1"]
        processes = [subprocess.Popen(scheduler, **quiet)]
        try:
            address = scheduler_address(file)
            worker = [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--no-nanny"]
            processes += [subprocess.Popen([*worker, *words], **quiet) for _ in range(workers)]
            wait_for(lambda: (folder / "log").read_text().count("Registered to:") == workers)
            yield address
        finally:
            for process in reversed(processes):  # a worker whose scheduler is gone would look for it
                process.terminate()
                process.wait(timeout=30)


@pytest.fixture(scope="session")
def dask_address(tmp_path_factory):
    """A Dask scheduler and two workers as processes of their own, with nothing but an address to know them by."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as address:
        yield address


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; each test takes records of its own in it."""
    server = Server()
    yield server
    server.end()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """An S3 server in a process of its own."""
    with servers.s3_server(tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


@pytest.fixture(scope="session")
def moto():
    """An S3 server in a process of its own."""
    return Moto()


@dataclass
class Result:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Project:
    """A source folder with a workspace, and the command line in it."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, **files):
        """Write source files, by module name."""
        for name, text in files.items():
            path = self.folder / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return self

    def edit(self, name, old, new):
        """Replace a text in a source file."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1))
        return self

    def start(self, *words, **options):
        """Start a command; the process."""
        environment = {**os.environ, **options.pop("env", {})}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "pipelinekit", *words],
            cwd=self.folder,
            env=environment,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def __call__(self, *words, code=0, **options):
        """Run a command; it must end with this code, and never with a traceback of ours."""
        process = self.start(*words, **options)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        assert "pipelinekit/" not in err or "Traceback" not in err, err
        return Result(process.returncode, out, err)

    def run(self, target, *words, code=0, **options):
        """Run a pipeline; the document of the run."""
        return self("run", target, "--json", *words, code=code, **options).json

    def executed(self, target, *words, **options):
        """Run a pipeline; the names of the steps that were executed, in the order of the graph."""
        return [step["name"] for step in self.run(target, *words, **options)["steps"] if step["status"] == "Completed"]

    @property
    def home(self):
        return self.folder / ".pipelinekit"


@pytest.fixture
def project(tmp_path):
    """An empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)
