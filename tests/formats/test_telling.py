"""Gathering what code tells: in its order, in batches, and whole."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit import PipelinekitError
from pipelinekit.domain.metrics import SERIES, Series, downsample
from pipelinekit.formats.telling import LARGEST_BATCH, Teller, Telling
from pipelinekit.wire.metrics import entries_from_json, entries_to_json, numbers_from_json, numbers_to_json, unpacked
from pipelinekit.wire.values import dumps, loads


class Outlet:
    def __init__(self):
        self.entries = []
        self.batches = 0
        self.teller = Teller(self.tell, lambda path: {"path": str(path)})
        self.run = Telling(lambda: self.teller)

    def tell(self, entries):
        self.batches += 1
        self.entries += entries_from_json(loads(dumps(entries_to_json(entries))))

    def values(self, name):
        self.teller.flush()
        found = [unpacked(entry.body)["values"] for entry in self.entries if (entry.kind, entry.name) == (SERIES, name)]
        return [value for values in found for value in numbers_from_json(values)]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats() | st.integers() | st.booleans() | st.text(max_size=3))))
def test_every_point_arrives_once_and_in_order(points):
    outlet = Outlet()
    for name, value in points:
        outlet.run.log(name, value)
    for name in "ab":
        expected = [value for other, value in points if other == name]
        assert list(map(repr, outlet.values(name))) == list(map(repr, expected))


def test_points_come_before_what_is_told_after_them():
    outlet = Outlet()
    outlet.run.log("a", 1)
    outlet.run.log("a", 2)
    outlet.run.tag("t")
    outlet.run.log("a", 3)
    outlet.teller.flush()
    assert [entry.kind for entry in outlet.entries] == [SERIES, SERIES, "tag", SERIES]


def test_long_lists_are_told_in_parts_and_short_ones_together():
    outlet = Outlet()
    outlet.run.log_list("long", range(3 * LARGEST_BATCH))
    assert outlet.values("long") == list(range(3 * LARGEST_BATCH))
    assert max(len(unpacked(entry.body)["values"]) for entry in outlet.entries) == LARGEST_BATCH
    before = outlet.batches
    for value in range(900):
        outlet.run.log("short", value)
    assert outlet.batches - before <= 2


def test_steps_are_given_always_or_never():
    outlet = Outlet()
    outlet.run.log("a", 1, step=3)
    with pytest.raises(PipelinekitError, match="both with a step and without"):
        outlet.run.log("a", 2)
    outlet.teller.flush()
    outlet.run.log("a", 2, step=4)
    outlet.teller.flush()
    assert [unpacked(entry.body)["steps"] for entry in outlet.entries] == [[3], [4]]


def test_threads_may_tell_at_once():
    outlet = Outlet()
    threads = [
        threading.Thread(target=lambda name=name: [outlet.run.log(name, i) for i in range(2000)]) for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(outlet.values(name) == list(range(2000)) for name in "abcd")


@given(st.lists(st.floats() | st.integers(-(10**6), 10**6) | st.booleans() | st.text(max_size=3)))
def test_numbers_come_back_from_json_as_they_were(values):
    assert list(map(repr, numbers_from_json(loads(dumps(numbers_to_json(values)))))) == list(map(repr, values))


@given(st.lists(st.floats() | st.text(max_size=2), min_size=1, max_size=300), st.integers(2, 50))
def test_a_downsampled_series_keeps_its_bounds(values, most):
    series = Series(values, list(range(len(values))), [float(i) for i in range(len(values))])
    shown = downsample(series, most)
    assert len(shown.values) <= max(most, 2) or len(values) <= most
    places = list(shown.steps)
    assert places == sorted(places)
    assert list(map(repr, shown.values)) == [repr(values[place]) for place in places]
    if len(values) > most > 2:
        assert (places[0], places[-1]) == (0, len(values) - 1)
