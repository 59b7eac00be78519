"""Authors who share no disk with the server: pipelines are sent to it with their code and inputs, and run there."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from conftest import Project
from e2e.test_connected import listening_at
from wheels import make_wheel

from pipelinekit import Workspace
from pipelinekit.client.uploads import Uploads
from pipelinekit.domain.uploads import PART_BYTES
from pipelinekit.storage.blobs import FolderBlobs

FILE = """
    from pathlib import Path
    from pipelinekit import Environment, File, Folder, pipeline, step
    from helpers import factor

    @step
    def read(data: Folder) -> list[float]:
        return [float(line) for path in sorted(Path(data).iterdir()) for line in path.read_text().split()]

    @step
    def scale(numbers: list[float], rate: float) -> float:
        return sum(numbers) * rate * factor()

    @step
    def size(data: File) -> int:
        return Path(data).stat().st_size

    @pipeline
    def retrain(rate: float = 2.0, data: Folder = "numbers", large: File = "large.bin"):
        return {"sum": scale(read(data), rate), "size": size(large)}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The server of a workspace that nobody else sees."""
    folder = tmp_path_factory.mktemp("server")
    project = Project(folder)
    make_wheel(folder / "wheels", "pk-alpha", "1.0")
    found = {"UV_FIND_LINKS": str(folder / "wheels"), "UV_OFFLINE": "1"}
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = project.start("serve", "--port", "0", stdout=stream, stderr=stream, env=found)
    project.url = listening_at(process, log)
    project.tokens = {
        role: Workspace.open(folder).tokens.create(role, role=role).text for role in ("contributor", "reader")
    }
    yield project
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    shutil.rmtree(folder)


@pytest.fixture
def author(tmp_path, server, monkeypatch):
    """Somebody's source folder, and what they say to the server in Python."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    project = Project(tmp_path / "author")
    project.write(retrain=FILE, helpers="def factor():\n    return 1.0\n")
    (project.folder / "numbers").mkdir()
    for number in range(3):
        (project.folder / "numbers" / f"{number}.txt").write_text(f"{number}\n")
    (project.folder / "large.bin").write_bytes(bytes(range(256)) * ((PART_BYTES * 2 + 1024) // 256))

    def say(text, code=0):
        script = "from pipelinekit import Workspace\nfrom retrain import retrain\nws = Workspace.connect(URL)\n"
        script = f"URL = {server.url!r}\n{script}{textwrap.dedent(text)}"
        variables = {**os.environ, "PIPELINEKIT_TOKEN": server.tokens["contributor"]}
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=project.folder,
            env=variables,
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    project.say = say
    return project


RUN = """
    import json
    run = ws.submit(retrain, parameters={"rate": 3.0}, experiment="sent", tags={"by": "test"}).wait(60)
    print(json.dumps(run.document()))
"""


def test_a_pipeline_runs_at_the_server_and_what_is_there_is_reused(author, server):
    run = author.say(RUN)
    assert (run["status"], run["outputs"]["sum"], run["outputs"]["size"]) == ("Completed", 9.0, PART_BYTES * 2 + 1024)
    assert run["experiment"] == "sent"
    assert not (author.folder / ".pipelinekit").exists()  # nothing is kept where it was sent from
    again = author.say(RUN)
    assert {step["status"] for step in again["steps"]} == {"Reused"}
    author.edit("helpers.py", "1.0", "10.0")
    changed = author.say(RUN)
    assert changed["outputs"]["sum"] == 90.0
    assert {step["name"]: step["status"] for step in changed["steps"]}["read"] == "Reused"


def test_a_pipeline_is_published_and_runs_with_its_author_gone(author, server):
    made = author.say(
        """
        import json
        made = ws.publish(retrain, endpoint="retraining", version="v1", parameters={"rate": 5.0})
        print(json.dumps(made.document()))
        """
    )
    shutil.rmtree(author.folder)
    workspace = Workspace.connect(server.url, server.tokens["contributor"])
    endpoint = workspace.pipeline_endpoints.get("retraining")
    assert endpoint.pipeline().id == made["id"]
    assert made["version"] == "v1"
    run = endpoint.submit().wait(60)
    assert run.outputs["sum"].load() == 15.0
    rows = [(row.event.origin.actor, row.event.action) for row in Workspace.open(server.folder).audit.list(20)]
    assert ("contributor", "pipelines.publish") in rows


def test_a_pipeline_becomes_a_draft_at_the_server(author, server):
    made = author.say(
        """
        import json
        made = ws.pipeline_drafts.create(retrain, name="sent", parameters={"rate": 5.0}, tags={"a": 1})
        made.update(parameters={"rate": 6.0}, version=1)
        print(json.dumps(made.document()))
        """
    )
    assert (made["name"], made["version"], made["tags"], made["last_run"]) == ("sent", 2, {"a": "1"}, None)
    workspace = Workspace.connect(server.url, server.tokens["contributor"])
    run = workspace.pipeline_drafts.get(made["id"]).submit().wait(60)
    assert (run.outputs["sum"].load(), run.properties["draft_version"]) == (18.0, "2")
    rows = [(row.event.origin.actor, row.event.action) for row in Workspace.open(server.folder).audit.list(20)]
    assert {("contributor", "pipeline-drafts.create"), ("contributor", "pipeline-drafts.change")} <= {*rows}


def test_only_what_the_server_has_not_goes_over_the_wire(author, server):
    counted = """
    import json
    from pipelinekit.client.connection import Connection
    sent, ask = [], Connection.ask
    def counting(self, method, path, body=None, **words):
        sent.append(len(body) if isinstance(body, bytes) else 0)
        return ask(self, method, path, body, **words)
    Connection.ask = counting
    ws.submit(retrain)
    print(json.dumps(sum(sent)))
    """
    (author.folder / "large.bin").write_bytes(os.urandom(PART_BYTES + 1))
    assert author.say(counted) > PART_BYTES
    assert author.say(counted) == 0
    author.edit("helpers.py", "1.0", "2.0")
    assert 0 < author.say(counted) < 20_000


def test_a_sending_that_broke_off_goes_on_where_it_was(author, server):
    (author.folder / "large.bin").write_bytes(os.urandom(PART_BYTES * 2 + 10))
    broken = """
    from pipelinekit.client.connection import Connection
    ask = Connection.ask
    def breaking(self, method, path, body=None, **words):
        found = ask(self, method, path, body, **words)
        if method == "PUT":
            raise SystemExit(3)
        return found
    Connection.ask = breaking
    ws.submit(retrain)
    """
    author.say(broken, code=3)
    parts = """
    import json
    from pipelinekit.client.connection import Connection
    sent, ask = [], Connection.ask
    def counting(self, method, path, body=None, **words):
        if method == "PUT":
            sent.append(words["headers"]["Content-Range"])
        return ask(self, method, path, body, **words)
    Connection.ask = counting
    run = ws.submit(retrain).wait(60)
    print(json.dumps([sent, run.outputs["size"].load()]))
    """
    whole = PART_BYTES * 2 + 10
    assert author.say(parts) == [
        [f"bytes {PART_BYTES}-{2 * PART_BYTES - 1}/{whole}", f"bytes {2 * PART_BYTES}-{whole - 1}/{whole}"],
        whole,
    ]


def test_what_cannot_run_there_is_refused_before_anything_starts(author, server):
    author.edit("retrain.py", "def scale(", "def scale(  # noqa\n")
    author.edit("retrain.py", "from pathlib import Path", "import os\nfrom pathlib import Path")
    author.edit("retrain.py", "return sum(numbers)", 'os.environ["ODD_ONE"]; return sum(numbers)')
    said = author.say('import os\nos.environ["ODD_ONE"] = "1"\nws.submit(retrain)', code=1)
    assert "reads environment variable ODD_ONE" in said
    assert "compiled for another machine" in said


def test_a_reader_sends_nothing(author, server):
    said = author.say(
        f"ws = Workspace.connect(URL, {server.tokens['reader']!r})\nws.submit(retrain)",
        code=1,
    )
    assert "takes the role contributor" in said


def test_steps_bring_an_environment_that_is_resolved_at_the_server(author, server):
    author.edit("retrain.py", "    return sum(numbers)", "    import pk_alpha\n    return sum(numbers)")
    author.edit("retrain.py", "@step\ndef scale", '@step(environment=Environment("own", ["pk-alpha"]))\ndef scale')
    run = author.say(RUN)
    assert (run["status"], run["outputs"]["sum"]) == ("Completed", 9.0)
    server("environments", "register", "shared", "--package", "pk-alpha==1.0")
    author.edit("retrain.py", 'Environment("own", ["pk-alpha"])', '"shared"')
    assert author.say(RUN)["status"] == "Completed"
    author.edit("retrain.py", '"shared"', '"nobody"')
    assert "'nobody'" in author.say(RUN, code=1)


def test_commands_send_the_pipeline_that_they_name(author, server):
    there = {"env": {"PIPELINEKIT_TOKEN": server.tokens["contributor"]}}
    at = ("--server", server.url)
    author("run", "retrain.py", "-p", "rate=2", *at, **there)
    author.edit("helpers.py", "1.0", "3.0")
    done = author("run", "retrain.py", "-p", "rate=2", "--tag", "by=hand", *at, **there)
    assert "Completed scale" in done.err
    assert "3 steps, 1 completed, 2 reused" in done.out
    again = author("run", "retrain.py", "-p", "rate=2", "--json", *at, **there).json
    assert (again["outputs"]["sum"], again["summary"]["Reused"]) == (18.0, 3)
    waiting = author("run", "retrain.py", "--detach", *at, **there).out.strip()
    assert author("runs", "wait", waiting, *at, **there).code == 0
    made = author("publish", "retrain.py", "-p", "rate=4", "--endpoint", "sent", *at, **there).out
    assert "version 0 of pipeline endpoint 'sent', its default" in made
    published = author("publish", f"run:{waiting}", "--json", *at, **there).json
    assert published["provenance"]["run"] == waiting
    called = author("pipeline-endpoints", "submit", "sent", "--wait", "--json", *at, **there).json
    assert called["outputs"]["sum"] == 36.0
    assert not (author.folder / ".pipelinekit").exists()


def test_a_run_that_fails_at_a_server_is_told_as_one_that_fails_here(author, server):
    there = {"env": {"PIPELINEKIT_TOKEN": server.tokens["contributor"]}}
    author.edit("retrain.py", "return sum(numbers)", "raise ValueError('there are too many')  #")
    done = author("run", "retrain.py", "--server", server.url, code=1, **there)
    assert "step 'scale' failed: ValueError: there are too many" in done.out
    refused = author("run", "retrain.py", "--in-process", "--server", server.url, code=2, **there)
    assert "--in-process work beside the workspace folder" in refused.err
    author("compile", "retrain.py", "-o", "graph.json")
    refused = author("run", "graph.json", "--server", server.url, code=2, **there)
    assert "name the Python file" in refused.err
    nobody = author("run", "retrain.py", "--server", server.url, code=2, env={"PIPELINEKIT_TOKEN": ""})
    assert "access token" in nobody.err


def test_the_parts_are_put_together_whatever_their_size(tmp_path, server):
    """A folder with many files, of which some are large: each comes as it was."""
    from pipelinekit.client.connection import Connection
    from pipelinekit.domain.digests import digest_bytes
    from pipelinekit.domain.uploads import Upload

    places = {}
    for number in range(300):
        data = os.urandom(number * 3000 % 500_000)
        (tmp_path / str(number)).write_bytes(data)
        places[digest_bytes(data)] = tmp_path / str(number)
    seen = []
    uploads = Uploads(Connection(server.url, server.tokens["contributor"]))
    uploads.send(Upload("", places), lambda done, total, name: seen.append((done, total)))
    blobs = FolderBlobs(server.home / "blobs")
    assert all(blobs.read(digest) == place.read_bytes() for digest, place in places.items())
    assert seen[-1][0] == seen[-1][1] == sum(place.stat().st_size for place in places.values())
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
