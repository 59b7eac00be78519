"""A workspace with a published pipeline, the application over it, and tokens of every kind."""

import asyncio
import textwrap
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import pytest
from conftest import Project, mistyped

from pipelinekit.bootstrap import open_services
from pipelinekit.rest.app import bare_app, make_app
from pipelinekit.rest.desk import Desk

BASE = "http://127.0.0.1:8470"
FILE = """
    from pathlib import Path
    from pipelinekit import File, pipeline, step

    @step
    def read(path: File, rows: int) -> list[float]:
        return [float(line) for line in Path(path).read_text().split()][:rows]

    @step
    def scale(numbers: list[float], rate: float) -> float:
        return sum(numbers) * rate

    @pipeline
    def retrain(rate: float, data: File = "data/numbers.txt", rows: int = 3):
        return scale(read(data, rows), rate)
"""


class Service:
    """An application in this process. Runs that it records are driven by nobody."""

    def __init__(self, home, hosts=("127.0.0.1",), threads=4):
        self.home = home
        self.desk = Desk(self.services, threads)
        self.bare = bare_app(self.desk)
        self.app = make_app(self.desk, hosts)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.owner = ""

    def services(self):
        found = open_services(self.home)
        found.launch = lambda run: None
        found.recover = lambda: None
        return found

    def __call__(self, method, path, token=None, **options):
        """Ask for something; as the owner, unless another token is given."""
        token = self.owner if token is None else token
        headers = {**({"authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        self.desk._buckets.clear()  # how often something may be asked for is tested by itself
        return self.wait(self.send(method, path, headers=headers, **options))

    async def send(self, method, path, **options):
        """Ask for something with these headers and no others."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("127.0.0.1", 1234))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.request(method, path, **options)

    def wait(self, work):
        """What a coroutine gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def end(self):
        self.desk.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def token(self, name, **options):
        return self.services().tokens.create(name, **options).text


@contextmanager
def service_in(folder, **options):
    """A workspace in a folder that has a published pipeline, with its service."""
    project = Project(folder)
    (folder / "data").mkdir()
    (folder / "data" / "numbers.txt").write_text("1 2 3 4")
    (folder / "retrain.py").write_text(textwrap.dedent(FILE))
    published = [
        project("publish", "retrain.py", "-p", f"rate={rate}", "--endpoint", name, "--json").json["id"]
        for rate, name in ((2, "retraining"), (3, "retraining"), (4, "other"))
    ]
    made = Service(folder / ".pipelinekit", **options)
    made.owner = made.token("anna", role="owner")
    made.published = published
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with service_in(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture(scope="module")
def tokens(service):
    """A token for each kind of caller, but nobody's."""
    revoked = service.token("gone", role="owner")
    service.services().tokens.revoke("gone")
    return SimpleNamespace(
        mistyped=mistyped(service.owner),
        unknown="pk_nonsense",
        expired=service.token("late", role="owner", expires=0.001),
        revoked=revoked,
        reader=service.token("rita", role="reader"),
        contributor=service.token("carl", role="contributor"),
        owner=service.owner,
        trigger=service.token("train", endpoint="retraining"),
        other_trigger=service.token("bus", endpoint="other"),
    )
