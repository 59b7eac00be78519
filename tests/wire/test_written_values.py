"""Stored values that stay the text that they were written as."""

from __future__ import annotations

import pytest

from pipelinekit.domain.values import StoredValue, dict_of, list_of, plain
from pipelinekit.wire.values import WrittenValues, values_text

VALUES = {
    "scores": list_of([plain(0.5), plain(b"bytes"), plain({"a": None})]),
    "by_name": dict_of({"one": plain(1)}),
    "table": StoredValue("xxh3:" + "0" * 32, "arrow", 12, "xxh3:" + "1" * 32),
    "file": StoredValue("xxh3:" + "2" * 32, "file", 3, "xxh3:" + "3" * 32, None, ".csv"),
}


def test_written_values_are_the_values_that_were_written() -> None:
    written = WrittenValues(values_text(VALUES))
    assert written == VALUES
    assert dict(written) == VALUES
    assert [*written] == sorted(VALUES)
    assert written["table"] == VALUES["table"]
    assert "none" not in written
    assert repr(written) == repr(dict(sorted(VALUES.items())))


def test_what_is_written_again_unseen_is_the_same_text() -> None:
    text = values_text(VALUES)
    assert values_text(WrittenValues(text)) == text
    assert values_text(dict(WrittenValues(text))) == text


def test_nothing_is_read_before_somebody_looks() -> None:
    written = WrittenValues("no JSON")
    assert values_text(written) == "no JSON"
    with pytest.raises(ValueError, match="Expecting value"):
        len(written)
