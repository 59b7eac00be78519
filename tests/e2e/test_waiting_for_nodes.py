"""A run whose compute target can take none of its steps says so itself, everywhere: what is wrong, and what to do."""

import json
import signal
import subprocess
import sys

import psutil
from conftest import dask_cluster, wait_for
from e2e import test_ssh_hosts
from e2e.test_computes import SLOW, computes_of
from e2e.test_ssh_hosts import provider
from rest.conftest import Service

from pipelinekit import Workspace

hosts = test_ssh_hosts.hosts  # a fixture: two hosts by SSH, with MARKS


def waits_of(project):
    """What is told of the only run, where anything is."""
    return next(iter(Workspace.open(project.folder).runs.waits().values()), "")


def test_hosts_that_cannot_be_reached_are_told_by_the_run_that_waits_for_them(project, hosts):
    project.write(slow=SLOW)
    workspace = Workspace.open(project.folder)
    workspace.secrets.set("KEY", hosts[0].key)
    hosts[0].die()
    workspace.computes.create("lab", provider=provider(hosts[:1]))
    try:
        run = project.start("run", "slow.py:spread", "--compute", "lab", "-p", "n=1")
        why = wait_for(lambda: "onnect" in (told := waits_of(project)) and told)
        assert why.startswith(f"compute target 'lab' has no node; 1 is to be there: {hosts[0].name}: ")
        assert why.endswith("(see 'pipelinekit computes show lab')")
        (found,) = workspace.runs.list(limit=1)
        assert f"; numbers waits for room; {why}" in project("runs", "show", found.id).out
        assert f"run {found.id} waits: {why}" in project("runs", "list").out
        assert found.waits == project("runs", "show", "--json").json["waits"] == why
        one, waiting, listed = told_over_http(project, f"/runs/{found.id}", "/runs/waiting", "/runs")
        assert (one["waits"], waiting["waits"]) == (why, {found.id: why})
        assert [item["waits"] for item in listed["runs"]] == [why]
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
        assert f"run {found.id} waits: compute target 'lab' has no node" in err, "and whoever looks on is told"
        assert waits_of(project) == ""
    finally:
        workspace.computes.delete("lab")


def told_over_http(project, *paths):
    service = Service(project.home)
    try:
        service.owner = service.token("owner", role="owner")
        return [service("GET", f"/api/v1{path}").json() for path in paths]
    finally:
        service.end()


def test_a_cluster_elsewhere_without_a_worker_is_told_until_one_comes(project, tmp_path, monkeypatch):
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("MARKS", str(marks))
    project.write(slow=SLOW)
    with dask_cluster(tmp_path, workers=1) as address:
        computes_of(project).attach("farm", address)
        living = [item for item in psutil.Process().children() if item.status() != psutil.STATUS_ZOMBIE]
        ours = [
            item for item in living if str(tmp_path / "scheduler.json") in item.cmdline()
        ]  # other tests have others
        (worker,) = [item for item in ours if "worker" in item.cmdline()]
        run = project.start("run", "slow.py:spread", "--compute", "farm", "--json", "-p", "n=1")
        wait_for(lambda: (marks / "0").exists())
        worker.kill()
        words = f"compute target 'farm' has no worker; start one there: 'dask worker {address}'"
        wait_for(lambda: waits_of(project) == words)
        command = [sys.executable, "-m", "dask", "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        with (tmp_path / "another").open("w") as log:
            another = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
        try:
            wait_for(lambda: waits_of(project) == "")
            (marks / "go").touch()
            out, err = run.communicate(timeout=60)
            assert json.loads(out)["outputs"] == {"output": 0}, err
        finally:
            another.terminate()
            another.wait(30)
