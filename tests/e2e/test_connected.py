"""One suite for a workspace that was opened, and for one that a server has: what is said to either means the same."""

import datetime
import http.server
import math
import shutil
import signal
import threading

import pyarrow
import pytest
from conftest import Project, mistyped, wait_for

from pipelinekit import Dataset, Environment, RunStatus, SSHHosts, Workspace
from pipelinekit.classes import replace
from pipelinekit.client.blobs import RemoteBlobs
from pipelinekit.client.connection import Connection
from pipelinekit.domain.computes import Instance
from pipelinekit.domain.schedules import Policies, Recurrence
from pipelinekit.errors import (
    ConflictError,
    ForbiddenError,
    IntegrityError,
    NotFoundError,
    ParameterError,
    RunFailedError,
    ScheduleError,
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


MORE = """
    from pathlib import Path
    from pipelinekit import Folder, get_context, pipeline, step

    @step
    def tell(rate: float) -> Folder:
        context = get_context()
        for number in (rate, float("nan"), float("inf")):
            context.log("loss", number)
        context.log("word", "text")
        context.log_table("table", {"a": [1, 2], "b": [0.5, float("nan")]})
        context.log_row("late", a=1)
        context.parent.log("whole", rate)
        context.parent.tag("told", "yes")
        child = context.child_run("fold")
        child.log("loss", 3.5)
        child.complete()
        Path("kept", "inner").mkdir(parents=True)
        Path("kept", "inner", "text.txt").write_text("kept")
        context.upload("notes/first", "kept/inner/text.txt")
        return Folder("kept")

    @pipeline
    def more(rate: float = 2.0):
        return {"kept": tell(rate)}
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
    project.run("retrain.py")
    project.write(more=MORE)
    project.run("more.py")
    (folder / "raw").mkdir()
    (folder / "raw" / "sales.csv").write_text("day,count\n2024-01-01,3\n2024-01-02,5\n")
    project("datastores", "register", "raw", "raw", "--default")
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


@pytest.fixture
def both(served):
    """The same workspace, opened and connected to."""
    return Workspace.open(served.folder), Workspace.connect(served.url, served.tokens["owner"])


@pytest.fixture(params=["opened", "connected"])
def workspace(request, served):
    if request.param == "opened":
        return Workspace.open(served.folder)
    return Workspace.connect(served.url, served.tokens["owner"])


def test_a_call_runs_the_default_version(workspace):
    run = workspace.pipeline_endpoints.get("retraining").submit(experiment="calls", tags={"why": "test"}).wait(60)
    assert run.status is RunStatus.COMPLETED
    assert run.outputs["output"].load() == 12.0
    assert run.tags == {"why": "test"}
    assert run.properties["endpoint_version"] == "0"
    assert "reading 3" in run.logs()
    assert run.document()["experiment"] == "calls"
    assert [found.id for found in workspace.runs.list(experiment="calls", tags={"why": "test"}, limit=1)] == [run.id]
    assert workspace.runs.get(run.id).status is RunStatus.COMPLETED


def test_a_call_names_a_version_and_parameters(workspace):
    endpoint = workspace.pipeline_endpoints.get("retraining")
    run = endpoint.submit(version=1, parameters={"rate": 10.0}).wait(60)
    assert run.outputs["output"].load() == 10.0
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


def test_drafts_are_made_changed_submitted_published_and_deleted(workspace):
    drafts = workspace.pipeline_drafts
    made = drafts.create("endpoint:retraining@1", name="try", parameters={"rate": 5.0}, tags={"a": 1})
    assert (made.name, made.version, made.record.tags, made.record.experiment) == ("try", 1, {"a": "1"}, "retrain")
    assert made.record.source["endpoint_version"] == "1"
    made.update(parameters={"rows": 2}, description="words", version=1)
    with pytest.raises(ConflictError, match="was changed meanwhile"):
        made.update(description="late", version=1)
    with pytest.raises(ParameterError, match="do not fit"):
        made.update(parameters={"rows": "many", "rte": 1.0})
    run = made.submit(display_name="of a draft").wait(60)
    assert (run.outputs["output"].load(), run.tags) == (15.0, {"a": "1"})
    assert run.properties == {"pipeline_draft": made.id, "draft_version": "2"}
    assert made.document()["last_run"] == run.id
    assert [item["name"] for item in made.document()["parameters"]] == [item.name for item in made.parameters]
    published = made.publish(name="tried", endpoint="tried")
    assert published.record.details["draft"] == made.id
    assert workspace.pipeline_endpoints.get("tried").pipeline().submit().wait(60).outputs["output"].load() == 15.0
    copy = made.clone("copy")
    assert copy.record.source == {"draft": made.id, "draft_version": "2"}
    of_run = drafts.create(f"run:{run.id}")
    assert [item.id for item in drafts.list()][:2] == [of_run.id, copy.id]
    assert [item.id for item in drafts.list(name="copy")] == [copy.id]
    for item in (made, copy, of_run):
        drafts.delete(item.id)
    with pytest.raises(NotFoundError, match="there is no pipeline draft"):
        drafts.get(made.id)
    with pytest.raises(UsageError, match="cannot be a draft"):
        drafts.create("nothing")
    workspace.pipeline_endpoints.delete("tried")


def test_runs_are_canceled_and_tagged(workspace):
    run = workspace.pipeline_endpoints.get("retraining").submit(parameters={"rate": 4.0})
    run.set_tags({"a": "1", "b": "2"})
    run.remove_tags("a")
    assert run.tags == {"b": "2"}
    run.cancel()
    assert run.wait(60, raise_on_error=False).status in (RunStatus.CANCELED, RunStatus.COMPLETED)


def test_a_run_is_the_same_from_either_side(both):
    opened, connected = both
    for here in opened.runs.list(limit=100, children=True):
        there = connected.runs.get(here.id)
        unseen = {"owner": "", "epoch": 0}  # who drives it is nobody else's business
        assert replace(here.record, **unseen) == there.record
        assert [step.record for step in here.steps] == [step.record for step in there.steps]
        assert here.document() == there.document()
        assert (here.tags, here.properties, here.standing) == (there.tags, there.properties, there.standing)
        assert repr(here.all_metrics()) == repr(there.all_metrics())
        assert here.logs() == there.logs()
        assert [child.id for child in here.all_children()] == [child.id for child in there.all_children()]
        assert {name: output.document() for name, output in here.outputs.items()} == {
            name: output.document() for name, output in there.outputs.items()
        }
    queries = (
        {"experiment": "more", "tags": {"told": None}},
        {"where": ["metric.whole>1"], "sort": "metric.whole", "ascending": True},
        {"where": "param.rate=2.0", "limit": 2},
        {"kind": "child"},
        {"status": RunStatus.FAILED},
        {"properties": {"published_pipeline": None}, "since": 1.0},
    )
    for query in queries:
        found = [run.id for run in opened.runs.list(**query)]
        assert found == [run.id for run in connected.runs.list(**query)], query
    assert connected.runs.list(kind="child")


def test_what_a_run_left_is_loaded_and_saved(workspace, tmp_path):
    run = workspace.runs.list(experiment="more", limit=1)[0]
    assert (run.outputs["kept"].load() / "inner" / "text.txt").read_text() == "kept"
    run.outputs["kept"].save(tmp_path / "kept")
    assert (tmp_path / "kept" / "inner" / "text.txt").read_text() == "kept"
    step = run.step("tell")
    assert step.download(tmp_path / "files")["notes/first"].read_text() == "kept"
    assert step.series("loss").values[0] == 2.0
    assert math.isnan(step.metrics()["table"]["b"][1])
    assert run.children == [] or run.all_children()[0].metrics() == {"loss": 3.5}
    assert step.children[0].parent.id == run.id


def test_a_run_is_described_and_has_properties(workspace):
    endpoint = workspace.pipeline_endpoints.get("retraining")
    run = endpoint.submit(parameters={"rate": 7.0}, display_name="seven", regenerate="scale").wait(60)
    assert run.record.display_name == "seven"
    run.describe(description="told later")
    assert (run.record.display_name, run.record.description) == ("seven", "told later")
    run.add_properties({"fixed": "1"})
    run.add_properties({"fixed": "2"})
    assert run.properties["fixed"] == "1"
    run.step("scale").set_tags({"a": "1"})
    assert workspace.runs.get(run.id).step("scale").tags == {"a": "1"}


def test_snapshots_are_shown_and_copied(workspace, tmp_path):
    run = workspace.runs.list(experiment="retrain", limit=1)[0]
    snapshot = workspace.snapshots.get(run.id)
    assert b"def retrain" in snapshot.read("retrain.py")
    assert (
        snapshot.download(tmp_path / "copy.zip").read_bytes() == snapshot.download(tmp_path / "again.zip").read_bytes()
    )
    assert workspace.snapshots.get(snapshot.digest).document() == snapshot.document()
    with pytest.raises(NotFoundError):
        workspace.snapshots.get("xxh3:" + "0" * 32)


def test_experiments_are_made_changed_and_deleted(workspace):
    made = workspace.experiments.get("trial")
    made.describe("to try")
    made.set_tags({"a": "1", "b": 2})
    made.remove_tags("a")
    assert (made.record.description, made.tags) == ("to try", {"b": "2"})
    made.archive()
    assert "trial" not in [item.name for item in workspace.experiments.list()]
    assert "trial" in [item.name for item in workspace.experiments.list(archived=None, tags={"b": None})]
    made.reactivate()
    with pytest.raises(UsageError):
        workspace.experiments.get("retrain", create=False).delete()
    assert workspace.experiments.get("retrain").runs(limit=1)
    made.delete()
    with pytest.raises(NotFoundError):
        workspace.experiments.get("trial", create=False)


def test_datasets_are_registered_read_and_forgotten(workspace, tmp_path):
    made = workspace.datasets.register("sales", Dataset.tabular(("raw", "sales.csv")), tags={"a": "b"})
    assert (made.kind, made.record.count, made.record.tags) == ("tabular", 1, {"a": "b"})
    with pytest.raises(ConflictError):
        workspace.datasets.register("sales", Dataset.tabular(("raw", "sales.csv")))
    found = workspace.datasets.get(made.record.label)
    assert found.profile.rows == 2
    assert found.head(1).to_pylist() == [{"day": datetime.date(2024, 1, 1), "count": 3}]
    assert found.filter(("count", ">", 3)).keep_columns("count").to_arrow().to_pylist() == [{"count": 5}]
    assert found.skip(1).head(5).column("count").to_pylist() == [5]
    assert [path.name for path in found.download(tmp_path)] == ["sales.csv"]
    workspace.datasets.update("sales", description="of two days", remove_tags=("a",))
    assert workspace.datasets.get("sales").record.description == "of two days"
    few = workspace.datasets.register("few", Dataset.tabular(("raw", "sales.csv")).filter(("count", ">", 3)))
    assert few.to_arrow().num_rows == few.profile.rows == 1
    assert workspace.datasets.unregister("few") == 1
    drift = workspace.datasets.check("sales")
    assert (drift.changed, drift.gone, drift.new) == ((), (), ())
    assert not workspace.datasets.lineage("sales")
    assert [item.name for item in workspace.datasets.list()] == ["sales"]
    assert workspace.datasets.unregister("sales") == 1
    with pytest.raises(NotFoundError):
        workspace.datasets.get("sales")


def test_a_table_is_written_and_registered(workspace):
    made = workspace.datasets.register_table("made", pyarrow.table({"a": [1, 2, 3]}), folder="tables")
    assert made.record.definition.sources[0].store == "raw"
    assert made.take(2).to_pandas()["a"].tolist() == [1, 2]
    workspace.datasets.unregister("made")
    shutil.rmtree(workspace.datastores.get("raw").url.removeprefix("file://") + "/tables")


def test_files_are_kept_with_runs_and_put_into_datastores(workspace, tmp_path):
    (tmp_path / "kept" / "inner").mkdir(parents=True)
    (tmp_path / "kept" / "inner" / "large.bin").write_bytes(b"0123456789" * 500_000)
    (tmp_path / "kept" / "empty").touch()
    run = workspace.runs.list(experiment="more", limit=1)[0]
    kept = run.upload("folder", tmp_path / "kept")
    assert (run.files["folder"].digest, run.files["folder"].size) == (kept.digest, 5_000_000)
    assert (run.files["folder"].load() / "inner" / "large.bin").stat().st_size == 5_000_000
    run.upload("file.bin", tmp_path / "kept" / "inner" / "large.bin")
    assert run.download(tmp_path / "back", "file")["file.bin"].stat().st_size == 5_000_000
    store = workspace.datastores.get("raw")
    assert store.upload(tmp_path / "kept", "sent").done == ("sent/empty", "sent/inner/large.bin")
    assert store.upload(tmp_path / "kept", "sent").kept == ("sent/empty", "sent/inner/large.bin")
    assert [(item.path, item.size) for item in store.files("sent/inner")] == [("sent/inner/large.bin", 5_000_000)]
    store.upload(tmp_path / "kept" / "empty", "sent/inner", overwrite=True)
    shutil.rmtree(store.url.removeprefix("file://") + "/sent")


def test_datastores_are_registered_looked_at_and_forgotten(workspace, served, tmp_path):
    made = workspace.datastores.register("other", str(served.folder / "raw"))
    assert [(item.path, item.size) for item in made.files("*.csv")] == [("sales.csv", 36)]
    assert made.download("sales.csv", tmp_path).done == ("sales.csv",)
    assert (tmp_path / "sales.csv").read_text().startswith("day,count")
    with pytest.raises(NotFoundError):
        made.download("nothing.csv", tmp_path)
    with pytest.raises(UsageError):
        made.download("../numbers.txt", tmp_path)
    workspace.datastores.set_default("other")
    assert workspace.datastores.default.name == "other"
    workspace.datastores.set_default("raw")
    assert workspace.datastores.get().name == "raw"
    workspace.datastores.unregister("other")
    assert [item.name for item in workspace.datastores.list()] == ["raw"]


def test_environments_are_registered_cloned_and_deleted(workspace):
    declared = Environment(packages=("attrs",), variables={"A": "1"}, name="light")
    made = workspace.environments.register(declared)
    assert workspace.environments.register(declared).label == made.label
    assert workspace.environments.get("light").identity() == declared.identity()
    copy = workspace.environments.clone("light", "copied")
    assert copy.name == "copied"
    assert workspace.environments.show(copy.label)["packages"] == ["attrs"]
    assert {"light", "copied"} <= {item.name for item in workspace.environments.list()}
    for item in (made, copy):
        workspace.environments.delete(item.name, item.version)
    with pytest.raises(NotFoundError):
        workspace.environments.get("light")


def test_compute_targets_are_attached_changed_and_detached(workspace):
    made = workspace.computes.attach("far", "tcp://127.0.0.1:9", skip_validation=True, tags={"a": 1})
    assert (made.kind, made.record.tags, made.keeper.wanted) == ("attached", {"a": "1"}, False)
    changed = workspace.computes.update("far", description="elsewhere", address="tcp://127.0.0.1:10")
    assert (changed.record.description, changed.record.definition.address) == ("elsewhere", "tcp://127.0.0.1:10")
    with pytest.raises(UsageError):
        workspace.computes.update("far", max_nodes=3)
    with pytest.raises(UsageError):
        workspace.computes.delete("far")
    assert [item.name for item in workspace.computes.list()] == ["far"]
    workspace.computes.detach("far")
    with pytest.raises(NotFoundError):
        workspace.computes.get("far")


def test_a_folder_of_many_files_is_fetched_though_a_server_lets_nobody_ask_so_often(served, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(400):  # more than a token may ask for at once
        (tmp_path / "many" / f"{number}.txt").write_text(f"text {number}")
    workspace = Workspace.connect(served.url, served.tokens["contributor"])
    run = workspace.runs.list(experiment="more", limit=1)[0]
    run.upload("many", tmp_path / "many")
    place = run.files["many"].save(tmp_path / "back")
    assert {path.name: path.read_text() for path in place.iterdir()} == {
        f"{number}.txt": f"text {number}" for number in range(400)
    }


def test_a_cluster_is_made_stopped_started_and_deleted_at_a_server(served):
    workspace = Workspace.connect(served.url, served.tokens["owner"])
    hosts = SSHHosts(("127.0.0.1:9",), "me", known_hosts="farm ssh-ed25519 AAAA", python="/opt/python")
    lab = workspace.computes.create_instance("lab", cores=2, provider=hosts, idle_seconds_before_shutdown="1h")
    assert lab.record.definition == Instance(2, 0, {}, 3600.0, hosts)
    workspace.computes.delete("lab")
    with pytest.raises(UsageError, match="'a b' is not written as"):
        workspace.computes.create("bad", provider=SSHHosts(("a b",)))
    made = workspace.computes.create("own", max_nodes=1, min_nodes=1, memory="200MiB")
    try:
        assert made.keeper.said.address.startswith("tls://")
        assert len(made.wait(1, 60)) == 1
        made.stop()
        assert not workspace.computes.get("own").keeper.wanted
        assert made.start().target == 1
    finally:
        workspace.computes.delete("own")
    newest = [row.event.action for row in workspace.audit.list(4)]
    assert newest == ["computes.delete", "computes.start", "computes.stop", "computes.create"]
    with pytest.raises(NotFoundError):
        workspace.computes.get("own")


def test_secrets_are_set_and_deleted_and_never_shown(workspace, served):
    first = workspace.secrets.set("key", "value of the key")
    assert workspace.secrets.set("key", "another value").version == first.version + 1
    assert workspace.secrets.names() == ["key"]
    count, older = workspace.secrets.rotate_key()
    assert (count >= 1, older) == (True, 0)
    assert workspace.secrets.list()[0].version == first.version + 1
    with pytest.raises(NotFoundError):
        workspace.secrets.delete("key", "nothing")
    workspace.secrets.delete("key")
    assert not workspace.secrets.list()
    assert "another value" not in (served.home / "cache" / "server.log").read_text()


def test_tokens_are_made_and_revoked_and_the_log_tells(workspace):
    made = workspace.tokens.create("nightly", endpoint="retraining", expires="1h")
    assert made.token.kind == "trigger"
    assert "nightly" in [token.name for token in workspace.tokens.list()]
    with pytest.raises(ConflictError):
        workspace.tokens.create("nightly", role="reader")
    assert workspace.tokens.revoke("nightly").revoked_at is not None
    assert "nightly" not in [token.name for token in workspace.tokens.list()]
    newest = workspace.audit.list(2)
    assert [row.event.action for row in newest] == ["tokens.revoke", "tokens.create"]
    assert workspace.audit.list(1, before=newest[0].number) == newest[1:]
    assert not workspace.audit.verify(newest[0].digest).faults
    assert workspace.audit.verify("0" * 64).faults


def test_schedules_are_made_changed_and_deleted(workspace):
    made = workspace.schedules.create(
        "weekly",
        Recurrence("Week", week_days=("Monday",), time_of_day="06:30"),
        endpoint="retraining",
        experiment="weeks",
        parameters={"rate": 3.0},
        start="2026-01-01T00:00",
        policies=Policies(overlap="allow"),
        enabled=False,
    )
    assert made.record.spec.trigger.week_days == ("Monday",)
    with pytest.raises(ConflictError):
        workspace.schedules.create("weekly", "@daily", endpoint="retraining", experiment="weeks")
    with pytest.raises(ScheduleError) as caught:
        workspace.schedules.create("odd", "61", endpoint="nothing", experiment="weeks")
    assert len(caught.value.faults) == 2
    changed = made.update(trigger="0 7 * * 1", description="on Mondays")
    assert (changed.record.spec_version, changed.record.description) == (2, "on Mondays")
    assert changed.record.spec.parameters == {"rate": 3.0}
    assert len(changed.preview(3)) == 3
    backfill = changed.backfill("2026-01-01T00:00", "2026-01-20T00:00", at_once=2)
    assert backfill.origin == "backfill-1"
    assert {tick.origin for tick in changed.pending()} <= {"backfill-1"}
    assert changed.enable().state == "Active"
    assert changed.disable().state == "Disabled"
    assert [item.name for item in workspace.schedules.list(endpoint="retraining")] == ["weekly"]
    changed.delete()
    assert workspace.schedules.get(made.id).state == "Deleted"
    with pytest.raises(NotFoundError):
        workspace.schedules.get("weekly")


def test_published_pipelines_are_compared(workspace):
    endpoint = workspace.pipeline_endpoints.get("retraining")
    found = endpoint.diff(0, 1)
    assert {item.name for item in found.values} == {"rows"}
    assert workspace.published_pipelines.diff(endpoint.pipeline(0).id, endpoint.pipeline(1).id) == found
    assert [parameter.name for parameter in endpoint.pipeline().parameters] == ["rate", "data", "rows"]


def test_what_needs_the_folder_is_refused_at_a_server(served, tmp_path):
    workspace = Workspace.connect(served.url, served.tokens["owner"])
    (tmp_path / "file").write_text("x")
    refused = (
        lambda: workspace.datasets.register("local", Dataset.file(str(tmp_path / "file"))),
        lambda: workspace.datastores.register("relative", "raw"),
        lambda: workspace.snapshots.preview(tmp_path),
        lambda: workspace.experiments.get("retrain").start_run(),
    )
    for action in refused:
        with pytest.raises(UsageError):
            action()


def test_a_server_lets_nobody_do_more_than_their_role(served):
    reader = Workspace.connect(served.url, served.tokens["reader"])
    assert reader.runs.list() is not None
    with pytest.raises(ForbiddenError, match="takes the role contributor"):
        reader.pipeline_endpoints.get("retraining").submit()
    with pytest.raises(UnauthenticatedError):
        Workspace.connect(served.url, mistyped(served.tokens["reader"])).runs.list()
    contributor = Workspace.connect(served.url, served.tokens["contributor"])
    for action in (
        lambda: contributor.datastores.register("more", "/"),
        lambda: contributor.secrets.list(),
        lambda: contributor.computes.detach("far"),
        lambda: contributor.tokens.create("mine", role="owner"),
        lambda: contributor.audit.list(),
        lambda: reader.experiments.get("made by a reader"),
        lambda: reader.datasets.register("made_by_a_reader", Dataset.file(("raw", "*"))),
    ):
        with pytest.raises(ForbiddenError):
            action()
    assert contributor.pipeline_endpoints.get("retraining").submit().wait(60).status is RunStatus.COMPLETED


def test_one_key_calls_once(served):
    endpoint = Workspace.connect(served.url, served.tokens["owner"]).pipeline_endpoints.get("retraining")
    runs = {endpoint.submit(parameters={"rate": 3.5}, idempotency_key="once").id for _ in range(3)}
    assert len(runs) == 1
    with pytest.raises(ConflictError, match="came with another request"):
        endpoint.submit(parameters={"rate": 3.6}, idempotency_key="once")


class Odd(http.server.BaseHTTPRequestHandler):
    """A server that sends other bytes than it is asked for, or not all of them."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "5" if "0000" in self.path else "500")
        self.end_headers()
        self.wfile.write(b"other")

    def log_message(self, *_):
        """Nobody reads it."""


def test_bytes_that_are_not_what_was_asked_for_are_refused():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        blobs = RemoteBlobs(Connection(f"http://127.0.0.1:{server.server_port}", "token"))
        with pytest.raises(IntegrityError, match="is xxh3:"):
            blobs.read("xxh3:" + "0" * 32)
        with pytest.raises(StorageError):
            blobs.read("xxh3:" + "1" * 32)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_server_that_is_not_there_is_told(served):
    with pytest.raises(StorageError, match="cannot be reached"):
        Workspace.connect("http://127.0.0.1:9", served.tokens["owner"]).runs.list()
    for url in ("127.0.0.1:9", "ftp://127.0.0.1", "http://"):
        with pytest.raises(UsageError, match="is not the address of a server"):
            Workspace.connect(url, "token")
    with pytest.raises(UsageError, match="access token"):
        Workspace.connect(served.url)
