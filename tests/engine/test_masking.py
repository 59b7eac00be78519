"""Masking: no value is seen in any form, however a text is broken, and nothing else is touched."""

import base64
import html
import json
import textwrap
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelinekit.engine.masking import MASK, Masks, StreamMask, forms_of

VALUE = "s3cr&t/ü'\"<+ %\\=é"
LETTERS = st.sampled_from("abAB\n\r/+=\"' ü")
VALUES = st.text(LETTERS, min_size=4, max_size=9).filter(lambda text: len(text.strip()) >= 4)


def in_pieces(masks, pieces):
    stream = StreamMask(masks)
    return "".join([*map(stream.feed, pieces), stream.end()])


def squeezed(text):
    return text.replace("\r", "").replace("\n", "")


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        base64.b64encode(VALUE.encode()).decode(),
        base64.b64encode(VALUE.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
        urllib.parse.quote(VALUE),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        urllib.parse.quote(VALUE, safe="").lower(),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        json.dumps(VALUE)[1:-1].replace("/", "\\/"),
        repr(VALUE)[1:-1],
        repr(VALUE.encode())[2:-1],
        html.escape(VALUE),
        VALUE.encode().hex(),
        VALUE.encode().hex().upper(),
    ],
)
def test_every_usual_form_is_masked(form):
    assert Masks({"A": VALUE}).mask(f"before {form} after") == f"before {MASK} after"


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_what_is_seen_of_a_value_in_the_base64_of_something_longer_is_masked(before):
    value = "correct-horse-battery"
    encoded = base64.b64encode(f"{before}{value}@host".encode()).decode()
    masked = Masks({"A": value}).mask(encoded)
    assert MASK in masked
    left = masked.replace(MASK, "")
    assert len(left) <= len(base64.b64encode(f"{before}@host".encode()).decode()) + 2


def test_line_breaks_do_not_hide_a_value():
    value = "a long value that does not fit into a line of seventy-six characters of base64, as in mails"
    broken = base64.encodebytes(value.encode()).decode()
    assert broken.count("\n") > 1
    assert Masks({"A": value}).mask(f"<{broken}>") == f"<{MASK}\n>"
    assert Masks({"A": value}).mask("\r\n".join(textwrap.wrap(value, 20, drop_whitespace=False))) == MASK


def test_each_line_of_a_value_of_several_lines_is_masked_by_itself():
    masks = Masks({"KEY": "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n-----END KEY-----\n"})
    assert masks.mask("INFO MIIEpAIBAAKCAQEA is a line") == f"INFO {MASK} is a line"
    assert masks.mask("-----BEGIN KEY-----\r\nMIIEpAIBAAKCAQEA\r\n-----END KEY-----") == MASK


def test_several_values_and_those_that_overlap():
    masks = Masks({"A": "abcdef", "B": "defghi", "C": "0000"})
    assert masks.mask("xabcdefghix 00000 y") == f"x{MASK}x {MASK} y"


def test_values_that_come_later_are_masked_too_and_those_before_stay_masked():
    masks = Masks({"A": "first-value"})
    stream = StreamMask(masks)
    told = stream.feed("first-value second-value ")
    masks.add({"A": "second-value"})
    assert told + stream.feed("first-value second-value ") + stream.end() == f"{MASK} second-value {MASK} {MASK} "


def test_text_without_a_value_is_told_at_once():
    stream = StreamMask(Masks({"A": "hunter2"}))
    assert stream.feed("nothing of it\n") == "nothing of it\n"
    assert stream.feed("perhaps hunt") == "perhaps "
    assert stream.feed("ing\n") == "hunting\n"


def test_what_is_held_back_stays_bounded():
    stream = StreamMask(Masks({"A": "aaaaaaaa"}))
    assert "".join(stream.feed("a" * 100) for _ in range(100)) + stream.end() == MASK
    assert len(stream._held) < 100


@given(st.lists(VALUES, min_size=1, max_size=3), st.lists(st.text(LETTERS, max_size=12), max_size=8), st.data())
@example(["t-secret", "tok-value"], ["is t-secret", "\n", "and ", "tok-", "value"], None)
def test_pieces_are_masked_as_the_whole_is(values, pieces, data):
    masks = Masks(dict(zip("ABC", values, strict=False)))
    if data is not None:
        pieces = [piece for text in pieces for piece in (text, data.draw(st.sampled_from(["", *values])))]
    whole = masks.mask("".join(pieces))
    assert in_pieces(masks, pieces) == whole
    assert in_pieces(masks, "".join(pieces)) == whole
    parts = squeezed(whole).split(MASK)
    assert not [form for form in masks.forms for part in parts if form in part]


@given(st.text(), VALUES)
def test_a_text_without_a_form_is_left_as_it_is(text, value):
    masks = Masks({"A": value})
    if not any(form in squeezed(text) for form in masks.forms):
        assert masks.mask(text) == text


@given(st.text(min_size=4).filter(lambda text: len("".join(text.strip().splitlines())) >= 4))
def test_any_value_is_masked(value):
    assert value.strip() not in Masks({"A": value}).mask(f"<{value}>") or value.strip() in f"<{MASK}>"


def test_short_values_are_told_only_by_the_very_text():
    masks = Masks({"PIN": "2024", "PASSWORD": "correct-horse"})
    assert masks.told_by("2024") == "PIN"
    assert masks.told_by("in 2024 it was") == ""
    assert masks.told_by("it is correct-horse!") == "PASSWORD"
    assert masks.told_by(base64.b64encode(b"x:correct-horse").decode()) == "PASSWORD"
    assert masks.told_by("nothing") == ""
    lines = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n-----END KEY-----\n"
    masks = Masks({"KEY": lines})
    assert masks.told_by("-----BEGIN KEY-----") == ""
    assert masks.told_by(json.dumps({"key": lines})) == masks.told_by(lines.replace("\n", "\r\n")) == "KEY"


def test_forms_are_never_so_short_that_they_stand_everywhere():
    assert min(map(len, forms_of("abcd"))) >= 4
