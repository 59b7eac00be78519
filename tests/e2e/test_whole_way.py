"""From a published pipeline to runs on a cluster: by plain HTTP, by the client, by a schedule, whatever becomes of the server."""

import json
import re
import urllib.request

import psutil
from mortal import ENDPOINT, MINUTE, SCHEDULES, mortal

from pipelinekit import Workspace
from pipelinekit.domain.runs import RunStatus


def keeper_of(site):
    """The process that keeps the cluster of the workspace, by the lease that it holds."""
    row = site.workspace.services.database.read("get_keeper", ("pool",))[0]
    return psutil.Process(int(row["owner"].split("|")[2]))


def plainly(site, path, body):
    """What a server answers to whoever has nothing but an address and a token, as `curl` does."""
    request = urllib.request.Request(f"{site.live().base_url}{path}", json.dumps(body).encode())
    for name, value in {"authorization": f"Bearer {site.token}", "content-type": "application/json"}.items():
        request.add_header(name, value)
    request.add_header("prefer", "wait=60")
    with urllib.request.urlopen(request, timeout=90) as answer:
        return json.loads(answer.read())


def test_from_publishing_to_a_schedule_on_a_cluster_with_a_server_that_is_killed(tmp_path):
    with mortal(tmp_path / "project", compute="pool") as site:
        try:
            go_the_whole_way(site)
        finally:
            site.project("computes", "delete", "pool")


def go_the_whole_way(site):
    made = plainly(site, f"{ENDPOINT}/runs", {"parameters": {"number": 21}})
    assert (made["status"], made["version"], made["run"]["outputs"]) == ("Completed", 0, {"output": 42})
    shown = site.ask("GET", f"/api/v1/runs/{made['id']}").json()
    assert shown["compute"] == "pool"
    told = site.ask("GET", f"/api/v1/runs/{made['id']}/logs").text
    nodes = {child.pid for child in keeper_of(site).children(recursive=True)}
    assert int(re.search(r"child of (\d+)", told)[1]) in nodes, "it was executed by a process of a node"

    endpoint = Workspace.connect(str(site.live().base_url), site.token).pipeline_endpoints.get("doubling")
    assert endpoint.add_version(site.pipeline).number == 1
    endpoint.set_default(1)
    by_default, by_number = endpoint.submit(), endpoint.submit(version=0)
    site.process.kill()
    site.process.wait()
    site.until(lambda: all(site.status(run.id).final for run in (by_default, by_number)))
    outputs = [site.workspace.runs.get(run.id).outputs["output"].load() for run in (by_default, by_number)]
    assert outputs == [20, 2]

    body = {"name": "often", "cron": "* * * * *", "endpoint": "doubling", "experiment": "timed"}
    assert site.ask("POST", SCHEDULES, json=body).status_code == 201
    for _ in range(2):
        site.turn()
        site.process.kill()
        site.process.wait()
    ticks, ranges = site.workspace.schedules.history("often")
    assert ([site.time - tick.due for tick in ticks], ranges) == ([0, MINUTE], [])
    runs = [site.workspace.runs.get(tick.run) for tick in ticks]
    assert [run.outputs["output"].load() for run in runs] == [20, 20]
    assert {run.status for run in site.workspace.runs.list(limit=500)} == {RunStatus.COMPLETED}
    assert len(site.workspace.runs.list(limit=500)) == 5
    assert site.project("fsck", "--json").json["clean"] is True
