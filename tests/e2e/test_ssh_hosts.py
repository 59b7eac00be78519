"""Clusters whose nodes run on hosts that are reached by SSH."""

import json
import os
import signal
import sys

import asyncssh
import psutil
import pytest
from conftest import alive, wait_for
from e2e import test_object_stores
from e2e.test_computes import SLOW, computes_of, keeper_of
from e2e.test_dask import PIPELINE
from e2e.test_gangs import STEPS, pids
from ssh_hosts import SSHHost

from pipelinekit import Workspace
from pipelinekit.domain.providers import SSHHosts

place = test_object_stores.place  # a fixture


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    """Two hosts, which share their disks with this machine."""
    monkeypatch.setenv("MARKS", str(tmp_path / "marks"))
    (tmp_path / "marks").mkdir()
    found = [SSHHost(tmp_path / name) for name in ("a", "b")]
    (tmp_path / "b" / "authorized").write_text((tmp_path / "a" / "authorized").read_text())
    yield found
    for host in found:
        host.die()


def provider(reached, **others):
    known = "".join(host.known for host in reached)
    named = tuple(host.name for host in reached)
    return SSHHosts(**{"hosts": named, "key_secret": "KEY", "known_hosts": known, **others})


@pytest.fixture
def lab(project, hosts):
    """A project with a cluster of one node on each of two hosts, which are given back soon."""
    project.write(slow=SLOW, spread=PIPELINE)
    workspace = Workspace.open(project.folder)
    workspace.secrets.set("KEY", hosts[0].key)
    workspace.computes.create("pool", provider=provider(hosts), idle_seconds_before_scaledown=3)
    yield project
    workspace.computes.delete("pool")


def shown(project):
    return project("computes", "show", "pool", "--json").json


def test_what_hosts_computed_is_reused_here_and_the_other_way_round(project, hosts, tmp_path):
    """The keys and the known hosts are those of the user."""
    project.write(spread=PIPELINE)
    own = tmp_path / "home" / ".ssh"
    own.mkdir(parents=True)
    (own / "id_ed25519").write_text(hosts[0].key)
    (own / "known_hosts").write_text("".join(host.known for host in hosts))
    (own / "config").write_text("Host *\n  StrictHostKeyChecking no\n")
    words = [word for host in hosts for word in ("--ssh-host", host.name)]
    environment = {"HOME": str(own.parent), "SSH_AUTH_SOCK": ""}
    made = project("computes", "create", "pool", *words, "--min-nodes", "2", "--json", env=environment).json
    try:
        assert (made["max_nodes"], made["provider"]["hosts"]) == (2, [host.name for host in hosts])
        assert "PRIVATE" not in project("computes", "show", "pool").out
        computes_of(project).get("pool").wait(2)
        assert [host.nodes() for host in hosts] == [1, 1], "each host has one"
        assert secrets_seen(hosts) == [], "neither arguments nor environments tell a key"
        document = project.run("spread.py", "--compute", "pool")
        assert document["outputs"] == {"output": 150}
        assert {step["status"] for step in document["steps"]} == {"Completed"}
        assert project.executed("spread.py") == []
        assert project.executed("spread.py", "-p", "n=8") == ["numbers", "table[6]", "table[7]", "total"]
        assert project.executed("spread.py", "-p", "n=8", "--compute", "pool") == []
        assert "making 3" in project("runs", "logs", "latest", "table[3]").out
    finally:
        project("computes", "delete", "pool")
    wait_for(lambda: [host.below() for host in hosts] == [[], []])


def secrets_seen(hosts):
    """Arguments and variables of processes on hosts that tell a private key."""
    found = []
    for process in (process for host in hosts for process in host.below()):
        told = [*process.cmdline(), *process.environ().values()]
        found += [text for text in told if "PRIVATE KEY" in text]
    return found


def test_a_host_that_dies_is_told_and_comes_back_and_the_run_goes_on_without_it(lab, hosts, tmp_path):
    marks = tmp_path / "marks"
    run = lab.start("run", "slow.py:spread", "--compute", "pool", "--json", "-p", "n=4")
    wait_for(lambda: len([path for path in marks.iterdir() if path.name.isdigit()]) == 2)
    hosts[0].die()
    wait_for(lambda: any(hosts[0].name in text for text in shown(lab)["keeper"]["errors"]))
    assert f"error           {hosts[0].name}: " in lab("computes", "show", "pool").out
    hosts[0].start()
    wait_for(lambda: hosts[0].nodes() == 1)
    wait_for(lambda: shown(lab)["keeper"]["errors"] == [])
    (marks / "go").touch()
    out, err = run.communicate(timeout=120)
    assert json.loads(out)["outputs"] == {"output": 12}, err
    wait_for(lambda: [host.below() for host in hosts] == [[], []])


def test_a_keeper_that_is_killed_leaves_nothing_on_hosts(lab, hosts, tmp_path):
    run = lab.start("run", "slow.py:spread", "--compute", "pool", "--json", "-p", "n=2")
    wait_for(lambda: len(list((tmp_path / "marks").iterdir())) == 2)
    left = [process.pid for host in hosts for process in host.below()]
    assert len(left) >= 6, "on each host a node, its worker and a step"
    keeper = psutil.Process(keeper_of(lab))
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    keeper.kill()
    wait_for(lambda: not any(alive(pid) for pid in left))


def test_a_step_on_several_hosts_tells_that_one_is_missing_and_its_processes_find_each_other(lab, hosts):
    lab.write(steps=STEPS)
    hosts[1].die()
    run = lab.start("run", "steps.py:pairs", "--compute", "pool", "--json", "-p", "first=1")
    words = f"compute target 'pool' has 1 node of 2 that a step asks for; 2 are to be there: {hosts[1].name}: "
    waits = Workspace.open(lab.folder).runs.waits
    wait_for(lambda: any(why.startswith(words) for why in waits().values()))
    hosts[1].start()
    out, err = run.communicate(timeout=110)
    assert json.loads(out)["outputs"] == {"output": [2, 4, 6]}, err


@pytest.mark.slow
def test_where_a_host_of_a_step_on_several_dies_all_of_its_processes_begin_again(lab, hosts, tmp_path):
    lab.write(steps=STEPS)
    words = ("--compute", "pool", "-p", f"folder={tmp_path}")
    run = lab.start("run", "steps.py:again", "--json", *words)
    first = pids(tmp_path, count=2)
    homes = [{process.pid for process in host.below()} for host in hosts]
    assert sorted(len(home & set(first)) for home in homes) == [1, 1], "each has a host of its own"
    hosts[1].die()
    hosts[1].start()
    out, err = run.communicate(timeout=110)
    found = json.loads(out)
    assert (found["outputs"], found["steps"][0]["attempts"]) == ({"output": 2}, 2), err
    assert not any(alive(pid) for pid in first)


@pytest.mark.slow
def test_hosts_that_do_not_see_the_workspace_take_blobs_from_an_object_store(place, hosts, project, tmp_path):
    project.write(book=test_object_stores.PIPELINE)
    workspace = Workspace.open(project.folder)
    workspace.secrets.set("KEY", hosts[0].key)
    own = tmp_path / "own"
    workspace.computes.create("pool", provider=provider(hosts, folder=str(own)))
    try:
        document = project.run("book.py", "--compute", "pool")
        assert {step["status"] for step in document["steps"]} == {"Completed"}
        assert document["outputs"] == {"output": 18_000}
        assert [path for path in own.rglob("blob-copies/??/*") if path.is_file()], (
            "hosts keep copies in their own folder"
        )
        assert not (project.home / "snapshots").exists(), "nothing was executed here"
        assert project.executed("book.py") == []
    finally:
        workspace.computes.delete("pool")


def test_what_a_host_says_when_it_can_have_no_node_is_told_with_its_name(lab, hosts, tmp_path, monkeypatch):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  StrictHostKeyChecking no\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    public = stranger.export_public_key().decode()
    secrets = Workspace.open(lab.folder).secrets
    secrets.set("WRONG", stranger.export_private_key().decode())
    secrets.set("NONE", "no key")
    good, name = hosts[:1], hosts[0].name
    cases = {
        "unknown": (provider(good, known_hosts=""), "Host key is not trusted"),
        "another": (provider(good, known_hosts=f"[127.0.0.1]:{hosts[0].port} {public}"), "Host key is not trusted"),
        "nobody": (provider(good, key_secret="WRONG"), "Permission denied"),
        "pythonless": (provider(good, python="/nowhere/python"), "could not be started (exit code 127); "),
        "old": (provider(good, python=older(hosts[0])), "it has pipelinekit 0.0.1, but "),
        "dead": (provider(good, hosts=("127.0.0.1:9",), known_hosts=hosts[0].known), "onnect"),
    }
    computes = computes_of(lab)
    with pytest.raises(Exception, match="the secret 'NONE' holds no private key for SSH"):
        computes.create("keyless", provider=provider(good, key_secret="NONE"))
    computes.delete("keyless")
    with pytest.raises(Exception, match="do not see the blobs of the workspace"):
        computes.create("blind", provider=provider(good, folder="/tmp/own"))
    computes.delete("blind")
    try:
        for case, (where, _) in cases.items():
            computes.create(case, provider=where, min_nodes=1)
        for case, (where, words) in cases.items():
            wait_for(lambda case=case: computes.get(case).keeper.said.errors)
            (error,) = computes.get(case).keeper.said.errors
            assert error.startswith(f"{where.hosts[0]}: "), error
            assert words in error
        assert [computes.get(case).keeper.said.nodes for case in cases] == [[]] * len(cases)
        assert name in lab("computes", "show", "nobody").out
        with pytest.raises(TimeoutError, match=rf"it has 0 nodes of 1; {name}: Permission denied"):
            computes.get("nobody").wait(timeout=0)
    finally:
        for case in cases:
            computes.delete(case)


def older(host):
    """A Python whose pipelinekit is of another version."""
    path = host.folder / "python"
    path.write_text(
        f"#!{sys.executable}\nimport importlib.metadata, runpy, sys\n"
        "found = importlib.metadata.version\n"
        "importlib.metadata.version = lambda name: '0.0.1' if name == 'pipelinekit' else found(name)\n"
        "runpy.run_module(sys.argv[3], run_name='__main__')\n"
    )
    path.chmod(0o755)
    return str(path)
