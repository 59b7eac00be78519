"""Access tokens: their text, who may do what, and what a token may be."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.tokens import (
    ENTROPY_BYTES,
    EXPIRY_SECONDS,
    TOKEN_PATTERN,
    Kind,
    NewToken,
    Permission,
    Principal,
    Role,
    TokenText,
    make_text,
    masked,
    new_token,
    read_text,
)
from pipelinekit.errors import ForbiddenError, UsageError

ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. é"
TEXT = make_text(bytes(range(ENTROPY_BYTES)))


def test_the_form_of_a_token_stays():
    """What was given out must be known for as long as it lasts."""
    assert TEXT.text == "pk_000g40r40m30_1u8QmlquE1rQpeqoulx6MZVGVGgufeog3UsDEHmrG2p_4OZzm0"
    assert TEXT.digest == "sha256:" + hashlib.sha256(b"1u8QmlquE1rQpeqoulx6MZVGVGgufeog3UsDEHmrG2p").hexdigest()
    assert read_text(TEXT.text) == TEXT


@given(ENTROPY)
def test_a_token_is_read_as_it_was_made(entropy):
    made = make_text(entropy)
    assert read_text(made.text) == made
    assert re.fullmatch(r"pk_\w{12}_\w{43}_\w{6}", made.text)


@given(ENTROPY, ENTROPY)
def test_other_entropy_is_another_secret(one, other):
    assert (make_text(one).secret == make_text(other).secret) == (one[8:] == other[8:])


@given(ENTROPY, st.data())
def test_a_slip_of_the_pen_is_noticed(entropy, data):
    text = make_text(entropy).text
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(LETTERS))
    if letter != text[place]:
        assert read_text(text[:place] + letter + text[place + 1 :]) is None
    assert read_text(text[:place] + text[place + 1 :]) is None
    swapped = text[:place] + text[place : place + 2][::-1] + text[place + 2 :]
    if swapped != text:
        assert read_text(swapped) is None


@pytest.mark.parametrize(
    "text", ["", "pk_", "pk___", TEXT.text + "\n", " " + TEXT.text, TEXT.text.upper(), "x" * 10**6, "é"]
)
def test_what_is_no_token_is_none(text):
    assert read_text(text) is None


def test_a_token_takes_exactly_so_much_entropy():
    for size in (0, ENTROPY_BYTES - 1, ENTROPY_BYTES + 1):
        with pytest.raises(ValueError, match="random bytes"):
            make_text(bytes(size))


def test_a_secret_shows_in_no_repr_and_is_masked_in_texts():
    token = made("a")
    for item in (TEXT, NewToken(token, TEXT.text), token):
        assert TEXT.secret not in repr(item)
    said = masked(f"Authorization: Bearer {TEXT.text}, twice: {TEXT.text}")
    assert said == f"Authorization: Bearer pk_{TEXT.id}_***, twice: pk_{TEXT.id}_***"
    assert not re.search(TOKEN_PATTERN, said)


# -- who may do what ---------------------------------------------------------------------------------------------------

ALLOWED = {
    Role.READER: {"view", "download"},
    Role.CONTRIBUTOR: {"view", "download", "call", "submit", "publish"},
    Role.OWNER: {"view", "download", "call", "submit", "publish", "deploy", "administer"},
}


def principal(role=Role.READER, kind=Kind.USER, endpoint=""):
    return Principal("anna", role, kind, endpoint, "id1")


@pytest.mark.parametrize("kind", [Kind.USER, Kind.SERVICE, Kind.BOOTSTRAP])
@pytest.mark.parametrize("role", Role)
def test_a_role_permits_what_the_table_says(role, kind):
    found = principal(role, kind)
    assert {item.value for item in Permission if found.permits(item)} == ALLOWED[role]
    assert {item.value for item in Permission if found.permits(item, "nightly")} == ALLOWED[role]


@pytest.mark.parametrize("role", Role)
def test_a_trigger_calls_its_endpoint_and_nothing_else_whatever_role_is_written_beside_it(role):
    found = principal(role, Kind.TRIGGER, "nightly")
    assert [item.value for item in Permission if found.permits(item, "nightly")] == ["call"]
    for endpoint in ("", "Nightly", "nightly ", "other"):
        assert not any(found.permits(item, endpoint) for item in Permission)
    assert not any(principal(role, Kind.TRIGGER).permits(item) for item in Permission)


def test_what_is_not_permitted_is_told():
    principal(Role.OWNER).check(Permission.ADMINISTER)
    with pytest.raises(ForbiddenError, match="token 'anna' is a reader's, and may not submit") as error:
        principal().check(Permission.SUBMIT)
    assert "role contributor" in error.value.hint
    with pytest.raises(ForbiddenError, match="is a trigger, and may not call of pipeline endpoint 'other'") as error:
        principal(kind=Kind.TRIGGER, endpoint="nightly").check(Permission.CALL, "other")
    assert "'nightly' and nothing else" in error.value.hint


# -- what a token may be -----------------------------------------------------------------------------------------------


def made(name, role=None, kind="user", endpoint="", expires=EXPIRY_SECONDS):
    return new_token(TEXT, name, role=role, kind=kind, endpoint=endpoint, expires=expires, now=100.0, by="me")


def test_a_token_lasts_as_long_as_it_says():
    token = made("a", "owner", "service", expires="2h")
    assert (token.role, token.kind, token.expires_at) == (Role.OWNER, Kind.SERVICE, 7300.0)
    assert (token.standing(7299.9), token.standing(7300.0)) == ("live", "expired")
    assert (token.is_live(7299.9), token.is_live(7300.0)) == (True, False)
    assert made("a").expires_at == 100.0 + 90 * 86400


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "token name"),
        ({"name": "a\nb"}, "token name"),
        ({"role": "root"}, "no role 'root'"),
        ({"kind": "robot"}, "no kind 'robot'"),
        ({"kind": "trigger"}, "needs the pipeline endpoint"),
        ({"kind": "trigger", "endpoint": "e", "role": "owner"}, "a trigger has no role"),
        ({"kind": "trigger", "endpoint": "a/b"}, "pipeline endpoint name 'a/b'"),
        ({"endpoint": "e"}, "is for no endpoint"),
        ({"expires": 0}, "would expire"),
        ({"expires": -1.0}, "would expire"),
        ({"expires": "4000d"}, "would expire"),
        ({"expires": float("nan")}, "would expire"),
        ({"expires": "never"}, "not a duration"),
        ({"kind": "trigger", "role": "owner", "expires": 0}, "needs.*has no role.*would expire"),
    ],
)
def test_what_no_token_may_be_is_told(given, words):
    with pytest.raises(UsageError, match=words):
        made(**{"name": "a", **given})


def test_text_is_a_value():
    assert TokenText("a", "b") == TokenText("a", "b") != TokenText("a", "c")
