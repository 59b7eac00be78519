"""Lines of logs tell no credential, and give a terminal no orders."""

import json

import pytest

from pipelinekit.domain.tokens import make_text
from pipelinekit.engine.redaction import LONGEST, Redaction

TOKEN = make_text(bytes(range(40))).text
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        (f"token {TOKEN} was refused", TOKEN.split("_")[2]),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("{'authorization': 'Basic YW5uYTpwYXNz'}", "YW5uYTpwYXNz"),
        ("Proxy-Authorization=Digest 0123456789", "0123456789"),
        ("cookie: session=1234567", "1234567"),
        ("sent bearer 0123456789abcdef", "0123456789abcdef"),
        (f"id token {JWT}", "eyJzdWIi"),
        ("postgresql://anna:geheim@db.example/records", "geheim"),
        ("https://ghp_0123@git.example/x and s3://KEY:SECRET@bucket", "SECRET"),
        ("opened with hunter2-hunter2", "hunter2"),
        ("opened with aHVudGVyMi1odW50ZXIy", "aHVudGVy"),
    ],
)
def test_credentials_are_hidden_in_whatever_shape(said, hidden):
    redaction = Redaction()
    redaction.register({"password": "hunter2-hunter2"})
    assert hidden in said
    cleaned = redaction.clean(said)
    assert hidden not in cleaned
    assert "***" in cleaned


def test_what_is_no_credential_stays():
    said = "run 1m8d57q4mntysm Completed at https://host:8470/api/v1/runs?limit=1, mail anna@example.org, 12 ms – ok"
    assert Redaction().clean(said) == said


@pytest.mark.parametrize(
    "said", ["one\ntwo", "one\r\x1b[2Jtwo", "\x1b]8;;http://evil\x07here", "\x9b31m", "a\u2028b", "ab\u202edc", "\0"]
)
def test_a_line_stays_one_line_that_no_terminal_obeys(said):
    cleaned = Redaction().clean(said)
    assert cleaned.isprintable()
    assert len(cleaned.splitlines()) == 1
    assert json.loads(json.dumps(cleaned)) == cleaned


def test_a_text_is_not_longer_than_a_line_may_be():
    assert len(Redaction().clean("x" * (2 * LONGEST))) == LONGEST
