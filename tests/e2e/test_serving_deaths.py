"""A server dies before and after each kind of transaction that it commits; clients ask again: nothing is lost or doubled.

The points are counted, not listed: `dying/sitecustomize.py` has a real server, the drivers that it starts and the
commands that publish die at the first transaction of each kind that they come to. The clock is turned by hand.
"""

from collections import Counter

import pytest
from mortal import ENDPOINT, MINUTE, SCHEDULES, mortal

from pipelinekit.domain.schedules import Disposition


def live_through_it(site):
    """Call, add a version, make it the default, call the old one by number, have it called every minute."""
    runs = [site.call(1, "first")]
    added = site.ask("POST", f"{ENDPOINT}/versions", json={"pipeline": site.pipeline})
    assert added.status_code in (201, 409), added.text  # 409: it was added, and the server died before it said so
    assert site.ask("PATCH", ENDPOINT, json={"default_version": 1}).status_code == 200
    runs += [site.call(2, "old", version=0), site.call(3, "new")]
    body = {"name": "often", "recurrence": {"frequency": "Minute"}, "endpoint": "doubling", "experiment": "timed"}
    made = site.ask("POST", SCHEDULES, json={**body, "policies": {"overlap": "allow", "catch_up": "all"}})
    assert made.status_code in (201, 409), made.text
    for _ in range(3):
        site.turn()
    assert site.ask("POST", f"{SCHEDULES}/often/disable").status_code == 200
    return runs


def hold_to_it(site, called):
    """Every call and every instant has its one run, and nothing else has one."""
    shown = site.ask("GET", ENDPOINT).json()
    assert ([item["version"] for item in shown["versions"]], shown["default_version"]) == ([0, 1], 1)
    assert [run["outputs"] for run in called] == [{"output": 2}, {"output": 4}, {"output": 6}]
    assert [run["properties"]["endpoint_version"] for run in called] == ["0", "0", "1"]
    for run, (number, key, options) in zip(
        called, [(1, "first", {}), (2, "old", {"version": 0}), (3, "new", {})], strict=True
    ):
        assert site.call(number, key, **options)["id"] == run["id"]
    site.end()
    workspace = site.workspace
    (schedule,) = workspace.schedules.list()
    ticks, ranges = schedule.history(1000)
    first = min(tick.due for tick in ticks)
    assert ranges == []
    assert sorted(tick.due for tick in ticks) == [first + MINUTE * number for number in range(len(ticks))]
    assert (max(tick.due for tick in ticks), {tick.disposition for tick in ticks}) == (site.time, {Disposition.FIRED})
    runs = Counter(run.id for run in workspace.runs.list(limit=500))
    assert runs == Counter([run["id"] for run in called] + [tick.run for tick in ticks])
    rows = [row.event for row in workspace.services.audit.list() if row.event.action != "tokens.use"]
    said = Counter(event.action for event in rows if event.outcome != "refused")
    assert said["call"] == 3
    assert said["pipeline-endpoints.add-version"] == said["schedules.create"] == 1
    assert site.project("tokens", "audit", "--verify", "--json").code == 0
    assert site.project("fsck", "--json").json["clean"] is True


RESULTS = (
    "serve add_run add_endpoint_version replace_endpoint change_schedule add_schedule add_tick decide_tick offer_run"
)
PROMISED = {
    "call", "pipeline-endpoints.add-version", "pipeline-endpoints.change", "schedules.create", "schedules.disable",
    "add_tick", "decide_tick", "offer_run", "take_run",
}  # fmt: skip


WAYS = [
    pytest.param(RESULTS, False, marks=pytest.mark.long, id="results"),
    pytest.param("serve", False, marks=pytest.mark.slow, id="all"),
    pytest.param("serve", True, marks=pytest.mark.slow, id="all-postgres"),
]


@pytest.mark.parametrize(("server", "is_shared"), WAYS)
def test_whatever_a_server_dies_at_every_call_and_every_instant_has_its_one_run(server, is_shared, tmp_path, request):
    records = request.getfixturevalue("postgres").new() if is_shared else ""
    with mortal(tmp_path / "project", server, "drive take_run", records=records) as site:
        hold_to_it(site, live_through_it(site))
        deaths = site.deaths()
        for side in ("before", "after"):
            assert {part for _, found, kind in deaths if found == side for part in kind.split("+")} >= PROMISED
        assert len(deaths) == len(set(deaths))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_so_it_is_when_it_dies_at_one_of_them_only(tmp_path):
    with mortal(tmp_path / "0" / "project", "serve 1000") as site:
        hold_to_it(site, live_through_it(site))
        count = len(site.deaths())
        assert site.lives == 1
    assert count > 20
    for nth in range(1, count + 1):
        with mortal(tmp_path / str(nth) / "project", f"serve {nth}") as site:
            try:
                hold_to_it(site, live_through_it(site))
            except BaseException as error:
                error.add_note(f"death {nth} of {count}: {site.deaths()}")
                raise


def test_who_dies_while_he_publishes_has_published_all_or_nothing(tmp_path):
    with mortal(tmp_path / "project", "publish") as site:
        words = ("publish", "doubling.py", "-p", "number=5", "--endpoint", "doubling")

        def published():
            pipelines = [item.id for item in site.workspace.published_pipelines.list()]
            versions = [item.pipeline for item in site.workspace.pipeline_endpoints.get("doubling").versions]
            return len(pipelines), len(versions)

        assert published() == (2, 1)  # one of them is no version of the endpoint yet
        for death in range(1, 100):
            before = published()
            process = site.project.start(*words, env=site.environment)
            process.communicate(timeout=60)
            if process.returncode == 0:
                break
            assert len(site.deaths()) == death
            assert published() in (before, (before[0] + 1, before[1] + 1))
            assert site.project("fsck", "--json").json["clean"] is True
        assert len(site.deaths()) >= 2
        assert site.ask("POST", f"{ENDPOINT}/runs", json={"version": published()[1] - 1}).status_code == 202
