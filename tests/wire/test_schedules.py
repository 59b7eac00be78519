"""Schedules as documents: what is written is read as it was, and what anybody may write is refused in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.domain.data_changes import DataChange
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import (
    Backfill,
    Cron,
    Disposition,
    Policies,
    Recurrence,
    Schedule,
    ScheduleSpec,
    Target,
    Tick,
    TickRange,
)
from pipelinekit.domain.types import PathRef
from pipelinekit.errors import ScheduleError
from pipelinekit.wire.schedule_files import read_schedule, write_schedule
from pipelinekit.wire.schedules import (
    backfill_document,
    history_document,
    schedule_document,
    spec_from_json,
    spec_to_json,
)
from pipelinekit.wire.values import dumps, loads

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)
texts = st.one_of(
    words, st.sampled_from(["", "yes", "12", "1e3", "null", "~", "2026-01-01", "10:30", "#", "- a", ".inf"])
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), texts)
plain = st.recursive(
    st.one_of(scalars, st.builds(PathRef, words, st.booleans())),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
policies = st.builds(
    Policies,
    st.sampled_from(["skip", "queue_one", "allow"]),
    st.integers(1, 500),
    st.sampled_from(["latest", "none", "all"]),
    st.integers(1, 500),
    st.floats(0, 1e6),
    st.sampled_from(["", "after", "skip"]),
    st.sampled_from(["", "first", "both"]),
    st.floats(0, 1e6),
)
recurrences = st.builds(
    Recurrence,
    st.sampled_from(["Day", "Week"]),
    st.integers(1, 9),
    st.lists(st.integers(0, 23), max_size=3).map(tuple),
    st.lists(st.integers(0, 59), max_size=3).map(tuple),
    st.lists(st.sampled_from(["Monday", "Sunday"]), max_size=2).map(tuple),
    st.sampled_from(["", "09:30", "23:59"]),
    st.sampled_from(["last", "skip"]),
)
changes = st.builds(DataChange, words, words, words, words, st.floats(1, 1e6), st.floats(0, 1e6), st.booleans())
specs = st.builds(
    ScheduleSpec,
    st.one_of(st.builds(Cron, st.sampled_from(["0 6 * * *", "@daily", "*/5 * * * *"])), recurrences, changes),
    st.one_of(st.builds(Target, words.filter(bool)), st.builds(Target, st.just(""), words.filter(bool))),
    texts,
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.one_of(st.none(), st.floats(0, 1e10)),
    st.one_of(st.none(), st.floats(0, 1e10)),
    policies,
    st.dictionaries(words, plain, max_size=3),
    st.booleans(),
    st.lists(texts, max_size=2).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(specs)
def test_what_a_schedule_says_survives_json(spec):
    assert spec_from_json(loads(dumps(spec_to_json(spec)))) == spec


@settings(max_examples=150, deadline=None)
@given(specs, words, st.dictionaries(words, texts, max_size=2))
def test_what_a_schedule_says_survives_yaml(spec, description, tags):
    schedule = Schedule("id", "nightly", spec, 0.0, 0.0, 0.0, description=description, tags=tags)
    document = read_schedule(write_schedule(schedule))
    assert document.pop("name") == "nightly"
    assert document.pop("description", "") == description
    assert document.pop("tags", {}) == tags
    assert spec_from_json(document) == spec


def test_what_has_its_default_is_not_written():
    spec = ScheduleSpec(Cron("0 6 * * *"), Target("score"), "nightly")
    assert spec_to_json(spec) == {
        "schema": 1, "cron": "0 6 * * *", "endpoint": "score", "experiment": "nightly", "zone": "UTC",
    }  # fmt: skip
    assert spec_from_json({"cron": "0 6 * * *", "endpoint": "score", "experiment": "nightly"}) == spec


def test_a_file_is_read_as_people_mean_it():
    found = read_schedule("""
Schedule:
  name: nightly
  recurrence: {frequency: Day, time_of_day: 10:30}   # no number in base 60
  start: 2026-01-01 09:00
  parameters: {n: 1, f: 1.5, e: 1e3, text: "12", on: yes, true: true, nothing: , date: 2026-01-01}
""")
    assert found == {
        "name": "nightly",
        "recurrence": {"frequency": "Day", "time_of_day": "10:30"},
        "start": "2026-01-01 09:00",
        "parameters": {
            "n": 1, "f": 1.5, "e": 1000.0, "text": "12", "on": "yes", True: True, "nothing": None, "date": "2026-01-01",
        },
    }  # fmt: skip


@pytest.mark.parametrize("text", [
    "", "- 1", "1: 2", "a: 1\na: 2", "a: [", "a: &x [*x]", "a: &x 1\nb: *x", "!!python/object/apply:os.system [ls]",
    "a: !!python/name:os.system x", "[" * 5000, "\x00", "a: b: c", "a: !!int x",
])  # fmt: skip
def test_what_is_no_file_of_a_schedule_is_refused(text):
    with pytest.raises(ScheduleError):
        read_schedule(text)


GOOD = {"cron": "0 6 * * *", "endpoint": "score", "experiment": "nightly"}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"schema": 2}, 1),
        ({"crom": ""}, 1),
        ({"recurrence": {"frequency": "Day"}}, 1),
        ({"cron": 7, "endpoint": [], "zone": True, "start": "now", "end": True, "policies": [], "parameters": 1}, 7),
        ({"policies": {"overlap": 1, "jitter": "x", "queue_bound": 1.5, "odd": 1, "gap": True}}, 5),
        ({"continue_on_step_failure": 1, "notify": "me"}, 2),
        ({"data_change": {"datastore": 1, "odd": 2, "each_file": 1, "poll": True}}, 5),
    ],
)
def test_all_that_is_wrong_with_the_form_of_a_document_is_told_at_once(changes, count):
    with pytest.raises(ScheduleError) as caught:
        spec_from_json({**GOOD, **changes})
    assert len(caught.value.faults) == count, caught.value
    assert all(fault.hint for fault in caught.value.faults)


def test_a_recurrence_needs_its_frequency_and_lists():
    document = {"recurrence": {"interval": 1, "hours": 3, "odd": 1}, "endpoint": "score"}
    with pytest.raises(ScheduleError) as caught:
        spec_from_json(document)
    assert len(caught.value.faults) == 4


def test_documents_for_programs_tell_all_that_is_known():
    schedule = Schedule("s1", "nightly", ScheduleSpec(Cron("0 6 * * *"), Target("score"), "e"), 5.0, 1.0, 2.0)
    document = schedule_document(schedule)
    assert (document["state"], document["cron"], document["high_water"]) == ("Active", "0 6 * * *", 5.0)
    fired = Tick("s1", 1, 20.0, 20.0, disposition=Disposition.FIRED, run="r", outcome=RunStatus.FAILED)
    passed = TickRange("s1", 1, 1.0, 9.0, 5, Disposition.COALESCED, "why", 9.5)
    late = Tick("s1", 1, 4.0, 30.0, "backfill-1", Disposition.FIRED, "r2")
    found = history_document(schedule, [fired, late], [passed])
    assert [entry.get("due", entry.get("last")) for entry in found["history"]] == [20.0, 9.0, 4.0]
    assert (found["history"][0]["outcome"], found["history"][1]["count"]) == ("Failed", 5)
    backfill = Backfill("s1", 1, 1.0, 9.0, missing_only=True, at_once=2, created_at=30.0)
    assert backfill_document(backfill, [late])["instants"] == {"Fired": 1}
    assert loads(dumps([document, found])) == [document, found]
