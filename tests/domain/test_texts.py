"""How durations, sizes, counts and ranges are said."""

import pytest

from pipelinekit.domain.texts import counted, ranges_text, seconds_text, size_text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "40 ms"), (1.23, "1.2 s"), (185, "3 min 5 s"), (7440, "2 h 4 min")]
)
def test_durations(seconds, words):
    assert seconds_text(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3000 << 30, "3000.0 GiB")],
)
def test_sizes(size, words):
    assert size_text(size) == words


def test_counts_and_ranges():
    assert (counted(1, "step"), counted(0, "step"), counted(2, "step")) == ("1 step", "0 steps", "2 steps")
    assert ranges_text([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert ranges_text([]) == ""
