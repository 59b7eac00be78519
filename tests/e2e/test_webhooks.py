"""Webhooks as processes: what has happened is told at least once, whoever is killed in between."""

import json

import pytest
from conftest import wait_for
from hook_server import hook_server
from test_http import call, published, serving

from pipelinekit import Workspace


@pytest.fixture
def hooks():
    with hook_server() as server:
        yield server


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return published(tmp_path_factory.mktemp("webhooks") / "project")


@pytest.fixture
def secret(project, hooks):
    """The secret of a webhook at the server on loopback, which is deleted at the end."""
    project("webhooks", "allow", f"127.0.0.1:{hooks.port}")
    yield project("webhooks", "create", "ops", hooks.url).out.strip()
    project("webhooks", "delete", "ops")


def deliveries(project, *words):
    return project("webhooks", "deliveries", *words, "--json").json["deliveries"]


def test_a_message_that_a_killed_server_had_under_way_is_sent_again_by_the_next(project, hooks, secret):
    hooks.holds.set()
    with serving(project) as client:
        run = call(client, {"number": 2}, callback=hooks.url)
        assert run.json()["status"] == "Completed"
        wait_for(lambda: len(set(hooks.ids())) == 2)  # both have come, and neither is answered
        client.process.kill()
        client.process.wait()
    hooks.released.set()
    assert {item["state"] for item in deliveries(project, "ops") + deliveries(project)} == {"Pending"}
    first = set(hooks.ids())
    hooks.got.clear()
    hooks.holds.clear()
    with serving(project):
        wait_for(lambda: {item["state"] for item in deliveries(project, "ops") + deliveries(project)} == {"Delivered"})
    assert set(hooks.ids()) == first
    told = {kind for kind, _ in hooks.told()}
    assert told == {"run.completed"}
    assert {data["run"]["id"] for _, data in hooks.told()} == {run.json()["id"]}
    back = deliveries(project)[0]["id"]
    for message in hooks.got:
        hooks.got = [message]
        hooks.check(run.json()["callback_secret"] if message[1]["webhook-id"] == back else secret)


def test_what_happened_while_no_server_sent_is_told_by_the_next(project, hooks, secret):
    with serving(project, "--no-webhooks") as client:
        assert call(client, {"number": 3}).json()["status"] == "Completed"
        client.process.kill()
        client.process.wait()
    made = project("publish", "doubling.py", "-p", "number=7", "--json").json["id"]
    project("pipeline-endpoints", "add-version", "doubling", made)
    project("webhooks", "create", "versions", hooks.url, "--on", "endpoint.default_changed", "--endpoint", "doubling")
    project("pipeline-endpoints", "set-default", "doubling", "2")
    assert hooks.got == []
    hooks.answers = [503]
    with serving(project):
        wait_for(lambda: deliveries(project, "ops")[0]["state"] == "Delivered")
        wait_for(lambda: deliveries(project, "versions")[0]["state"] == "Delivered")
    assert sorted({kind for kind, _ in hooks.told()}) == ["endpoint.default_changed", "run.completed"]
    assert len(hooks.got) >= 3  # one of them was refused at first
    project("webhooks", "delete", "versions")
    assert project("fsck", "--quick").out == "no faults\n"


def test_a_call_in_python_has_the_end_of_its_run_told(project, hooks, secret):
    with serving(project) as client:
        workspace = Workspace.connect(str(client.base_url), project.token)
        run = workspace.pipeline_endpoints.get("doubling").submit(parameters={"number": 5}, callback=hooks.url)
        wait_for(lambda: len(hooks.got) == 2)
    here = Workspace.open(project.folder).webhooks
    assert [item.run for item in here.deliveries(limit=1)] == [run.id]
    assert here.callback_secret(run.id) == run.callback_secret
    assert run.callback_secret not in repr(run)
    assert [item.name for item in here.list()] == ["ops"]


def test_a_command_says_how_a_test_was_answered(project, hooks, secret):
    assert project("webhooks", "test", "ops").out.startswith("it arrived: 204, after 0.")
    hooks.answers, hooks.body = [500], b"no such hook"
    assert project("webhooks", "test", "ops", code=1).out == "it did not arrive: 500 no such hook\n"
    hooks.check(secret)
    assert [kind for kind, _ in hooks.told()] == ["webhook.test"] * 2
    assert json.loads(hooks.got[0][2])["data"]["webhook"]["name"] == "ops"
