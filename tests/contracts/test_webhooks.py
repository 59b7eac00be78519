"""The twin and the implementations of records of webhooks pass one suite; events are written with what they tell of."""

import json
import threading

import pytest
from made_records import sql_records

from pipelinekit.classes import replace
from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.pipeline_endpoints import EndpointVersion, PipelineEndpoint
from pipelinekit.domain.runs import Failure, RunStatus
from pipelinekit.domain.schedules import Disposition, TickRange
from pipelinekit.domain.webhooks import Delivery, DeliveryState, EventKind
from pipelinekit.errors import ConflictError
from pipelinekit.storage import leases
from pipelinekit.storage.database import queries
from pipelinekit.storage.datasets import SQLDatasets
from pipelinekit.storage.outbox import tell_of_run
from pipelinekit.storage.postgres import PostgresDatabase
from pipelinekit.storage.publishing import SQLPipelineEndpoints
from pipelinekit.storage.schedules import SQLSchedules
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.webhooks import SQLWebhooks
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.datasets import new_version
from pipelinekit.testing.contracts.records import new_run
from pipelinekit.testing.contracts.schedules import schedule, tick
from pipelinekit.testing.contracts.webhooks import MANY, WebhooksContract, event, webhook
from pipelinekit.testing.webhooks import MemoryWebhooks

CALLBACK = Delivery(
    "msg_back", "", "https://back.example/", EventKind.RUN_ENDED, "", 0.0, "1", state=DeliveryState.WAITING
)


class TestMemory(WebhooksContract):
    def make(self, clock):
        return MemoryWebhooks(clock, {"dead"})


class InDatabase(WebhooksContract):
    alive = leases.owner_id()
    dead = leases.owner_id().rpartition("|")[0] + "|another start"

    def make(self, clock):
        return SQLWebhooks(self.open(), clock)

    def told(self, records, webhook="w1"):
        """What a webhook is told, the oldest first."""
        return [json.loads(item.body) for item in reversed(records.deliveries(webhook, MANY))]

    def listening(self, *webhooks):
        """Records of everything on one connection, and the webhooks that listen."""
        database, clock = self.open(), HandClock(100.0)
        records = SQLWebhooks(database, clock)
        for item in webhooks or (webhook("w1"),):
            records.add(item)
        return database, clock, records

    def test_every_beginning_and_end_of_a_run_is_told(self):
        database, clock, records = self.listening()
        made = sql_records(database, clock)
        for status in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED):
            run = made.driving.take(made.runs.create(new_run(f"{status} by its driver")).id, made.alive)
            failure = Failure("user", "the password is hunter2") if status is RunStatus.FAILED else None
            made.driving.finish(run.id, run.epoch, status, {}, failure)
        made.runs.request_cancel(made.runs.create(new_run("Canceled while it waited")).id)
        lost = made.driving.take(made.runs.create(new_run("Failed with its driver")).id, made.dead)
        assert made.driving.recover(30) == []
        told = [(item["type"], item["data"]["run"]["id"].partition(" ")[0]) for item in self.told(records)]
        assert sorted(told) == [
            ("run.canceled", "Canceled"), ("run.canceled", "Canceled"), ("run.completed", "Completed"),
            ("run.failed", "Failed"), ("run.failed", "Failed"), ("run.submitted", "Canceled"),
            ("run.submitted", "Canceled"), ("run.submitted", "Completed"), ("run.submitted", "Failed"),
            ("run.submitted", "Failed"),
        ]  # fmt: skip
        assert {item["data"]["run"]["failure"] for item in self.told(records)} == {None, "user", "lost"}
        assert "hunter2" not in json.dumps(self.told(records))
        assert lost.id in json.dumps(self.told(records))

    def test_an_event_is_there_with_what_it_tells_of_or_not_at_all(self):
        database, clock, records = self.listening(webhook("w1", events=(EventKind.RUN_COMPLETED,)))
        made = sql_records(database, clock)
        run = made.driving.take(made.runs.create(new_run("1")).id, made.alive)

        def fails():
            with database.transaction():
                made.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, {}, None)
                assert len(records.deliveries("w1", MANY)) == 1
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
        assert not records.deliveries("w1", MANY)
        assert made.runs.get(run.id).status is RunStatus.RUNNING

    def test_a_call_back_is_due_when_its_run_has_ended(self):
        database, clock, records = self.listening(webhook("w1", events=()))
        made = sql_records(database, clock)
        run = made.runs.create(new_run("1"))
        records.wait(replace(CALLBACK, run=run.id))
        records.wait(replace(CALLBACK, id="msg_other", run="another run"))
        taken = made.driving.take(run.id, made.alive)
        assert not records.claim(self.alive, MANY, {})
        made.driving.finish(run.id, taken.epoch, RunStatus.FAILED, {}, None)
        (due,) = records.claim(self.alive, MANY, {})
        assert (due.id, due.event, due.url) == ("msg_back", EventKind.RUN_FAILED, CALLBACK.url)
        assert json.loads(due.body)["data"]["run"]["status"] == "Failed"

    def test_a_call_back_whose_run_has_ended_unheard_is_found(self):
        database, clock, records = self.listening()
        made = sql_records(database, clock)
        run = made.runs.create(new_run("1"))
        records.wait(replace(CALLBACK, run=run.id))
        assert not records.stranded()
        records.wait(replace(CALLBACK, id="msg_other", run="no run"))
        assert [item.id for item in records.stranded()] == ["msg_other"]

    def test_a_run_that_is_submitted_is_told_with_what_it_belongs_to(self):
        heard = webhook("w1", events=(EventKind.RUN_SUBMITTED,), limits={"endpoint": "e1"})
        database, clock, records = self.listening(heard)
        made = sql_records(database, clock)
        made.runs.create(new_run("1"))
        endpoint = {"pipeline_endpoint": "e1", "endpoint_version": "2"}
        run = made.runs.create(new_run("2", at=5.0), endpoint)
        assert made.facts.properties(run.id) == endpoint
        (told,) = self.told(records)
        assert (told["type"], told["data"]["run"]["id"], told["data"]["run"]["status"]) == (
            "run.submitted",
            run.id,
            "Queued",
        )
        assert (told["data"]["endpoint"]["version"], told["timestamp"]) == (2, "1970-01-01T00:00:05.000Z")

    def test_child_runs_are_not_told(self):
        database, clock, records = self.listening()
        made = sql_records(database, clock)
        child = made.runs.create(replace(new_run("1"), kind="child", parent="2"))
        tell_of_run(database, child.id, 1.0)
        assert not records.deliveries("w1", MANY)

    def test_what_becomes_of_instants_is_told_where_no_run_was_started(self):
        database, _, records = self.listening(
            webhook("w1"), webhook("w2", limits={"schedule": "s2"}), webhook("w3", limits={"endpoint": "e1"})
        )
        SQLPipelineEndpoints(database).add(PipelineEndpoint("e1", "Score", (EndpointVersion(0, "p1"),)))
        schedules = SQLSchedules(database)
        schedules.add(schedule("s1", "nightly"))
        missed = TickRange("s1", 1, 10.0, 50.0, 5, Disposition.SKIPPED_MISFIRE, "late", 60.0)
        coalesced = replace(missed, first=60.0, last=70.0, disposition=Disposition.COALESCED)
        ticks = [tick(80.0 + number) for number in range(3)]
        schedules.change(schedule("s1", "nightly"), ticks=ticks, ranges=[missed, coalesced])
        for item, disposition in zip(
            ticks, (Disposition.ERROR, Disposition.SKIPPED_OVERLAP, Disposition.DUPLICATE), strict=True
        ):
            decided = replace(item, disposition=disposition, reason="x is 'hunter2'", decided_at=90.0 + item.due)
            assert schedules.decide(decided)
            assert not schedules.decide(decided)
        about = {"id": "s1", "name": "nightly", "url": "/api/v1/schedules/s1"}
        times = {number: f"1970-01-01T00:0{number // 60}:{number % 60:02}.000Z" for number in (10, 50, 80, 81)}
        assert [(item["type"], item["data"]) for item in self.told(records)] == [
            ("schedule.not_fired", {"schedule": about, "reason": "misfire", "instants": 5,
                                    "first_due": times[10], "last_due": times[50]}),
            ("schedule.start_failed", {"schedule": about, "due": times[80]}),
            ("schedule.not_fired", {"schedule": about, "reason": "overlap", "instants": 1,
                                    "first_due": times[81], "last_due": times[81]}),
        ]  # fmt: skip
        assert not records.deliveries("w2", MANY)
        assert self.told(records, "w3") == self.told(records)

    def test_another_default_version_is_told_and_other_changes_are_not(self):
        database, _, records = self.listening()
        endpoints = SQLPipelineEndpoints(database)
        endpoints.add(PipelineEndpoint("e1", "score", (EndpointVersion(0, "p1"), EndpointVersion(1, "p2"))))
        endpoints.change("score", lambda found: replace(found, description="words"))
        endpoints.change("score", lambda found: replace(found, default=1, updated_at=9.0))
        ((kind, data),) = [(item["type"], item["data"]) for item in self.told(records)]
        assert kind == "endpoint.default_changed"
        assert data["endpoint"] == {
            "id": "e1", "name": "score", "url": "/api/v1/pipeline-endpoints/e1", "version": 1,
        }  # fmt: skip
        assert (data["previous_version"], data["published_pipeline"]["id"]) == (0, "p2")

    def test_a_registered_dataset_is_told_without_where_it_lies(self):
        database, _, records = self.listening()
        datasets = SQLDatasets(database)
        datasets.add(new_version(path="/home/anna/secret.csv"))
        with pytest.raises(ConflictError):
            datasets.add(new_version())
        datasets.add(new_version(content="two", run="r1", created_at=6.0), grow=True)
        assert [(item["type"], item["data"]["dataset"]) for item in self.told(records)] == [
            ("dataset.registered", {"name": "sales", "version": version, "files": 1, "run": run})
            for version, run in ((1, None), (2, "r1"))
        ]
        assert "secret.csv" not in json.dumps(self.told(records))

    def test_those_who_claim_at_once_share_the_messages(self):
        _, clock, records = self.listening(*(webhook(f"w{number}") for number in range(10)))
        for _ in range(2):
            records.tell(event(clock.now()))
        claimed = []

        def claim():
            database = self.open()
            mine = SQLWebhooks(database, clock)
            while found := mine.claim(self.alive, 3, {}):
                claimed.extend(item.id for item in found)
            database.close()

        threads = [threading.Thread(target=claim) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(claimed) == len(set(claimed)) == 20

    def test_one_look_is_all_that_it_costs_where_nobody_listens(self, monkeypatch):
        database, clock, _ = self.listening(webhook("w1", state="Disabled"))
        made = sql_records(database, clock)
        run = made.driving.take(made.runs.create(new_run("1")).id, made.alive)
        asked = []
        for name in ("read", "write", "write_returning", "write_many", "send"):
            act = getattr(database, name)
            monkeypatch.setattr(
                database, name, lambda query, *more, act=act: (asked.append(query), act(query, *more))[1]
            )
        made.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, {}, None)
        assert [*dict.fromkeys(asked)] == [
            "count_event",
            "add_event",
            "is_told",
            "finish_run",
            "drop_claims_of_run",
            "count_ended_run",
            "listeners",
        ]


class TestSQLite(InDatabase):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def open(self):
        return SQLiteDatabase(self.folder / "records.db")

    def test_the_look_whether_anybody_listens_reads_indices_alone(self):
        database = self.open()
        plan = database.select("explain query plan " + queries()["listeners"], ("run",))
        looks = [row["detail"] for row in plan if row["detail"].startswith(("SCAN", "SEARCH"))]
        assert ["webhooks_active" in looks[0], "webhook_deliveries_waiting" in looks[1], len(looks)] == [True, True, 2]


class TestPostgres(InDatabase):
    @pytest.fixture(autouse=True)
    def _address(self, postgres):
        self.address = postgres_address(postgres.new())

    def open(self):
        return PostgresDatabase(self.address)
