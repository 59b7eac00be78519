"""Webhooks: signatures as others verify them, and what is asked for."""

import base64
import hashlib
import hmac

import pytest

from pipelinekit.domain.webhooks import (
    CHOICES,
    EventKind,
    NewWebhook,
    Webhook,
    read_events,
    run_secret,
    secret_text,
    signed_headers,
)
from pipelinekit.errors import UsageError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_message_is_signed_as_the_specification_of_standard_webhooks_shows_it():
    headers = signed_headers([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_is_its_bytes_behind_a_prefix():
    entropy = bytes(range(32))
    text = secret_text(entropy)
    assert text.startswith("whsec_")
    signed = signed_headers([text], "i", 5, b"body")["webhook-signature"].removeprefix("v1,")
    assert base64.b64decode(signed) == hmac.digest(entropy, b"i.5.body", hashlib.sha256)


@pytest.mark.parametrize("secret", ["", "whsec_", "MfKQ", "whsec_a", "whsec_ä", "whsec_MfKQ\n"])
def test_what_is_no_secret_signs_nothing_and_is_not_told(secret):
    with pytest.raises(UsageError) as error:
        signed_headers([secret], "i", 1, b"")
    assert "MfKQ" not in str(error.value)


def test_each_run_has_a_secret_of_its_own():
    assert run_secret(SECRET, "r1") == run_secret(SECRET, "r1")
    assert len({run_secret(SECRET, "r1"), run_secret(SECRET, "r2"), SECRET}) == 3


def test_a_new_secret_is_in_no_repr():
    assert SECRET not in repr(NewWebhook(Webhook("i", "n", "https://h/", ()), SECRET))


def test_events_are_those_that_are_named_or_else_how_runs_end():
    assert [str(kind) for kind in read_events(())] == ["run.completed", "run.failed", "run.canceled"]
    assert read_events(["dataset.registered", "run.failed"]) == (EventKind.RUN_FAILED, EventKind.REGISTERED)
    assert read_events(CHOICES) == CHOICES
    for odd in ("webhook.test", "run.ended", "run.*", ""):
        with pytest.raises(UsageError, match="there is no event") as error:
            read_events(["run.failed", odd])
        assert "run.completed" in error.value.hint
