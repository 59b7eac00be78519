"""One suite for a workspace that was opened, and for one that a server has: what is said to either means the same."""

import shutil
import signal

import pytest
from conftest import Project, wait_for

from pipelinekit import RunStatus, Workspace
from pipelinekit.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ParameterError,
    RunFailedError,
    StorageError,
    UnauthenticatedError,
    UsageError,
)

FILE = """
    from pathlib import Path
    from pipelinekit import File, get_context, pipeline, step

    @step
    def read(path: File, rows: int) -> list[float]:
        print("reading", rows)
        return [float(line) for line in Path(path).read_text().split()][:rows]

    @step
    def scale(numbers: list[float], rate: float) -> float:
        get_context().log("rate", rate)
        if rate < 0:
            raise ValueError("the rate is negative")
        return sum(numbers) * rate

    @pipeline
    def retrain(rate: float = 2.0, data: File = "numbers.txt", rows: int = 3):
        return scale(read(data, rows), rate)
"""


def listening_at(process, log):
    """Where a server listens."""

    def told():
        assert process.poll() is None, log.read_text()
        return next((line.split()[-1] for line in log.read_text().splitlines() if "listening at" in line), None)

    return wait_for(told)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A project whose source is gone, and the server of its workspace."""
    folder = tmp_path_factory.mktemp("served")
    project = Project(folder)
    (folder / "numbers.txt").write_text("1 2 3 4")
    project.write(retrain=FILE)
    project("publish", "retrain.py", "--endpoint", "retraining", "--version", "first")
    project("publish", "retrain.py", "-p", "rows=1", "--endpoint", "retraining")
    (folder / "retrain.py").unlink()
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = project.start("serve", "--port", "0", stdout=stream, stderr=stream)
    project.url = listening_at(process, log)
    tokens = Workspace.open(folder).tokens
    project.tokens = {role: tokens.create(role, role=role).text for role in ("owner", "contributor", "reader")}
    yield project
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    shutil.rmtree(folder)


@pytest.fixture(params=["opened", "connected"])
def workspace(request, served):
    if request.param == "opened":
        return Workspace.open(served.folder)
    return Workspace.connect(served.url, served.tokens["owner"])


def plain(value):
    """What an output holds, however it is shown."""
    return value.load() if hasattr(value, "load") else value


def test_a_call_runs_the_default_version(workspace):
    run = workspace.pipeline_endpoints.get("retraining").submit(experiment="calls", tags={"why": "test"}).wait(60)
    assert run.status is RunStatus.COMPLETED
    assert plain(run.outputs["output"]) == 12.0
    assert run.tags == {"why": "test"}
    assert run.properties["endpoint_version"] == "0"
    assert "reading 3" in run.logs()
    assert run.document()["experiment"] == "calls"
    assert [found.id for found in workspace.runs.list(experiment="calls", tags={"why": "test"}, limit=1)] == [run.id]
    assert workspace.runs.get(run.id).status is RunStatus.COMPLETED


def test_a_call_names_a_version_and_parameters(workspace):
    endpoint = workspace.pipeline_endpoints.get("retraining")
    run = endpoint.submit(version=1, parameters={"rate": 10.0}).wait(60)
    assert plain(run.outputs["output"]) == 10.0
    assert endpoint.pipeline(1).submit(parameters={"rows": 2}).wait(60).properties.keys() == {"published_pipeline"}
    assert run.id in [found.id for found in endpoint.runs(version=1)]


def test_a_run_that_fails_is_told_with_its_reason(workspace):
    run = workspace.pipeline_endpoints.get("retraining").submit(parameters={"rate": -1.0})
    with pytest.raises(RunFailedError, match="the rate is negative"):
        run.wait(60)
    assert run.wait(raise_on_error=False).status is RunStatus.FAILED


def test_what_cannot_be_is_refused_with_everything_that_is_wrong(workspace):
    endpoint = workspace.pipeline_endpoints.get("retraining")
    with pytest.raises(ParameterError) as caught:
        endpoint.submit(parameters={"rows": "many", "rte": 1.0})
    assert len(caught.value.faults) >= 1
    assert "rte" in str(caught.value)
    with pytest.raises(NotFoundError, match="has no version 9"):
        endpoint.submit(version=9)
    with pytest.raises(NotFoundError, match="there is no pipeline endpoint 'nothing'"):
        workspace.pipeline_endpoints.get("nothing")
    with pytest.raises(NotFoundError, match="there is no run"):
        workspace.runs.get("zzzzzzzzzzzzzz")


def test_endpoints_are_made_changed_and_taken_away(workspace):
    pipelines = [item.id for item in reversed(workspace.published_pipelines.list())]
    made = workspace.pipeline_endpoints.create("other", pipelines[0], description="for a while")
    with pytest.raises(ConflictError):
        workspace.pipeline_endpoints.create("Other", pipelines[1])
    made.add_version(pipelines[1])
    with pytest.raises(ConflictError):
        made.add_version(pipelines[1])
    made.set_default(1)
    assert workspace.pipeline_endpoints.get("other").default_version == 1
    made.disable()
    with pytest.raises(ConflictError, match="is disabled"):
        made.submit()
    made.enable()
    made.update(description="no longer", tags={"a": "b"})
    assert made.document()["description"] == "no longer"
    made.archive()
    assert "other" not in [item.name for item in workspace.pipeline_endpoints.list()]
    made.reactivate("another")
    with pytest.raises(ConflictError, match="cannot be deleted"):
        workspace.published_pipelines.delete(pipelines[0])
    workspace.pipeline_endpoints.delete("another")
    with pytest.raises(NotFoundError):
        workspace.pipeline_endpoints.get("another")


def test_runs_are_canceled_and_tagged(workspace):
    run = workspace.pipeline_endpoints.get("retraining").submit(parameters={"rate": 4.0})
    run.set_tags({"a": "1", "b": "2"})
    run.remove_tags("a")
    assert run.tags == {"b": "2"}
    run.cancel()
    assert run.wait(60, raise_on_error=False).status in (RunStatus.CANCELED, RunStatus.COMPLETED)


def test_a_server_lets_nobody_do_more_than_their_role(served):
    reader = Workspace.connect(served.url, served.tokens["reader"])
    assert reader.runs.list() is not None
    with pytest.raises(ForbiddenError, match="takes the role contributor"):
        reader.pipeline_endpoints.get("retraining").submit()
    with pytest.raises(UnauthenticatedError):
        Workspace.connect(served.url, served.tokens["reader"][:-1] + "x").runs.list()
    contributor = Workspace.connect(served.url, served.tokens["contributor"])
    assert contributor.pipeline_endpoints.get("retraining").submit().wait(60).status is RunStatus.COMPLETED


def test_one_key_calls_once(served):
    endpoint = Workspace.connect(served.url, served.tokens["owner"]).pipeline_endpoints.get("retraining")
    runs = {endpoint.submit(parameters={"rate": 3.5}, idempotency_key="once").id for _ in range(3)}
    assert len(runs) == 1
    with pytest.raises(ConflictError, match="came with another request"):
        endpoint.submit(parameters={"rate": 3.6}, idempotency_key="once")


def test_a_server_that_is_not_there_is_told(served):
    with pytest.raises(StorageError, match="cannot be reached"):
        Workspace.connect("http://127.0.0.1:9", served.tokens["owner"]).runs.list()
    for url in ("127.0.0.1:9", "ftp://127.0.0.1", "http://"):
        with pytest.raises(UsageError, match="is not the address of a server"):
            Workspace.connect(url, "token")
    with pytest.raises(UsageError, match="access token"):
        Workspace.connect(served.url)
