"""Webhooks of a workspace: what may be made, by whom, and what is kept of their secrets."""

import json

import pytest

from pipelinekit.domain.audit import Origin
from pipelinekit.domain.secrets import Sealed
from pipelinekit.domain.webhooks import Answer, DeliveryState, EventKind, WebhookState, signed_headers
from pipelinekit.engine.delivering import settled
from pipelinekit.errors import ConflictError, NotFoundError, StorageError, UsageError
from pipelinekit.storage.sealing import KeyFile
from pipelinekit.testing.audit import MemoryAudit
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.contracts.webhooks import event
from pipelinekit.testing.secrets import MemoryKeys, MemorySecrets
from pipelinekit.testing.webhooks import MemoryPoster, MemoryWebhooks
from pipelinekit.workspace.audit import AuditLog
from pipelinekit.workspace.secrets import SecretCollection
from pipelinekit.workspace.webhooks import WebhookCollection, WebhookStores, webhook_faults

URL = "https://hooks.example/T0/secret-path"
ANNA = Origin("anna")


class Site:
    """Webhooks over twins."""

    def __init__(self):
        self.clock = HandClock(1000.0)
        self.records = MemoryWebhooks(self.clock)
        self.secrets, self.keys = MemorySecrets(self.clock), MemoryKeys()
        self.audit = MemoryAudit(self.clock)
        self.answer = Answer(204)
        self.poster = MemoryPoster(lambda *_: self.answer)
        self.count = 0
        ids = {"score": "e1", "nightly": "s1"}
        stores = WebhookStores(
            self.records, self.secrets, self.keys, AuditLog(self.audit), MemoryBatch, self.clock, self.entropy,
            self.poster, ids.__getitem__, ids.__getitem__,
        )  # fmt: skip
        self.webhooks = WebhookCollection(stores)

    def entropy(self, size):
        self.count += 1
        return self.count.to_bytes(size)

    def told(self):
        return [(row.event.action, row.event.object) for row in self.audit.rows]


class MemoryBatch:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


@pytest.fixture
def site():
    return Site()


def test_a_webhook_hears_how_runs_end_unless_it_is_told_otherwise(site):
    made = site.webhooks.create("ops", URL, by=ANNA)
    assert made.webhook == site.webhooks.get("OPS") == site.webhooks.list()[0]
    assert made.webhook.events == (EventKind.RUN_COMPLETED, EventKind.RUN_FAILED, EventKind.RUN_CANCELED)
    assert made.webhook.created_by == "anna"
    assert made.secret.startswith("whsec_")
    assert site.records.tell(event(kind=EventKind.REGISTERED)) == 0
    assert site.records.tell(event()) == 1


def test_it_is_limited_by_ids_and_says_names(site):
    made = site.webhooks.create("ops", URL, on=["run.failed"], endpoint="score", schedule="nightly", experiment="e")
    assert made.webhook.limits == {"endpoint": "e1", "schedule": "s1", "experiment": "e"}
    assert made.webhook.names == {"endpoint": "score", "schedule": "nightly", "experiment": "e"}
    assert site.records.tell(event(endpoint="e1", schedule="s1", experiment="f")) == 0
    assert site.records.tell(event(endpoint="e1", schedule="s1", experiment="e")) == 1


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("", URL), {}), (("a/b", URL), {}), (("ops", "http://hooks.example/"), {}), (("ops", "https://10.0.0.1/"), {}),
        (("ops", URL), {"on": ["run.exploded"]}), (("ops", URL), {"experiment": "../x"}),
        (("ops", URL), {"anywhere": False}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_leaves_nothing(site, words, options):
    with pytest.raises(UsageError):
        site.webhooks.create(*words, **options)
    assert not site.webhooks.list()
    assert site.told() == []


def test_a_host_that_was_allowed_is_there_for_everybody(site):
    site.webhooks.allow("10.0.0.1:8080", by=ANNA)
    site.webhooks.create("ops", "http://10.0.0.1:8080/", anywhere=False)
    site.webhooks.disallow("10.0.0.1:8080")
    with pytest.raises(UsageError):
        site.webhooks.create("more", "http://10.0.0.1:8080/")
    with pytest.raises(NotFoundError):
        site.webhooks.disallow("10.0.0.1:8080")
    _, answer = site.webhooks.test("ops")
    assert (answer.refused, site.poster.sent) == (True, [])


def test_a_name_is_taken_once(site):
    site.webhooks.create("ops", URL)
    with pytest.raises(ConflictError):
        site.webhooks.create("Ops", URL)
    site.webhooks.delete("ops")
    site.webhooks.create("Ops", URL)


def test_its_secret_lies_among_the_secrets_and_is_nobody_elses(site):
    secrets = SecretCollection(site.secrets, site.keys)
    secrets.set("PASSWORD", "correct horse")
    made = site.webhooks.create("ops", URL)
    assert secrets.names() == ["PASSWORD"]
    assert secrets.rotate_key() == (2, 0)
    site.webhooks.test("ops")
    with pytest.raises(UsageError):
        secrets.delete(f"webhook/{made.webhook.id}")
    assert made.secret not in "".join(item.text for item in site.secrets.sealed().values())


def test_a_rotated_secret_signs_from_then_on(site):
    first = site.webhooks.create("ops", URL)
    delivery, _ = site.webhooks.test("ops")
    second = site.webhooks.rotate_secret("ops")
    assert site.webhooks.get("ops").secret_version == second.webhook.secret_version == 2
    assert site.webhooks.secrets_of(delivery) == [second.secret, first.secret]
    assert site.webhooks.get("ops").previous_until == 1000.0 + 86400
    (*_, (_, headers, body)) = (site.webhooks.test("ops"), *site.poster.sent)
    signed = [signed_headers([key], headers["webhook-id"], 1000, body) for key in (second.secret, first.secret)]
    assert headers["webhook-signature"].split(" ") == [item["webhook-signature"] for item in signed]
    site.clock.turn(86400)
    assert site.webhooks.secrets_of(delivery) == [second.secret]
    third = site.webhooks.rotate_secret("ops")
    assert site.webhooks.secrets_of(delivery) == [third.secret, second.secret]
    last = site.webhooks.rotate_secret("ops", at_once=True)
    assert site.webhooks.secrets_of(delivery) == [last.secret]
    assert [*site.secrets.sealed()] == [f"webhook/{first.webhook.id}"]


def test_what_is_changed_of_a_webhook_counts_from_then_on(site):
    made = site.webhooks.create("ops", URL, on=["run.failed"], endpoint="score", experiment="e")
    site.records.tell(event(1000.0, endpoint="e1", experiment="e"))
    changed = site.webhooks.update("ops", url="https://other.example/", endpoint="", schedule="nightly", by=ANNA)
    assert (changed.url, changed.events, changed.secret_version) == ("https://other.example/", made.webhook.events, 1)
    assert changed.limits == {"experiment": "e", "schedule": "s1"}
    assert changed.names == {"experiment": "e", "schedule": "nightly"}
    assert site.webhooks.get("ops") == changed
    assert [item.url for item in site.webhooks.deliveries("ops")] == ["https://other.example/"]
    assert site.records.tell(event(1001.0, endpoint="e1", experiment="e")) == 0
    assert site.webhooks.update("ops", on=["run.submitted"], schedule="").events == (EventKind.RUN_SUBMITTED,)
    assert site.records.tell(event(1002.0, EventKind.RUN_SUBMITTED, experiment="e")) == 1
    for wrong in ({"url": "ftp://x.example/"}, {"on": ["nothing"]}, {"experiment": "../x"}):
        with pytest.raises(UsageError):
            site.webhooks.update("ops", **wrong)
    with pytest.raises(UsageError):
        site.webhooks.update("ops", url=URL, anywhere=False)
    assert site.told() == [("webhooks.create", "ops https://hooks.example"), *[("webhooks.update", "ops")] * 2]


def test_a_message_that_has_ended_is_sent_once_more_under_its_id(site):
    site.webhooks.create("ops", URL)
    site.records.tell(event(1000.0))
    (told,) = site.webhooks.deliveries("ops")
    with pytest.raises(ConflictError, match="still to be sent"):
        site.webhooks.redeliver(told.id)
    (claimed,) = site.records.claim("me", 1, {})
    site.records.settle("me", settled(claimed, Answer(410, "gone"), 1000.0, 0.5))
    site.webhooks.update("ops", url="https://other.example/")
    again = site.webhooks.redeliver(told.id, by=ANNA)
    assert (again.id, again.body, again.state, again.tries) == (told.id, told.body, DeliveryState.PENDING, 0)
    assert (again.url, again.status, again.answer, again.ended_at) == ("https://other.example/", 0, "", None)
    assert site.records.claim("me", 1, {}) == [again]
    assert site.told()[-1] == ("webhooks.redeliver", f"ops {told.id}")
    site.webhooks.disable("ops")
    with pytest.raises(ConflictError, match="is disabled"):
        site.webhooks.redeliver(told.id)
    with pytest.raises(NotFoundError):
        site.webhooks.redeliver("msg_nothing")


def test_a_deleted_webhook_leaves_no_secret_and_sends_nothing_more(site):
    made = site.webhooks.create("ops", URL)
    site.records.tell(event(1000.0))
    site.webhooks.delete("ops")
    assert not site.secrets.sealed()
    assert not site.webhooks.list()
    (left,) = site.webhooks.deliveries(made.webhook.id)
    assert (left.state, left.answer) == (DeliveryState.VOIDED, "the webhook was deleted")
    with pytest.raises(StorageError):
        site.webhooks.secrets_of(left)
    for act in (site.webhooks.enable, site.webhooks.delete, site.webhooks.rotate_secret, site.webhooks.update):
        with pytest.raises(NotFoundError):
            act(made.webhook.id)


def test_a_disabled_one_is_told_nothing_until_it_is_enabled(site):
    site.webhooks.create("ops", URL)
    site.records.tell(event(1000.0))
    assert site.webhooks.disable("ops").state is WebhookState.DISABLED
    assert site.records.tell(event(1001.0)) == 0
    assert [item.state for item in site.webhooks.deliveries("ops")] == ["Voided"]
    assert site.webhooks.enable("ops").state is WebhookState.ACTIVE
    assert site.records.tell(event(1002.0)) == 1


def test_a_test_says_how_it_was_answered_and_is_not_tried_again(site):
    site.webhooks.create("ops", URL)
    site.answer = Answer(500, "no", seconds=0.25)
    done, answer = site.webhooks.test("ops", by=ANNA)
    assert answer == site.answer
    assert (done.state, done.tries, done.status, done.answer) == (DeliveryState.FAILED, 1, 500, "no")
    assert list(site.webhooks.deliveries("ops")) == [done]
    ((place, headers, body),) = site.poster.sent
    assert (place.url, headers["webhook-id"], json.loads(body)["type"]) == (URL, done.id, "webhook.test")


def test_call_backs_have_secrets_of_their_own(site):
    place = site.webhooks.check_callback(URL, anywhere=True)
    one, other = (site.webhooks.call_back(run, place) for run in ("r1", "r2"))
    assert one != other
    first, second = reversed(site.webhooks.deliveries())
    assert [site.webhooks.secrets_of(item) for item in (first, second)] == [[one], [other]]
    assert (first.run, first.state, first.webhook) == ("r1", DeliveryState.WAITING, "")
    assert site.webhooks.callback_secret("r1") == one
    with pytest.raises(UsageError):
        site.webhooks.check_callback(URL, anywhere=False)


def test_who_does_something_is_in_the_audit_log_and_no_path_of_an_address(site):
    site.webhooks.allow("10.0.0.1", by=ANNA)
    site.webhooks.create("ops", URL, by=ANNA)
    for act in (site.webhooks.test, site.webhooks.disable, site.webhooks.enable, site.webhooks.rotate_secret):
        act("ops", by=ANNA)
    site.webhooks.delete("ops", by=ANNA)
    site.webhooks.disallow("10.0.0.1", by=ANNA)
    assert [action.removeprefix("webhooks.") for action, _ in site.told()] == [
        "allow", "create", "test", "disable", "enable", "rotate-secret", "delete", "disallow"
    ]  # fmt: skip
    assert {row.event.origin.actor for row in site.audit.rows} == {"anna"}
    assert "secret-path" not in str(site.told())


def test_a_call_back_that_was_not_heard_of_is_a_fault(site):
    site.webhooks.create("ops", URL)
    site.records.tell(event())
    site.webhooks.call_back("r1", site.webhooks.check_callback(URL, anywhere=True))
    assert webhook_faults(site.records) == []
    site.records.ended.add("r1")
    ((rule, words),) = [(item.rule, item.message) for item in webhook_faults(site.records)]
    assert (rule, "r1" in words) == ("I14", True)


def test_a_lost_key_is_told_and_got_over(site):
    """What was sealed with it is gone; webhooks are made anew, and call-backs have another secret by themselves."""
    made = site.webhooks.create("ops", URL)
    place = site.webhooks.check_callback(URL, anywhere=True)
    before = site.webhooks.call_back("r1", place)
    site.keys.lose()
    for act in (site.webhooks.rotate_secret, site.webhooks.test):
        with pytest.raises(StorageError):
            act("ops")
    site.webhooks.delete("ops")
    assert site.webhooks.create("ops", URL).secret != made.secret
    assert site.webhooks.call_back("r2", place) == site.webhooks.callback_secret("r2") != before
    assert SecretCollection(site.secrets, site.keys).set("PASSWORD", "correct horse").version == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("A", "secrets delete A"), ("webhook/1", "webhooks delete"), ("webhook/callbacks", "the next call")],
)
def test_a_key_that_is_not_the_right_one_says_how_a_secret_is_had_again(tmp_path, name, words):
    sealed = []
    for number in (1, 2):
        keys = KeyFile(tmp_path / f"{number}.key")
        keys.make()
        sealed.append(Sealed(1, keys.seal(name, 1, "value")))
    with pytest.raises(StorageError) as error:
        keys.open(name, sealed[0])
    assert words in error.value.hint


def test_no_webhook_is_named_as_call_backs_are(site):
    with pytest.raises(UsageError):
        site.webhooks.create("Callbacks", URL)
