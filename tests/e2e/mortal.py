"""A real server that dies where it is told, and clients that ask again; see `dying/sitecustomize.py`."""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from conftest import Project, wait_for

from pipelinekit import Workspace
from pipelinekit.domain.runs import RunStatus

DYING = Path(__file__).parents[1] / "dying"
MINUTE = 60
FILE = """
    import os
    from pipelinekit import pipeline, step

    @step
    def double(number: int) -> int:
        print("child of", os.getppid())
        return 2 * number

    @pipeline
    def doubling(number: int, label: str = "none"):
        return double(number)
"""
ENDPOINT = "/api/v1/pipeline-endpoints/doubling"
SCHEDULES = "/api/v1/schedules"


class Mortal:
    """A project whose server dies as it is told, is started again by whoever finds it dead, and is asked again."""

    def __init__(self, folder, *words, compute="local", records=""):
        folder.mkdir(parents=True)
        self.project = Project(folder).write(doubling=FILE)
        self.project.home.mkdir()
        (self.project.home / "config.toml").write_text(f'records = "{records}"\n' if records else "")
        self.notes = folder.parent / "notes"
        self.notes.mkdir()
        self.time = time.time() // MINUTE * MINUTE
        self.show_time()
        self.workspace = Workspace.open(folder)  # what waits looks here: a clock that stands fills no bucket
        if compute != "local":
            self.project("computes", "create", compute, "--min-nodes", "1", "--max-nodes", "2")
        publish = ("publish", "doubling.py", "--compute", compute)
        self.project(*publish, "-p", "number=1", "--endpoint", "doubling")
        self.token = self.project("tokens", "create", "ci", "--role", "owner").out.strip()
        self.pipeline = self.project(*publish, "-p", "number=10", "--json").json["id"]
        (self.notes / "words").write_text("\n".join(words))
        self.process, self.client, self.lives = None, None, 0
        path = os.pathsep.join(filter(None, [str(DYING), os.environ.get("PYTHONPATH", "")]))
        self.environment = {"DYING": str(self.notes), "PYTHONPATH": path, "PYTHONFAULTHANDLER": "1"}
        self.log = folder / "serve.log"

    def live(self):
        """A client of a server that lives, or did just now."""
        while self.process is None or self.process.poll() is not None:
            self.end()
            self.lives += 1
            with self.log.open("w") as log:  # never read by this handle: its place in the file is the server's, too
                words = ("--port", "0", "--runs", "2", "--warm", "0")
                self.process = self.project.start("serve", *words, env=self.environment, stderr=log)
            found = wait_for(lambda: self._listening() or self.process.poll() is not None, why=self._what_it_does)
            if found is not True:
                headers = {"authorization": f"Bearer {self.token}"}
                self.client = httpx.Client(base_url=found[1], headers=headers, timeout=90)
        return self.client

    def _listening(self):
        return re.search(r"listening at (\S+)\n", self.log.read_text())

    def _what_it_does(self):
        """What a server that does not listen has said, and where its threads are."""
        self.process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        return self.log.read_text()

    def ask(self, method, path, **options):
        """The answer of a server that did not die over it."""
        while True:
            try:
                return self.live().request(method, path, **options)
            except httpx.TransportError:
                wait_for(lambda: self.process.poll() is not None)

    def until(self, condition):
        """Have a server at work until something is so."""
        wait_for(lambda: self.live() and condition())

    def call(self, number, key, **options):
        """Call until there is an answer, always with the same key."""
        headers = {"idempotency-key": key, "prefer": "wait=60"}
        body = {"parameters": {"number": number}, **options}
        answer = self.ask("POST", f"{ENDPOINT}/runs", json=body, headers=headers)
        assert answer.status_code in (200, 202), answer.text
        run = answer.json()["id"]
        self.until(lambda: self.status(run) is RunStatus.COMPLETED)
        return self.ask("GET", f"/api/v1/runs/{run}").json()

    def status(self, run):
        """How far a run is, without seeing to it as `Workspace.runs` does where there is no server."""
        return self.workspace.services.records.runs.get(run).status

    def show_time(self):
        (self.notes / "new").write_text(str(self.time))
        (self.notes / "new").replace(self.notes / "now")

    def turn(self):
        """A minute passes, and its run ends."""
        self.time += MINUTE
        self.show_time()
        self.until(lambda: self.time in self.settled())

    def settled(self):
        """The instants whose runs have ended well."""
        ticks, _ = self.workspace.schedules.history("often", 100)
        return [tick.due for tick in ticks if tick.outcome is RunStatus.COMPLETED]

    def deaths(self):
        """Which command died on which side of what kind of transaction."""
        return [tuple(file.read_text().split(" ")) for file in self.notes.glob("died-*")]

    def end(self):
        if self.client is not None:
            self.client.close()
            self.client = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


@contextmanager
def mortal(folder, *words, **options):
    made = Mortal(folder, *words, **options)
    try:
        yield made
    finally:
        made.end()
