"""The chain of the audit log: whatever is done to a row shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.classes import replace
from pipelinekit.domain.audit import START, AuditEvent, Origin, broken_links, chained, event_fields, event_of

TEXTS = st.text(max_size=8)
ORIGINS = st.builds(Origin, TEXTS, TEXTS, TEXTS, TEXTS)
EVENTS = st.builds(AuditEvent, ORIGINS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
TIMES = st.floats(0, 2e9)


def log(events):
    rows, previous = [], START
    for number, (at, event) in enumerate(events, 1):
        rows.append(chained(number, at, event, previous))
        previous = rows[-1].digest
    return rows


LOGS = st.lists(st.tuples(TIMES, EVENTS), min_size=2, max_size=6).map(log)
FIVE = log([(float(number), AuditEvent(Origin("a"), "do", f"{number}")) for number in range(1, 6)])


@given(LOGS)
def test_a_log_as_it_was_written_is_whole(rows):
    assert broken_links(rows) == []
    assert broken_links(rows[:-1]) == [], "what a cut end leaves looks whole: that is why a digest is kept elsewhere"
    assert all(event_of(event_fields(row.event)) == row.event for row in rows)


@given(LOGS, st.data())
def test_a_changed_row_shows(rows, data):
    position = data.draw(st.integers(0, len(rows) - 1))
    old = rows[position]
    name = data.draw(st.sampled_from([*sorted(event_fields(old.event)), "at", "number", "previous", "digest"]))
    if name in ("at", "number"):
        new = replace(old, **{name: getattr(old, name) + 1})
    elif name in ("previous", "digest"):
        new = replace(old, **{name: getattr(old, name) + "x"})
    else:
        fields = event_fields(old.event)
        new = replace(old, event=event_of({**fields, name: fields[name] + "x"}))
    assert broken_links([*rows[:position], new, *rows[position + 1 :]])


@given(LOGS, st.data())
def test_a_row_that_was_written_anew_shows_in_the_next(rows, data):
    position = data.draw(st.integers(0, len(rows) - 2))
    old = rows[position]
    new = chained(old.number, old.at + 1, old.event, old.previous)
    assert broken_links([*rows[:position], new, *rows[position + 1 :]]) == [
        f"row {position + 2} of the audit log does not follow from the row before it"
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (FIVE[1:], ["row 1 is missing from the audit log"]),
        ([FIVE[0], *FIVE[3:]], ["rows 2 to 3 are missing from the audit log"]),
    ],
)
def test_rows_that_were_taken_out_are_named(rows, words):
    assert broken_links(rows) == words


def test_rows_in_another_order_or_twice_show():
    assert broken_links([FIVE[1], FIVE[0]])
    assert broken_links([*FIVE, FIVE[4]])
    assert broken_links([FIVE[0], *FIVE])
