"""Schedules from the command line to runs: a ticker over a real workspace, and real servers that are killed."""

import json
import os
import re
import signal
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from conftest import wait_for

from pipelinekit import Workspace
from pipelinekit.domain.schedules import DataChange, Disposition, Policies, Recurrence
from pipelinekit.errors import ConflictError, ScheduleError
from pipelinekit.runtime.observer import Silent
from pipelinekit.testing.clock import HandClock

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC).timestamp()
MINUTE = 60.0
FILE = """
    from datetime import date, datetime
    from pathlib import Path
    from pipelinekit import File, Folder, pipeline, step

    @step
    def say(words: str, count: int) -> str:
        return words * count

    @pipeline
    def talk(words: str = "a", count: int = 1):
        return say(words, count)

    @step
    def tell(day: date, since: datetime | None, at: datetime, rows: int) -> str:
        return f"{day} {since} {at} {rows}"

    @pipeline
    def report(day: date, since: datetime | None, at: datetime, rows: int):
        return tell(day, since, at, rows)

    @step
    def names(data: Folder) -> list[str]:
        return sorted(path.name for path in Path(data).iterdir())

    @pipeline
    def listing(data: Folder):
        return names(data)

    @step
    def read(data: File) -> str:
        return Path(data).read_text()

    @pipeline
    def reading(data: File):
        return read(data)
"""


class Site:
    """A real workspace whose clock is turned by hand, with a ticker that drives each run as soon as it is recorded."""

    def __init__(self, project):
        project.write(flows=FILE)
        for name in ("talk", "report", "listing", "reading"):
            project("publish", f"flows.py:{name}", "--endpoint", name)
        self.project = project
        self.workspace = Workspace.open(project.folder)
        self.services = self.workspace.services
        self.clock = self.services.clock = HandClock(NOON)
        self.schedules = self.workspace.schedules
        self.told, self.undriven, self.is_driven = [], [], True
        self.ticker = self.services.ticker(self.told.append, self.clock.now, drive=self._drive)

    def _drive(self, run):
        if self.is_driven:
            self.services.driver(Silent()).drive(run)
        else:
            self.undriven.append(run)

    def turn(self, seconds=0.0, turns=1):
        """Let time pass, and look so often."""
        self.clock.turn(seconds)
        for _ in range(turns):
            self.ticker.turn()

    def drive(self):
        """All runs that wait end."""
        while self.undriven:
            self.services.driver(Silent()).drive(self.undriven.pop(0))

    def history(self, name):
        """What became of instants, the earliest first."""
        ticks, _ = self.schedules.history(name, 1000)
        return list(reversed(ticks))

    def outputs(self, name):
        """What runs of a schedule gave, the earliest first."""
        ticks = [tick for tick in self.history(name) if tick.disposition is Disposition.FIRED]
        return [self.services.runs.get(tick.run).outputs["output"].load() for tick in ticks]


@pytest.fixture
def site(project):
    return Site(project)


def test_every_minute_of_an_hour_has_its_run_and_each_run_its_minute(site):
    handle = site.schedules.create("often", Recurrence("Minute"), endpoint="talk", experiment="hourly")
    site.turn()
    for _ in range(60):
        site.turn(MINUTE)
    ticks = site.history("often")
    assert [tick.due for tick in ticks] == [NOON + MINUTE * number for number in range(61)]
    assert {tick.disposition for tick in ticks} == {Disposition.FIRED}
    runs = site.services.runs.list(properties={"schedule": handle.id}, limit=500)
    assert Counter(run.id for run in runs) == Counter(tick.run for tick in ticks)
    assert {(run.record.experiment, str(run.status)) for run in runs} == {("hourly", "Completed")}
    by_run = {run.id: run for run in runs}
    assert by_run[ticks[1].run].properties["schedule_due"] == "2026-05-10T12:01:00+00:00"
    assert by_run[ticks[1].run].properties["pipeline_endpoint"]
    shown = site.project("runs", "show", ticks[1].run).out
    assert "by          schedule often" in shown


def test_the_default_version_at_firing_is_what_runs(site):
    handle = site.schedules.create("often", Recurrence("Minute"), endpoint="talk", experiment="e")
    site.turn()
    other = site.project("publish", "flows.py:talk", "-p", "words=b", "--json").json["id"]
    endpoint = site.workspace.pipeline_endpoints.get("talk")
    endpoint.add_version(other)
    site.turn(MINUTE)
    endpoint.set_default(1)
    site.turn(MINUTE)
    assert site.outputs("often") == ["a", "a", "b"]
    runs = site.services.runs.list(properties={"schedule": handle.id})
    assert [run.properties["endpoint_version"] for run in runs] == ["1", "0", "0"]


def test_a_published_pipeline_is_run_by_its_id(site):
    made = site.workspace.pipeline_endpoints.get("talk").pipeline()
    site.schedules.create("own", Recurrence("Minute"), pipeline=made.id, experiment="e", parameters={"count": 3})
    site.turn(MINUTE)
    assert site.outputs("own") == ["aaa"]


def test_what_is_disabled_comes_due_no_more_and_what_passed_is_void(site):
    site.schedules.create("often", Recurrence("Minute"), endpoint="talk", experiment="e")
    site.turn()
    site.schedules.disable("often")
    for _ in range(3):
        site.turn(MINUTE)
    assert len(site.history("often")) == 1
    site.schedules.enable("often")
    site.turn(MINUTE)
    (passed,) = site.schedules.history("often")[1]
    assert (passed.count, passed.disposition) == (3, Disposition.VOIDED)
    assert [tick.due - NOON for tick in site.history("often")] == [0.0, 4 * MINUTE]


def test_while_a_run_is_open_the_next_is_skipped(site):
    site.schedules.create("often", Recurrence("Minute"), endpoint="talk", experiment="e")
    site.is_driven = False
    site.turn(0.0, 2)
    site.turn(MINUTE)
    site.drive()
    site.turn(MINUTE)
    assert [str(tick.disposition) for tick in site.history("often")] == ["Fired", "SkippedOverlap", "Fired"]
    assert [str(tick.outcome) for tick in site.history("often")] == ["Completed", "None", "None"]


def test_cancel_other_asks_the_open_run_to_end_and_then_starts(site):
    policies = Policies("cancel_other")
    site.schedules.create(
        "often", Recurrence("Minute"), endpoint="talk", experiment="e", policies=policies
    )  # fmt: skip
    site.is_driven = False
    site.turn()
    site.turn(MINUTE, 3)
    first, second = site.history("often")
    assert (str(first.outcome), str(second.disposition)) == ("Canceled", "Fired")


def test_templates_are_filled_in_and_read_by_the_types_of_the_pipeline(site):
    given = {"day": "{{due_date}}", "since": "{{previous_success}}", "at": "{{due}}", "rows": "5"}
    site.schedules.create(
        "daily", "30 23 * * *", endpoint="report", experiment="e", zone="Europe/Berlin", parameters=given
    )  # fmt: skip
    for _ in range(2):
        site.turn(24 * 3600.0, 2)
        site.clock.turn(120)  # a jump of the clock is doubted for a minute
        site.turn(0.0, 2)
    assert site.outputs("daily") == [
        "2026-05-10 None 2026-05-10 23:30:00+02:00 5",
        "2026-05-11 2026-05-10 23:30:00+02:00 2026-05-11 23:30:00+02:00 5",
    ]


def test_all_that_is_wrong_with_target_and_parameters_is_told_at_once(site):
    with pytest.raises(ScheduleError) as caught:
        site.schedules.create(
            "bad", "0 6 * * *", endpoint="report", experiment="e",
            parameters={"day": "{{due}} {{due_date}}", "since": "x", "rows": "many", "row": 1},
        )  # fmt: skip
    messages = "\n".join(fault.message for fault in caught.value.faults)
    for part in ("'row'", "'day'", "'since'", "'rows'", "'at' (datetime) has no value"):
        assert part in messages
    with pytest.raises(ScheduleError) as caught:
        site.schedules.create("bad", DataChange("absent", "in"), endpoint="nobody", experiment="e")
    messages = [fault.message for fault in caught.value.faults]
    assert any("datastore 'absent'" in message for message in messages)
    assert any("'nobody'" in message for message in messages)
    site.workspace.pipeline_endpoints.get("talk").disable()
    with pytest.raises(ScheduleError, match="talk"):
        site.schedules.create("bad", "0 6 * * *", endpoint="talk", experiment="e")


def test_what_cannot_be_called_when_it_is_time_is_an_error_that_is_told(site):
    site.schedules.create(
        "often", Recurrence("Minute"), endpoint="talk", experiment="e", notify=["ops"]
    )  # fmt: skip
    site.workspace.pipeline_endpoints.get("talk").pipeline().disable()
    site.turn()
    (tick,) = site.history("often")
    assert (tick.disposition, tick.run) == (Disposition.ERROR, "")
    assert "is disabled" in tick.reason
    assert any("for ops" in words for words in site.told)
    rows = [row for row in site.services.audit.list() if row.event.action == "schedules.failed"]
    assert [(row.event.origin.actor, row.event.object) for row in rows] == [("schedules", "often")]
    assert list(site.services.runs.list()) == []


def test_what_a_schedule_runs_is_not_taken_from_it(site):
    endpoint = site.workspace.pipeline_endpoints.get("Talk")
    site.schedules.create("often", "0 6 * * *", endpoint="TALK", experiment="e")
    site.schedules.create("other", "0 6 * * *", pipeline=endpoint.pipeline().id, experiment="e")
    for act in (
        endpoint.disable, endpoint.archive, endpoint.pipeline().disable,
        lambda: site.workspace.pipeline_endpoints.delete("talk"),
        lambda: site.workspace.published_pipelines.delete(endpoint.pipeline().id),
    ):  # fmt: skip
        with pytest.raises(ConflictError, match="is run by schedule"):
            act()
    site.schedules.disable("often")
    site.schedules.disable("other")
    endpoint.disable()
    endpoint.pipeline().disable()


def test_a_failed_run_is_told_of_once(site):
    site.schedules.create(
        "often", "1 12 * * *", endpoint="reading", experiment="e", notify=["ops", "me"],
        parameters={"data": "datastore:drop/text.txt"},
    )  # fmt: skip
    folder = site.project.folder / "drop"
    folder.mkdir()
    (folder / "text.txt").write_bytes(b"\xff\xfe\xff")
    site.workspace.datastores.register("drop", folder)
    site.turn(MINUTE, 4)
    (tick,) = site.history("often")
    assert (tick.disposition, str(tick.outcome)) == (Disposition.FIRED, "Failed")
    assert [words for words in site.told if tick.run in words] == [
        f"schedule 'often', due 2026-05-10T12:01:00+00:00: run {tick.run} failed; for ops, me"
    ]


def test_run_now_and_a_backfill_start_runs_of_their_own(site):
    site.schedules.create(
        "daily", "0 6 * * *", endpoint="talk", experiment="e", start=NOON - 5 * 86400, parameters={"words": "{{due_date}}"}
    )  # fmt: skip
    site.schedules.run_now("daily")
    site.turn()
    made = site.schedules.backfill("daily", NOON - 3 * 86400, NOON)
    site.turn(0.0, 8)
    assert Counter(tick.origin for tick in site.history("daily")) == {"manual": 1, made.origin: 3}
    given = [tick.parameters["words"] for tick in site.history("daily") if tick.origin == made.origin]
    assert given == ["2026-05-08", "2026-05-09", "2026-05-10"]
    assert "2026-05-09" in site.outputs("daily")


def test_a_change_of_a_folder_datastore_starts_one_run_with_its_files(site):
    folder = site.project.folder / "drop"
    (folder / "in").mkdir(parents=True)
    site.workspace.datastores.register("drop", folder)
    trigger = DataChange("drop", "in", parameter="data", poll=10.0, settle=20.0)
    site.schedules.create("arrivals", trigger, endpoint="listing", experiment="e")
    site.turn()
    (folder / "in" / "one.csv").write_text("1")
    site.turn(10.0)
    (folder / "in" / "two.csv").write_text("2")
    site.turn(10.0)
    site.turn(10.0)
    assert site.history("arrivals") == []
    site.turn(20.0)
    for _ in range(5):
        site.turn(20.0)
    assert site.outputs("arrivals") == [["one.csv", "two.csv"]]


def test_each_file_has_its_run(site):
    folder = site.project.folder / "drop"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "old.csv").write_text("old")
    site.workspace.datastores.register("drop", folder)
    trigger = DataChange("drop", "in", parameter="data", poll=10.0, settle=0.0, each_file=True)
    policies = Policies("queue_all")
    site.schedules.create("files", trigger, endpoint="reading", experiment="e", policies=policies)
    site.turn()
    (folder / "in" / "one.csv").write_text("1")
    (folder / "in" / "sub").mkdir()
    (folder / "in" / "sub" / "two.csv").write_text("2")
    site.turn(10.0, 4)
    assert site.outputs("files") == ["1", "2"]
    (folder / "in" / "old.csv").write_text("new")
    site.turn(10.0, 2)
    assert site.outputs("files") == ["1", "2", "new"]


def test_a_run_that_waited_reads_what_its_schedule_saw(site):
    folder = site.project.folder / "drop"
    folder.mkdir()
    site.workspace.datastores.register("drop", folder)
    trigger = DataChange("drop", parameter="data", poll=10.0, settle=0.0, each_file=True)
    policies = Policies("queue_all")
    site.schedules.create("files", trigger, endpoint="reading", experiment="e", policies=policies)
    site.is_driven = False
    site.turn()
    (folder / "a.txt").write_text("first")
    (folder / "b.txt").write_text("second")
    site.turn(10.0)
    (folder / "a.txt").write_text("changed")
    (folder / "b.txt").unlink()
    for path in site.services.home.glob("blobs/**/*"):
        os.utime(path, (0, 0))
    site.project("gc")
    site.drive()
    site.turn()
    site.drive()
    assert site.outputs("files")[:2] == ["first", "second"]
    (kept, _, *_) = site.history("files")
    assert kept.parameters["data"].startswith("datastore:drop/a.txt@xxh3:")


def test_a_new_version_of_a_dataset_is_what_the_run_takes(site):
    folder = site.project.folder / "data"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    site.project("datasets", "register", "letters", "data")
    trigger = DataChange(dataset="letters", parameter="data", poll=10.0, settle=0.0)
    site.schedules.create("letters", trigger, endpoint="listing", experiment="e")
    site.turn(0.0, 2)
    (folder / "b.txt").write_text("b")
    site.project("datasets", "register", "letters", "data", "--create-new-version")
    site.turn(10.0)
    assert site.outputs("letters") == [["a.txt", "b.txt"]]
    (tick,) = site.history("letters")
    assert tick.parameters == {"data": "dataset:letters@2"}


# -- processes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(project):
    project.write(flows=FILE)
    project("publish", "flows.py:talk", "--endpoint", "talk")
    return project


def create(project, name, *words):
    return project("schedules", "create", name, "--endpoint", "talk", "--experiment", "e", *words, "--json").json


def history(project, name):
    return project("schedules", "history", name, "--limit", "200", "--json").json["history"]


@contextmanager
def serving(project, *words):
    """A server; it is ended at the end, if it still lives."""
    process = project.start("serve", *words)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.told = process.communicate(timeout=60)[1]


def test_a_server_makes_runs_of_schedules_and_drives_them(served):
    with serving(served, "--no-http"):
        create(served, "often", "--every", "minute", "-p", "words=x")
        wait_for(lambda: any(item.get("outcome") == "Completed" for item in history(served, "often")))
        assert served("schedules", "list", "--json").json["served"] is True
        served("schedules", "run-now", "often")
        wait_for(
            lambda: (
                [item["outcome"] for item in history(served, "often") if item["origin"] == "manual"] == ["Completed"]
            )
        )
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")
        assert "a backfill is for the past" in served(
            "schedules", "backfill", "often", since, "2100-01-01", code=2
        ).err  # fmt: skip
    assert served("schedules", "list", "--json").json["served"] is False


def test_a_killed_server_loses_nothing_and_doubles_nothing(served):
    create(served, "past", "--cron", "0 * * * *", "--disabled")
    made = served("schedules", "backfill", "past", "2026-01-01", "2026-01-01T23:00", "--at-once", "2", "--json").json
    assert made["instants"] == {"Pending": 24}
    for kill_after in (3, 9, 15):
        with serving(served, "--no-http") as server:
            wait_for(lambda count=kill_after: sum(bool(item["run"]) for item in history(served, "past")) >= count, 60)
            server.kill()
            server.wait()
    with serving(served, "--no-http"):
        wait_for(lambda: [item["outcome"] for item in history(served, "past")] == ["Completed"] * 24, 90)
    entries = history(served, "past")
    runs = Counter(item["run"] for item in entries)
    assert len(runs) == 24
    found = served("runs", "list", "--json", "--limit", "100").json["runs"]
    assert {run["id"] for run in found} == set(runs)
    assert sorted(item["due"] for item in entries) == [
        datetime(2026, 1, 1, hour, tzinfo=UTC).timestamp() for hour in range(24)
    ]
    assert served("fsck", "--json").json["clean"] is True


def test_schedules_run_sees_to_them_without_a_server(served):
    create(served, "now", "--cron", "0 6 1 1 *")
    served("schedules", "run-now", "now")
    process = served.start("schedules", "run")
    try:
        wait_for(lambda: [item["outcome"] for item in history(served, "now")] == ["Completed"])
    finally:
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "seeing to the schedules of" in told
    served("schedules", "run-now", "now")
    told = served("schedules", "run", "--once").out
    run = history(served, "now")[0]["run"]
    assert told == f"run {run} begins\n"
    served("runs", "wait", run)
    assert "nothing is due" in served("schedules", "run", "--once").out


def test_a_schedule_is_written_to_a_file_changed_there_and_loaded_again(served):
    made = create(served, "weekly", "--every", "2 weeks", "--on", "mon,Friday", "--at", "09:30", "-p", "words={{due}}")
    assert made["recurrence"]["week_days"] == ["Monday", "Friday"]
    text = served("schedules", "show", "weekly", "--yaml").out
    assert "  time_of_day: '09:30'\n" in text or "  time_of_day: 09:30\n" in text
    (served.folder / "weekly.yaml").write_text(text)
    assert "there is a schedule 'weekly' already" in served("schedules", "load", "weekly.yaml", code=2).err
    same = served("schedules", "load", "weekly.yaml", "--replace", "--json").json
    assert same == made
    (served.folder / "weekly.yaml").write_text(text.replace("interval: 2", "interval: 3"))
    changed = served("schedules", "load", "weekly.yaml", "--replace", "--json").json
    assert (changed["recurrence"]["interval"], changed["spec_version"], changed["id"]) == (3, 2, made["id"])
    assert "every 3 weeks on Monday, Friday at 09:30" in served("schedules", "list").out


def test_words_that_do_not_go_together_are_refused(served):
    told = ("schedules", "create", "x", "--endpoint", "talk", "--experiment", "e")
    assert "--at is for --every" in served(*told, "--cron", "0 6 * * *", "--at", "09:30", code=2).err
    assert "--into is for --watch" in served(*told, "--every", "day", "--into", "words", code=2).err
    assert "names no data" in served(*told, "--watch", "drop/in", code=2).err
    assert "is no rule" in served(*told, "--every", "fortnight", code=2).err
    assert "there is no schedule 'x'" in served("schedules", "show", "x", code=2).err


def test_two_servers_make_one_run_of_each_instant(served):
    create(served, "past", "--cron", "0 * * * *", "--disabled")
    served("schedules", "backfill", "past", "2026-01-01", "2026-01-01T11:00", "--at-once", "12")
    with serving(served, "--no-http"), serving(served, "--no-http"):
        wait_for(lambda: [item["outcome"] for item in history(served, "past")] == ["Completed"] * 12, 60)
    assert len(served("runs", "list", "--json", "--limit", "100").json["runs"]) == 12


class Web:
    """A server over HTTP, and its first owner."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    def __call__(self, method, path, body=None, token=None, code=200):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/schedules{path}", data=data, method=method)
        request.add_header("Authorization", f"Bearer {token or self.token}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        assert status == code, text
        return json.loads(text) if text else None


@contextmanager
def web(project, *words):
    log = project.folder / "serve.log"
    with log.open("w") as stream, _quiet(project, stream, words):
        wait_for(lambda: "serving" in log.read_text(), 30)
        url = re.search(r"listening at (\S+)", log.read_text())[1]
        yield Web(url, (project.home / "bootstrap.token").read_text().strip())


@contextmanager
def _quiet(project, stream, words):
    process = project.start("serve", "--port", "0", *words, stderr=stream)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_schedules_over_http(served):
    reader = served("tokens", "create", "r", "--role", "reader").out.strip()
    with web(served, "--no-schedules") as ask:
        body = {"name": "nightly", "cron": "0 6 * * *", "endpoint": "talk", "experiment": "e",
                "zone": "Europe/Berlin", "parameters": {"words": "{{due_date}}"}}  # fmt: skip
        assert ask("POST", "", body, token=reader, code=403)["type"] == "pipelinekit:forbidden"
        made = ask("POST", "", body, code=201)
        assert (made["name"], made["state"], made["cron"]) == ("nightly", "Active", "0 6 * * *")
        ask("POST", "", body, code=409)
        wrong = ask("POST", "", {"name": "b", "cron": "61 * * * *", "endpoint": "x", "experiment": "e"}, code=400)
        assert len(wrong["faults"]) == 2
        assert [item["name"] for item in ask("GET", "", token=reader)["schedules"]] == ["nightly"]
        assert ask("GET", "")["served"] is False
        assert ask("GET", "/NIGHTLY")["id"] == made["id"]
        assert len(ask("GET", "/nightly/preview?count=3")["preview"]) == 3
        assert ask("POST", "/nightly/disable")["state"] == "Disabled"
        assert ask("POST", "/nightly/enable?replay=true")["state"] == "Active"
        changed = ask("PUT", "/nightly", {"cron": "0 7 * * *", "endpoint": "talk", "experiment": "e"})
        assert (changed["cron"], changed["zone"], changed["spec_version"]) == ("0 7 * * *", "UTC", 2)
        assert ask("POST", "/nightly/run-now", code=202)["disposition"] == "Pending"
        filled = ask("POST", "/nightly/backfills", {"since": "2026-01-01", "until": "2026-01-03"}, code=202)
        assert filled["instants"] == {"Pending": 2}
        assert {item["origin"] for item in ask("GET", "/nightly/history")["history"]} == {"manual", "backfill-1"}
        ask("DELETE", "/nightly", code=204)
        ask("GET", "/nightly", code=404)
        assert ask("GET", f"/{made['id']}")["state"] == "Deleted"
    rows = served("tokens", "audit", "--json").json["rows"]
    assert [row["action"] for row in reversed(rows) if row["object"] == "nightly"] == [
        f"schedules.{verb}" for verb in ("create", "disable", "enable", "replace", "run-now", "backfill", "delete")
    ]
