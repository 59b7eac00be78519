"""The canonical encoding: injective, stable, and pinned by golden vectors."""

import datetime
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.digests import Hasher, digest, digest_bytes, digest_stream, encode, is_digest

GOLDEN = Path(__file__).parent / "golden_digests.json"

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes()
)
plain = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=8
)


def same(left, right) -> bool:
    """Equality that tells types, signs of zero and every nesting apart; it uses none of our code."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict):
        if len(left) != len(right):
            return False
        pairs = [(a, b) for a in left for b in right if same(a, b)]
        return len(pairs) == len(left) and all(same(left[a], right[b]) for a, b in pairs)
    return left == right


@given(plain, plain)
def test_equal_encodings_mean_equal_values(left, right):
    assert (encode(left) == encode(right)) is same(left, right)


@given(plain)
def test_encoding_depends_on_the_value_alone(value):
    again = json.loads(json.dumps(value)) if same_through_json(value) else value
    assert encode(value) == encode(again)


def same_through_json(value) -> bool:
    try:
        return same(json.loads(json.dumps(value)), value)
    except TypeError:
        return False


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (1, "1"),
        ("1", b"1"),
        (0.0, -0.0),
        (None, "None"),
        ([], {}),
        ([1, [2]], [[1], 2]),
        (["a", "b"], ["ab"]),
        (["a:b"], ["a", "b"]),
        ({"a": "bc"}, {"ab": "c"}),
        (datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1)),
        (datetime.date(2020, 1, 1), "2020-01-01"),
        ("é", "e\u0301"),
        (10**30, 10**30 + 1),
    ],
)
def test_values_that_other_encodings_confuse_differ(left, right):
    assert digest(left) != digest(right)


def test_order_of_keys_does_not_count_and_nan_is_one_value():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest(float("nan")) == digest(-float("nan"))
    assert digest((1, 2)) == digest([1, 2])


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, range(3), Path("a"), [object()], {"a": {1}}])
def test_other_values_are_refused(value):
    with pytest.raises(TypeError, match="not plain data"):
        digest(value)


def test_golden_vectors():
    """A change here changes every key there is: it needs a new KEY_SCHEMA."""
    values = {
        "none": None,
        "true": True,
        "int": -12345678901234567890,
        "float": 0.1,
        "text": "naïve \U0001f600",
        "bytes": b"\x00\xff",
        "date": datetime.date(2024, 2, 29),
        "datetime": datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC),
        "nested": {"b": [1, 1.0, "1", True], "a": {"x": None}, 3: []},
    }
    assert {name: digest(value) for name, value in values.items()} == json.loads(GOLDEN.read_text())


def test_digests_are_the_same_in_other_processes():
    code = "from pipelinekit.domain.digests import digest; print(digest({'b': [1, 'é'], 'a': {3: None}}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "LC_ALL": locale, "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed, locale in [("0", "C"), ("1", "C.UTF-8"), ("random", "C")]
    }
    assert found == {digest({"a": {3: None}, "b": [1, "é"]})}


@given(st.binary(max_size=2000), st.integers(1, 100))
def test_streams_pieces_and_bytes_have_one_digest(data, size):
    hasher = Hasher()
    for start in range(0, len(data), size):
        hasher.update(data[start : start + size])
    assert hasher.digest() == digest_bytes(data)
    assert hasher.size == len(data)
    assert digest_stream(io.BytesIO(data)) == (digest_bytes(data), len(data))


def test_well_formed_digests():
    assert is_digest(digest(1))
    for text in ("", "xxh3:", "xxh3:" + "g" * 32, "sha1:" + "0" * 32, digest(1) + "0", digest(1).upper()):
        assert not is_digest(text)
