"""Clusters by name: those that were attached with certificates, and those that the workspace starts itself."""

import json
import os
import signal
import socket
import ssl
import urllib.error
import urllib.request

import psutil
import pytest
from certificates import Authority
from conftest import alive, dask_cluster, wait_for
from e2e.test_dask import PIPELINE

from pipelinekit import Workspace
from pipelinekit.domain.computes import Cluster
from pipelinekit.errors import ComputeError, ConflictError, NotFoundError, PipelinekitError, UsageError

CREDENTIALS = ("ca", "cert", "key")
SECRETS = [word for name in CREDENTIALS for word in ("--secret", f"{name}=DASK_{name.upper()}")]


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    """Three workers and a scheduler that talk to nobody without a certificate of their authority, and its texts."""
    folder = tmp_path_factory.mktemp("farm")
    authority = Authority("farm")
    texts = dict(zip(CREDENTIALS, (authority.ca, *authority.certify("a member")), strict=True))
    words = ["--protocol", "tls", "--host", "127.0.0.1"]
    for name, option in zip(CREDENTIALS, ("--tls-ca-file", "--tls-cert", "--tls-key"), strict=True):
        (folder / f"{name}.pem").write_text(texts[name])
        words += [option, str(folder / f"{name}.pem")]
    with dask_cluster(folder, *words, workers=3) as address:
        yield address, texts


def keep(project, texts):
    secrets = Workspace.open(project.folder).secrets
    for name in CREDENTIALS:
        secrets.set(f"DASK_{name.upper()}", texts[name])


def attach(project, address, texts, **described):
    keep(project, texts)
    named = {name: f"DASK_{name.upper()}" for name in CREDENTIALS}
    return computes_of(project).attach("farm", address, secrets=named, **described)


def test_a_cluster_with_certificates_is_attached_and_used_by_name(project, farm):
    address, texts = farm
    assert address.startswith("tls://")
    project.write(spread=PIPELINE)
    keep(project, texts)
    attached = project("computes", "attach", "farm", address, *SECRETS, "--tag", "team=a", "--json").json
    assert (attached["name"], attached["kind"], attached["tags"]) == ("farm", "attached", {"team": "a"})
    ready = project("computes", "wait", "farm", "--nodes", "3", "--timeout", "60s", "--json").json
    assert [node["cores"] for node in ready["nodes"]] == [1, 1, 1]

    document = project.run("spread.py", "--compute", "farm")
    assert document["outputs"] == {"output": 150}
    assert {step["status"] for step in document["steps"]} == {"Completed"}
    assert project.executed("spread.py") == [], "what a cluster computed is reused here"
    handle = Workspace.open(project.folder).computes.get("FARM")
    assert (handle.name, handle.kind, len(handle.nodes())) == ("farm", "attached", 3)


def test_a_step_names_its_own_target(project, farm):
    address, texts = farm
    project.write(spread=PIPELINE.replace("@step\n    def total", '@step(compute="farm")\n    def total'))
    refused = project("run", "spread.py", code=2)
    assert "there is no compute target 'farm'" in refused.err
    assert "local, in-process" in refused.err
    assert project("runs", "list", "--json").json["runs"] == [], "it is refused before anything is recorded"
    attach(project, address, texts)
    assert project.run("spread.py")["outputs"] == {"output": 150}


def test_what_is_seen_of_it_is_shown(project, farm):
    address, texts = farm
    attach(project, address, texts, description="three machines")
    listed = project("computes", "list").out.splitlines()
    assert [line.split()[0] for line in listed] == ["compute", "local", "in-process", "farm"]
    shown = project("computes", "show", "farm").out
    assert "three machines" in shown
    assert "secret 'DASK_KEY'" in shown
    assert "PRIVATE KEY" not in shown
    assert "3, of which 0 at work; 3 cores" in shown


def test_nobody_without_the_right_certificates_gets_in(project, farm):
    address, _ = farm
    stranger = Authority("another")
    keep(project, dict(zip(CREDENTIALS, (stranger.ca, *stranger.certify("a stranger")), strict=True)))
    bare = project("computes", "attach", "farm", address, code=1)
    assert "cannot be used without certificates" in bare.err
    Workspace.open(project.folder).secrets.set("NONE", "no key")
    odd = project("computes", "attach", "farm", address, *SECRETS[:5], "key=NONE", code=1)
    assert "cannot be used" in odd.err
    refused = project("computes", "attach", "farm", address, *SECRETS, code=1)
    assert f"the Dask cluster at {address} cannot be used" in refused.err
    assert "certificate" in refused.err
    assert computes_of(project).list() == []


def test_a_target_is_changed_and_detached(project, farm):
    address, texts = farm
    keep(project, texts)
    nowhere = "tls://127.0.0.1:9"
    workspace = Workspace.open(project.folder)
    computes = workspace.computes
    handle = computes.attach("farm", nowhere, tags={"team": "a"}, skip_validation=True)
    with pytest.raises(ComputeError, match="cannot be used without certificates"):
        handle.nodes()
    computes.update("farm", secrets={name: f"DASK_{name.upper()}" for name in CREDENTIALS})
    handle = computes.get("farm")
    with pytest.raises(ComputeError, match=f"the Dask cluster at {nowhere} cannot be used: "):
        handle.nodes()
    with pytest.raises(TimeoutError, match="compute target 'farm' is not ready: the Dask cluster"):
        handle.wait(timeout=0)
    shown = project("computes", "show", "farm", "--json").json
    assert shown["nodes"] == []
    assert "cannot be used" in shown["error"]
    with pytest.raises(ConflictError, match="there is a compute target 'FARM' already"):
        computes.attach("FARM", nowhere, skip_validation=True)
    changed = project("computes", "update", "farm", "--address", address, *SECRETS, "--tag", "team=b", "--json").json
    assert (changed["address"], changed["tags"]) == (address, {"team": "b"})
    with pytest.raises(TimeoutError, match="it has 3 nodes of 5"):
        computes.get("farm").wait(nodes=5, timeout=0)
    assert "its cluster goes on" in project("computes", "detach", "farm").out
    with pytest.raises(NotFoundError):
        computes.get("farm")
    with pytest.raises(NotFoundError):
        computes.detach("farm")
    with pytest.raises(UsageError, match="is this machine"):
        computes.get("local")


def test_a_network_that_is_not_protected_is_refused(project):
    project.write(spread=PIPELINE)
    for words in (["run", "spread.py", "--compute", "tcp://10.0.0.1:8786"],
                  ["computes", "attach", "farm", "tcp://10.0.0.1:8786"]):  # fmt: skip
        refused = project(*words, code=2)
        assert "would be neither encrypted nor protected" in refused.err
        assert "--allow-plain" in refused.err
    project("computes", "attach", "farm", "tcp://10.0.0.1:8786", "--allow-plain", "--skip-validation")
    assert computes_of(project).get("farm").record.definition.allow_plain


# -- clusters of the workspace's own -----------------------------------------------------------------------------------

SLOW = """
    import os, time
    from pipelinekit import Resources, pipeline, step

    @step
    def numbers(n: int) -> list[int]:
        return list(range(n))

    @step(resources=Resources(memory="50MB"))
    def work(x: int) -> int:
        open(f"{os.environ['MARKS']}/{x}", "w").close()
        while not os.path.exists(f"{os.environ['MARKS']}/go"):
            time.sleep(0.02)
        return x * 2

    @step
    def total(xs: list[int]) -> int:
        return sum(xs)

    @step(resources=Resources(gpu=2))
    def on_two(x: int) -> int:
        return x

    @pipeline
    def spread(n: int = 6):
        return total(work.map(numbers(n)))

    @pipeline
    def greedy():
        return on_two(1)
"""


@pytest.fixture
def pool(project, tmp_path, monkeypatch):
    """A project with a cluster of at most two nodes, which are given back soon; it is ended with the test."""
    (tmp_path / "marks").mkdir()
    monkeypatch.setenv("MARKS", str(tmp_path / "marks"))
    project.write(slow=SLOW, spread=PIPELINE)
    computes = computes_of(project)
    computes.create("pool", max_nodes=2, idle_seconds_before_scaledown=3, memory="100MB", resources={"gpu": 1})
    yield project
    computes.delete("pool")


def computes_of(project):
    return Workspace.open(project.folder).computes


def keeper_of(project):
    """The process id of a cluster's keeper, by the lease that it holds."""
    database = Workspace.open(project.folder).services.database
    return int(database.read("get_keeper", ("pool",))[0]["owner"].split("|")[2])


def nodes_of(project):
    return computes_of(project).get("pool").nodes()


def test_a_cluster_grows_as_work_is_queued_and_shrinks_to_nothing(pool, tmp_path):
    assert nodes_of(pool) == [], "where nothing runs, nothing is started"
    marks = tmp_path / "marks"
    run = pool.start("run", "slow.py:spread", "--compute", "pool", "--json", "-p", "n=4")
    wait_for(lambda: len([path for path in marks.iterdir() if path.name.isdigit()]) == 2)
    found = nodes_of(pool)
    assert [node.resources for node in found] == [{"cpu": 1.0, "gpu": 1.0, "memory": 1e8}] * 2
    assert len([path for path in marks.iterdir()]) == 2, "each node has one core"
    assert pool("computes", "list", "--json").json["computes"][0]["state"] in ("steady", "resizing")
    (marks / "go").touch()
    out, err = run.communicate(timeout=120)
    assert json.loads(out)["outputs"] == {"output": 12}, err
    wait_for(lambda: nodes_of(pool) == [])
    assert pool.executed("slow.py:spread", "-p", "n=4") == [], "what it computed is reused here"


def test_what_can_never_run_on_a_node_is_told_with_the_numbers(pool):
    failed = pool.run("slow.py:greedy", "--compute", "pool", code=1)
    assert "it asks for 2 GPUs, the largest worker has 1" in failed["error"]["message"]
    assert nodes_of(pool) == []


def test_a_keeper_that_is_killed_takes_its_nodes_along_and_the_next_run_starts_another(pool):
    (node,) = computes_of(pool).update("pool", min_nodes=1).wait()
    keeper = keeper_of(pool)
    children = children_of(keeper)
    assert children
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: not any(alive(child) for child in children))
    assert pool("computes", "list", "--json").json["computes"][0]["state"] == "lost"
    assert pool.run("spread.py", "--compute", "pool")["outputs"] == {"output": 150}
    assert keeper_of(pool) != keeper
    assert node.address not in {item.address for item in nodes_of(pool)}


def test_a_run_goes_on_with_another_keeper_when_its_own_is_killed(pool, tmp_path):
    marks = tmp_path / "marks"
    run = pool.start("run", "slow.py:spread", "--compute", "pool", "--json", "-p", "n=3")
    wait_for(lambda: len([path for path in marks.iterdir() if path.name.isdigit()]) == 2)
    keeper = psutil.Process(keeper_of(pool))
    below = [child.pid for child in keeper.children(recursive=True)]
    keeper.kill()
    wait_for(lambda: not any(alive(pid) for pid in below))
    (marks / "go").touch()
    out, err = run.communicate(timeout=120)
    assert json.loads(out)["outputs"] == {"output": 6}, err
    assert keeper_of(pool) != keeper.pid
    assert pool("fsck").out


def children_of(pid):
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as stream:
            found += [int(child) for child in stream.read().split()]
    return found


def test_a_cluster_is_stopped_started_and_changed(pool):
    keeper, computes = keeper_of(pool), computes_of(pool)
    pool("computes", "stop", "pool")
    wait_for(lambda: not alive(keeper))
    shown = pool("computes", "show", "pool", "--json").json
    assert (shown["state"], shown["keeper"], shown["nodes"]) == ("stopped", None, [])
    assert "its scheduler is at tls://127.0.0.1:" in pool("computes", "start", "pool").out
    again = keeper_of(pool)
    computes.get("pool").start()
    assert keeper_of(pool) == again, "one keeper is enough"
    noted = [(row["action"], row["outcome"]) for row in pool("tokens", "audit", "--limit", "3", "--json").json["rows"]]
    assert noted == [("computes.start", "done"), ("computes.start", "done"), ("computes.stop", "done")]
    changed = pool("computes", "update", "pool", "--max-nodes", "1", "--idle-time", "1h", "--json").json
    assert (changed["max_nodes"], changed["idle_seconds_before_scaledown"]) == (1, 3600)
    for action, words in (
        (lambda: computes.update("pool", address="tls://a:1"), "address of compute target 'pool' cannot be changed"),
        (lambda: computes.update("pool", min_nodes=5), "min_nodes 5 is more than max_nodes 1"),
        (lambda: computes.detach("pool"), "cannot be detached"),
        (lambda: computes.create("POOL", max_nodes=1), "there is a compute target 'POOL' already"),
    ):
        with pytest.raises(PipelinekitError, match=words):
            action()


def refuse(context, plain):
    """With TLS 1.3 whoever shows no certificate learns only when he reads that he is not talked to."""
    with context.wrap_socket(plain) as wrapped:
        if not wrapped.recv(1):
            raise ConnectionResetError


def test_nobody_gets_at_its_scheduler_without_its_certificates(pool):
    said = Workspace.open(pool.folder).computes.get("pool").keeper.said
    host, port = said.address.removeprefix("tls://").split(":")
    context = ssl.create_default_context(cafile=pool.home / "computes" / "pool" / "ca.pem")
    context.check_hostname = False
    with socket.create_connection((host, int(port)), 10) as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        refuse(context, plain)
    keeper = psutil.Process(keeper_of(pool))
    computes_of(pool).update("pool", min_nodes=1).wait()
    listening = [
        item.laddr.ip
        for process in (keeper, *keeper.children(recursive=True))
        for item in process.net_connections()
        if item.status == "LISTEN"
    ]
    assert len(listening) >= 2
    assert set(listening) == {"127.0.0.1"}, "and nobody on another machine finds anything"
    folder = pool.home / "computes" / "pool"
    assert oct(folder.stat().st_mode)[-3:] == "700"
    assert oct((folder / "key.pem").stat().st_mode)[-3:] == "600"


def test_a_workspace_that_is_deleted_leaves_no_cluster_behind(project):
    computes_of(project).create("pool", max_nodes=1, min_nodes=1).wait()
    keeper = psutil.Process(keeper_of(project))
    processes = [keeper, *keeper.children(recursive=True)]
    assert len(processes) > 1
    project("workspace", "delete", "--yes")
    wait_for(lambda: not any(alive(process.pid) for process in processes))


def test_definitions_are_refused_with_every_fault(project):
    refused = project("computes", "create", "pool", "--max-nodes", "0", "--cores", "0", code=2)
    assert "max_nodes 0 is no number of nodes; cores 0 is no number of cores" in refused.err
    assert (
        "has no amount: 'x'"
        in project("computes", "create", "p", "--max-nodes", "1", "--resource", "gpu=x", code=2).err
    )
    assert not (project.home / "records.db").exists() or project("computes", "list", "--json").json["computes"] == []
    with pytest.raises(UsageError, match="is no number of nodes"):
        Cluster(0)


def test_the_dashboard_of_dask_is_served_to_this_machine_only_where_it_is_wanted(project):
    project.write(spread=PIPELINE)
    computes = Workspace.open(project.folder).computes
    pool = computes.create("pool", max_nodes=1)
    try:
        assert pool.keeper.said.dashboard == ""
        assert "dashboard" not in project("computes", "show", "pool").out
        project("computes", "update", "pool", "--dashboard")
        pool.stop()
        link = pool.start().dashboard
        assert link.startswith("http://127.0.0.1:")
        assert f"dashboard       {link} on " in project("computes", "show", "pool").out
        with urllib.request.urlopen(link, timeout=60) as page:
            assert b"Dask" in page.read()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(link.replace("status", "proxy/80/127.0.0.1/x"), timeout=60)
        assert refused.value.code == 404, "it asks no other servers for anybody"
        refused.value.close()
    finally:
        computes.delete("pool")
