"""A worker that is named for a bundle is a preference: it is taken where it is there, and nobody waits for it."""

import pytest
from conftest import wait_for
from distributed import Client, LocalCluster, get_worker

from pipelinekit.compute.preferences import KEYS, can_prefer


@pytest.fixture
def cluster():
    options = {"processes": False, "dashboard_address": "127.0.0.1:0", "threads_per_worker": 1}
    with LocalCluster(n_workers=0, **options) as running:
        yield running


def submit(client, number, node):
    where = {"workers": [node], "allow_other_workers": True}
    return client.submit(lambda: get_worker().address, key=f"{KEYS}{number}", pure=False, **where)


def test_it_is_preferred_where_it_is_there(cluster):
    with Client(cluster) as client:
        assert can_prefer(client)
        assert can_prefer(client), "for every driver that comes"
        cluster.scale(2)
        client.wait_for_workers(2, timeout=30)
        for number, node in enumerate([*client.scheduler_info()["workers"]] * 3):
            assert submit(client, number, node).result(timeout=30) == node


def test_a_bundle_that_came_while_no_worker_was_there_goes_to_the_first_that_comes(cluster):
    with Client(cluster) as client:
        assert can_prefer(client)
        future = submit(client, 1, "tcp://127.0.0.1:9")
        wait_for(lambda: [task.state for task in cluster.scheduler.tasks.values()] == ["no-worker"])
        cluster.scale(1)
        assert future.result(timeout=30)
