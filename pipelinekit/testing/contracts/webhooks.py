"""What records of webhooks must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import json

import pytest

from pipelinekit.classes import replace
from pipelinekit.domain.hosts import AllowedHost
from pipelinekit.domain.webhooks import (
    OF_ENDPOINT,
    OF_EXPERIMENT,
    Answer,
    Delivery,
    DeliveryState,
    Event,
    EventKind,
    Webhook,
    WebhookState,
    sent_again,
)
from pipelinekit.engine.delivering import settled
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.ports.webhooks import WebhookRecords
from pipelinekit.testing.clock import HandClock

ALL = tuple(EventKind)
MANY = 50


def webhook(identity: str, name: str = "", **more: object) -> Webhook:
    """A webhook of this id that is told of everything."""
    return replace(Webhook(identity, name or identity, f"https://{identity}.example/x", ALL), **more)


def event(at: float = 1.0, kind: EventKind = EventKind.RUN_FAILED, run: str = "r1", **about: str) -> Event:
    """Something that happened."""
    return Event(kind, at, {"run": {"id": run}}, about, run)


class WebhooksContract:
    """The suite for records of webhooks, with the names of an owner who is alive, and of one who is dead."""

    alive = "alive"
    dead = "dead"

    def make(self, clock: HandClock) -> WebhookRecords:
        """Empty records."""
        raise NotImplementedError

    def test_a_webhook_is_kept_as_it_is_and_found_whatever_the_case_of_its_name(self) -> None:
        records = self.make(HandClock())
        rich = webhook(
            "w2", "Ops", events=(EventKind.RUN_FAILED,), limits={OF_EXPERIMENT: "e"}, names={OF_EXPERIMENT: "e"},
            state=WebhookState.DISABLED, secret_version=3, trouble="t", created_at=1.5, created_by="anna",
            updated_at=2.5,
        )  # fmt: skip
        records.add(rich)
        records.add(webhook("w1", "other"))
        assert records.get("oPS") == records.get("w2") == rich
        assert [item.name for item in records.list()] == ["Ops", "other"]
        with pytest.raises(NotFoundError):
            records.get("nothing")

    def test_a_name_that_is_taken_is_a_conflict_until_its_webhook_is_deleted(self) -> None:
        records = self.make(HandClock())
        records.add(webhook("w1", "ops"))
        with pytest.raises(ConflictError):
            records.add(webhook("w2", "OPS"))
        assert records.change(webhook("w1", "ops", state=WebhookState.DELETED))
        records.add(webhook("w2", "OPS"))
        assert records.get("ops").id == "w2"
        assert records.get("w1").state is WebhookState.DELETED
        assert not records.change(webhook("w1", "ops", state=WebhookState.ACTIVE))

    def test_what_may_be_updated_is_kept_and_what_is_pending_goes_to_the_new_address(self) -> None:
        records = self.make(HandClock(10.0))
        records.add(webhook("w1", state=WebhookState.ACTIVE))
        records.tell(event(10.0))
        (claimed,) = records.claim(self.alive, MANY, {})
        changed = webhook(
            "w1", url="https://other.example/", events=(EventKind.RUN_SUBMITTED,), limits={OF_EXPERIMENT: "e"},
            names={OF_EXPERIMENT: "e"}, secret_version=5, previous_until=99.5, updated_at=12.0,
        )  # fmt: skip
        assert records.update(replace(changed, state=WebhookState.DISABLED, trouble="t"))
        assert records.get("w1") == changed
        assert [item.url for item in records.deliveries("w1", MANY)] == ["https://other.example/"]
        assert records.settle(self.alive, settled(claimed, Answer(500), 11.0, 0.5))
        assert [item.url for item in records.deliveries("w1", MANY)] == ["https://other.example/"]
        records.change(replace(changed, state=WebhookState.DELETED))
        assert not records.update(changed)

    def test_a_message_that_has_ended_is_sent_once_more(self) -> None:
        clock = HandClock(10.0)
        records = self.make(clock)
        records.add(webhook("w1"))
        records.tell(event(10.0))
        (claimed,) = records.claim(self.alive, MANY, {})
        assert not records.repeat(replace(claimed, next_at=20.0))
        done = settled(claimed, Answer(200), 11.0, 0.5)
        assert records.settle(self.alive, done)
        again = sent_again(done, "https://other.example/", 20.0)
        assert records.repeat(again)
        assert not records.repeat(again)
        assert replace(records.delivery(claimed.id), tried_at=None) == replace(again, tried_at=None)
        assert not records.claim(self.alive, MANY, {})
        clock.turn(10.0)
        assert [item.id for item in records.claim(self.alive, MANY, {})] == [claimed.id]

    def test_hosts_are_kept_once_at_each_port(self) -> None:
        records = self.make(HandClock())
        first, second = AllowedHost("b.example", 0, 1.0, "anna"), AllowedHost("a.example", 8443, 2.0, "bert")
        for host in (first, second, replace(first, added_at=9.0)):
            records.allow(host)
        assert list(records.allowed()) == [second, first]
        assert records.disallow(AllowedHost("b.example"))
        assert not records.disallow(AllowedHost("b.example"))
        assert list(records.allowed()) == [second]

    def test_an_event_is_told_to_those_who_hear_of_it(self) -> None:
        records = self.make(HandClock())
        records.add(webhook("w1"))
        records.add(webhook("w2", limits={OF_ENDPOINT: "e1"}))
        records.add(webhook("w3", events=(EventKind.RUN_COMPLETED,)))
        records.add(webhook("w4", state=WebhookState.DISABLED))
        assert records.tell(event(5.0)) == 1
        assert records.tell(event(6.0, endpoint="e1")) == 2
        (told,) = records.deliveries("w2", MANY)
        assert (told.webhook, told.url, told.event, told.run) == ("w2", "https://w2.example/x", "run.failed", "r1")
        assert (told.state, told.tries, told.created_at, told.next_at) == (DeliveryState.PENDING, 0, 6.0, 6.0)
        assert json.loads(told.body)["data"] == {"run": {"id": "r1"}}
        assert [item.created_at for item in records.deliveries("w1", MANY)] == [6.0, 5.0]
        assert [item.created_at for item in records.deliveries("w1", 1)] == [6.0]
        assert records.delivery(told.id) == told
        assert not records.deliveries("w3", MANY)
        with pytest.raises(NotFoundError):
            records.delivery("msg_nothing")

    def test_a_message_is_claimed_once_until_it_is_settled_or_its_owner_is_dead(self) -> None:
        clock = HandClock(10.0)
        records = self.make(clock)
        records.add(webhook("w1"))
        records.tell(event(10.0))
        (claimed,) = records.claim(self.dead, MANY, {})
        assert not records.settle(self.alive, settled(claimed, Answer(200), 11.0, 0.5))
        (again,) = records.claim(self.alive, MANY, {})
        assert again == claimed
        assert not records.claim(self.alive, MANY, {})
        assert not records.claim("other", MANY, {})
        assert not records.settle(self.dead, settled(claimed, Answer(200), 11.0, 0.5))
        done = settled(claimed, Answer(204, "fine"), 11.0, 0.5)
        assert records.settle(self.alive, done)
        assert records.delivery(claimed.id) == done
        assert not records.claim("other", MANY, {})

    def test_what_did_not_arrive_is_due_again_later(self) -> None:
        clock = HandClock(10.0)
        records = self.make(clock)
        records.add(webhook("w1"))
        records.tell(event(10.0))
        (claimed,) = records.claim(self.alive, MANY, {})
        failed = settled(claimed, Answer(500, "no"), 10.0, 0.5)
        assert records.settle(self.alive, failed)
        assert not records.claim(self.alive, MANY, {})
        clock.turn(failed.next_at - 10.0)
        assert list(records.claim(self.alive, MANY, {})) == [failed]

    def test_so_many_are_claimed_as_are_asked_for_and_few_to_one_address(self) -> None:
        records = self.make(HandClock(MANY))
        for name in ("w1", "w2", "w3"):
            records.add(webhook(name))
        for at in range(20):
            records.tell(event(float(at)))
        assert not records.claim(self.alive, 0, {})
        assert len(records.claim(self.alive, 1, {})) == 1
        found = records.claim(self.alive, MANY, {"https://w2.example/x": 2})
        counts = [sum(item.webhook == name for item in found) for name in ("w1", "w2", "w3")]
        assert counts == [2, 0, 2]
        assert [item.next_at for item in found] == sorted(item.next_at for item in found)

    def test_a_slow_address_with_many_messages_does_not_hide_others(self) -> None:
        records = self.make(HandClock(1000.0))
        records.add(webhook("w1", events=(EventKind.RUN_FAILED,)))
        records.add(webhook("w2", events=(EventKind.RUN_COMPLETED,)))
        for at in range(300):
            records.tell(event(float(at)))
        records.tell(event(900.0, EventKind.RUN_COMPLETED))
        assert [item.webhook for item in records.claim(self.alive, MANY, {"https://w1.example/x": 2})] == ["w2"]

    def test_what_is_pending_is_void_where_that_is_asked_for_and_what_came_of_it_no_longer_counts(self) -> None:
        clock = HandClock(10.0)
        records = self.make(clock)
        records.add(webhook("w1"))
        records.tell(event(10.0))
        (claimed,) = records.claim(self.alive, MANY, {})
        assert records.change(webhook("w1", state=WebhookState.DISABLED, secret_version=7, updated_at=3.0), "disabled")
        assert records.get("w1").secret_version == 7
        assert not records.settle(self.alive, settled(claimed, Answer(200), 11.0, 0.5))
        (voided,) = records.deliveries("w1", MANY)
        assert (voided.state, voided.answer, voided.ended_at) == (DeliveryState.VOIDED, "disabled", 10.0)
        assert records.tell(event(11.0)) == 0

    def test_what_ended_long_ago_is_forgotten(self) -> None:
        clock = HandClock(10.0)
        records = self.make(clock)
        records.add(webhook("w1"))
        old = Delivery("msg_a", "w1", "https://x.example/", EventKind.TEST, "{}", 1.0, state=DeliveryState.FAILED)
        records.note(replace(old, ended_at=5.0))
        records.note(replace(old, id="msg_b", ended_at=7.0))
        records.tell(event(1.0))
        assert records.sweep(6.0) == 1
        assert sorted(item.state for item in records.deliveries("w1", MANY)) == ["Failed", "Pending"]

    def test_a_message_that_waits_is_not_sent(self) -> None:
        records = self.make(HandClock(10.0))
        waiting = Delivery(
            "msg_a", "", "https://x.example/", EventKind.RUN_ENDED, "", 1.0, "r1", state=DeliveryState.WAITING
        )
        records.wait(waiting)
        assert not records.claim(self.alive, MANY, {})
        assert list(records.deliveries("", MANY)) == [waiting]
