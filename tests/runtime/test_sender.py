"""The sender: what is pending arrives at least once, whoever dies, and nobody is asked without end."""

import json
import threading

import pytest
from conftest import wait_for
from hook_server import hook_server

from pipelinekit.classes import replace
from pipelinekit.domain.hosts import read_allowed
from pipelinekit.domain.webhooks import Answer, DeliveryState, EventKind, WebhookState
from pipelinekit.engine.delivering import MOST_TRIES
from pipelinekit.errors import StorageError
from pipelinekit.runtime.sender import KEPT_SECONDS, SWEEP_SECONDS, Sender, SenderPorts
from pipelinekit.storage.posting import HTTPPoster
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.webhooks import SQLWebhooks
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.webhooks import MANY, event, webhook
from pipelinekit.testing.webhooks import MemoryPoster, MemoryWebhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Site:
    """Records and a poster in memory, and senders that share them."""

    def __init__(self):
        self.clock = HandClock(1000.0)
        self.dead = set()
        self.records = MemoryWebhooks(self.clock, self.dead)
        self.answers = {}
        self.poster = MemoryPoster(lambda place, _: self.answers.get(place.host, Answer(204)))
        self.told = []
        self.secret_of = lambda delivery: SECRET

    def sender(self, owner="one", poster=None):
        def secrets_of(delivery):
            return [self.secret_of(delivery)]

        ports = SenderPorts(self.records, poster or self.poster, secrets_of, self.clock, lambda: 0.5)
        return Sender(owner, ports, self.told.append)

    def states(self, name="w1"):
        return [str(item.state) for item in self.records.deliveries(name, MANY)]

    def turn_until(self, sender, condition):
        wait_for(lambda: (sender.turn(), condition())[1])


@pytest.fixture
def site():
    made = Site()
    made.records.add(webhook("w1"))
    return made


def test_a_message_is_signed_and_sent_once(site):
    site.records.tell(event(1000.0))
    sender = site.sender()
    site.turn_until(sender, lambda: site.states() == ["Delivered"])
    for _ in range(3):
        sender.turn()
    ((place, headers, body),) = site.poster.sent
    (done,) = site.records.deliveries("w1", MANY)
    assert (place.url, headers["webhook-id"], headers["webhook-timestamp"]) == ("https://w1.example/x", done.id, "1000")
    assert json.loads(body)["type"] == "run.failed"
    assert (done.tries, done.status, done.ended_at) == (1, 204, 1000.0)
    assert site.told == []


def test_what_does_not_arrive_is_tried_again_under_the_same_id_and_then_given_up(site):
    site.answers["w1.example"] = Answer(500, "broken")
    site.records.tell(event(1000.0))
    sender = site.sender()
    for tries in range(1, MOST_TRIES + 1):
        site.turn_until(sender, lambda tries=tries: site.records.deliveries("w1", 1)[0].tries == tries)
        sender.turn()
        assert len(site.poster.sent) == tries
        site.clock.turn(max(0.0, site.records.deliveries("w1", 1)[0].next_at - site.clock.now()))
    assert site.states() == ["Failed"]
    assert len({headers["webhook-id"] for _, headers, _ in site.poster.sent}) == 1
    assert len({headers["webhook-timestamp"] for _, headers, _ in site.poster.sent}) == MOST_TRIES
    assert site.told == [f"message {site.records.deliveries('w1', 1)[0].id} (run.failed) was given up: broken"]


def test_another_sender_does_not_send_what_is_under_way_and_goes_on_with_what_a_dead_one_left(site):
    held = threading.Event()
    slow = MemoryPoster(lambda *_: (held.wait(30), Answer(204))[1])
    first, second = site.sender("one", slow), site.sender("two")
    site.records.tell(event(1000.0))
    first.turn()
    wait_for(lambda: slow.sent)
    second.turn()
    assert site.poster.sent == []
    site.dead.add("one")
    site.turn_until(second, lambda: site.states() == ["Delivered"])
    held.set()
    first.turn()
    assert [item[1]["webhook-id"] for item in slow.sent] == [item[1]["webhook-id"] for item in site.poster.sent]
    assert site.states() == ["Delivered"]


def test_an_address_that_is_slow_holds_up_no_other(site):
    held = threading.Event()
    site.records.add(webhook("w2"))
    sent = []

    def answer(place, body):
        sent.append(place.host)
        return (held.wait(30) if place.host == "w1.example" else None, Answer(204))[1]

    sender = site.sender(poster=MemoryPoster(answer))
    for number in range(20):
        site.records.tell(event(900.0 + number))
    site.turn_until(sender, lambda: site.states("w2") == ["Delivered"] * 20)
    assert sent.count("w1.example") == 2
    held.set()
    site.turn_until(sender, lambda: site.states() == ["Delivered"] * 20)


def test_who_wants_no_more_is_left_alone(site):
    site.answers["w1.example"] = Answer(410)
    for _ in range(5):
        site.records.tell(event(1000.0))
    sender = site.sender()
    site.turn_until(sender, lambda: "Pending" not in site.states())
    assert len(site.poster.sent) <= 2
    assert site.records.get("w1").state is WebhookState.DISABLED
    assert "410" in site.records.get("w1").trouble
    assert site.records.tell(event(1001.0)) == 0
    assert any("is disabled" in words for words in site.told)


def test_what_may_not_be_sent_is_not(site):
    site.records.add(webhook("w2", url="http://10.0.0.1:8080/"))
    site.records.add(webhook("w3", url="http://10.0.0.2:8080/"))
    site.records.allow(read_allowed("10.0.0.2:8080"))
    site.records.tell(event(1000.0))
    sender = site.sender()
    site.turn_until(sender, lambda: site.states("w2") + site.states("w3") == ["Failed", "Delivered"])
    assert sorted(place.host for place, _, _ in site.poster.sent) == ["10.0.0.2", "w1.example"]
    assert site.records.deliveries("w2", 1)[0].answer == "10.0.0.1 is not public"


def test_what_cannot_be_signed_counts_as_tried(site):
    def secret_of(delivery):
        raise StorageError("the key is not there")

    site.secret_of = secret_of
    site.records.tell(event(1000.0))
    sender = site.sender()
    site.turn_until(sender, lambda: site.records.deliveries("w1", 1)[0].tries == 1)
    assert site.records.deliveries("w1", 1)[0].answer == "it could not be signed: the key is not there"
    assert site.poster.sent == []


def test_what_ended_long_ago_is_forgotten_now_and_then(site):
    site.records.tell(event(1000.0))
    sender = site.sender()
    site.turn_until(sender, lambda: site.states() == ["Delivered"])
    site.clock.turn(KEPT_SECONDS)
    sender.turn()
    assert site.states() == ["Delivered"]
    site.clock.turn(SWEEP_SECONDS)
    sender.turn()
    assert site.states() == []


def test_trouble_is_told_once_and_looked_past(site, monkeypatch):
    def fails(*_):
        raise StorageError("the disk is away")

    sender = site.sender()
    with monkeypatch.context() as patch:
        patch.setattr(site.records, "claim", fails)
        for _ in range(3):
            sender.turn()
    site.records.tell(event(1000.0))
    site.turn_until(sender, lambda: site.states() == ["Delivered"])
    assert site.told == ["webhooks: the disk is away"]


def test_what_cannot_be_recorded_yet_is_recorded_later_and_not_sent_twice(site, monkeypatch):
    def fails(*_):
        raise StorageError("the disk is away")

    sender = site.sender()
    site.records.tell(event(1000.0))
    with monkeypatch.context() as patch:
        patch.setattr(site.records, "settle", fails)
        site.turn_until(sender, lambda: site.told)
    site.turn_until(sender, lambda: site.states() == ["Delivered"])
    assert len(site.poster.sent) == 1


def test_messages_go_over_the_wire_from_records_in_a_file(tmp_path):
    """The whole way: SQLite, threads, HTTP; statuses that are no good first."""
    ended, told = threading.Event(), []

    def serve(url):
        records = SQLWebhooks(SQLiteDatabase(tmp_path / "records.db"), clock)
        ports = SenderPorts(records, HTTPPoster(), lambda _: [SECRET], clock, lambda: 0.0)
        Sender("one|two|3|4", ports, told.append).serve(ended, 5.0)

    clock = HandClock(1000.0)
    with hook_server() as server:
        records = SQLWebhooks(SQLiteDatabase(tmp_path / "records.db"), clock)
        records.allow(read_allowed(f"127.0.0.1:{server.port}"))
        records.add(replace(webhook("w1"), url=server.url))
        server.answers = [500, 302]
        records.tell(event(1000.0, EventKind.RUN_COMPLETED))
        thread = threading.Thread(target=serve, args=(server.url,))
        thread.start()
        for tries in (1, 2):
            wait_for(lambda tries=tries: records.deliveries("w1", 1)[0].tries == tries)
            clock.turn(3600.0)
        wait_for(lambda: records.deliveries("w1", 1)[0].state is DeliveryState.DELIVERED)
        ended.set()
        thread.join()
    assert len(server.got) == 3
    assert len(set(server.ids())) == 1
    server.check(SECRET)
    assert told == []
