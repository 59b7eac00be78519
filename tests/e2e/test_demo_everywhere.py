"""The demo, unchanged, on every kind of compute target: keys know nothing of places."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from e2e import test_computes, test_ssh_hosts
from e2e.test_computes import attach, computes_of

from pipelinekit import Workspace

farm, hosts = test_computes.farm, test_ssh_hosts.hosts  # fixtures: a cluster that was attached, two hosts by SSH

DEMO = Path(__file__).parents[2] / "examples" / "flight_delays"
RUN = ("pipeline.py", "-p", "iterations=5")


@pytest.fixture(scope="module")
def keys():
    """The keys of all steps, as the first run of the module had them."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "forced"),
    [(("local", "pool", "farm", "hosts"), ("farm",)), (("hosts", "farm", "pool", "local"), ("pool",))],
    ids=["here first", "elsewhere first"],
)
def test_what_any_place_computed_is_reused_whole_on_all_others(project, farm, hosts, keys, order, forced):
    """And computed anew elsewhere it has the same keys and the same bytes. All but `local` are talked to by TLS."""
    shutil.copytree(DEMO, project.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("results", "data", ".*"))
    subprocess.run([sys.executable, "get_data.py"], cwd=project.folder, check=True, capture_output=True)
    attach(project, *farm)
    Workspace.open(project.folder).secrets.set("KEY", hosts[0].key)
    computes = computes_of(project)
    try:
        computes.create("pool", max_nodes=3, min_nodes=3)
        computes.create("hosts", provider=test_ssh_hosts.provider(hosts), min_nodes=2)
        assert [len(computes.get(name).wait(count)) for name, count in (("pool", 3), ("farm", 3), ("hosts", 2))]
        first = project.run(*RUN, "--compute", order[0])
        assert statuses(first) == {"Completed"}
        keys.update({} if keys else keys_of(first))
        assert keys_of(first) == keys, "in any workspace"
        for target in order[1:]:
            again = project.run(*RUN, "--compute", target)
            assert (target, statuses(again), again["outputs"]) == (target, {"Reused"}, first["outputs"])
            assert {step["reused_from"]["run"] for step in again["steps"]} == {first["id"]}
        for target in forced:
            anew = project.run(*RUN, "--compute", target, "--regenerate", "*")
            assert (target, statuses(anew), anew["outputs"]) == (target, {"Completed"}, first["outputs"])
            assert keys_of(anew) == keys, target
        last = project.run(*RUN, "--compute", order[0])
        assert {step["reused_from"]["run"] for step in last["steps"]} == {anew["id"]}
    finally:
        for name in ("pool", "hosts"):
            if name in [item.name for item in computes.list()]:
                computes.delete(name)


def statuses(run):
    return {step["status"] for step in run["steps"]}


def keys_of(run):
    return {step["name"]: step["key"] for step in run["steps"]}
