"""Which instants are due: against an oracle that looks at every minute, and by laws."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from clock_changes import Minutes, changes
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.domain.schedules import Cron, Policies, Recurrence, ScheduleSpec, Target
from pipelinekit.engine.cron import cron_fields
from pipelinekit.engine.recurrence import Timetable, first_mark, rule_faults
from pipelinekit.errors import ScheduleError

BERLIN = ZoneInfo("Europe/Berlin")
RULES = {
    "* * * * *": lambda at: True,
    "*/7 * * * *": lambda at: at.minute % 7 == 0,
    "30 * * * *": lambda at: at.minute == 30,
    "@hourly": lambda at: at.minute == 0,
    "*/20 0-3 * * *": lambda at: at.minute % 20 == 0 and at.hour < 4,
    "5 */2 * * *": lambda at: at.minute == 5 and at.hour % 2 == 0,
    "30 2 * * *": lambda at: (at.hour, at.minute) == (2, 30),
    "0 0 * * *": lambda at: (at.hour, at.minute) == (0, 0),
    "@daily": lambda at: (at.hour, at.minute) == (0, 0),
    "0,15,30,45 0-4 * * *": lambda at: at.minute % 15 == 0 and at.hour < 5,
    "59 23,0-3 * * *": lambda at: at.minute == 59 and at.hour in (23, 0, 1, 2, 3),
    "1 0,1,2,3,22,23 * * sun": lambda at: at.minute == 1 and at.hour in (0, 1, 2, 3, 22, 23) and at.isoweekday() == 7,
    "30 0-3 l,1 * *": lambda at: at.minute == 30 and at.hour < 4 and (at.day == 1 or (at + timedelta(1)).day == 1),
    "10 1-3 * 3,10 sat#5": lambda at: at.minute == 10 and 1 <= at.hour < 4 and at.month in (3, 10)
                           and at.isoweekday() == 6 and at.day > 28,
    "15 0-23 * * l7": lambda at: at.minute == 15 and at.isoweekday() == 7 and (at + timedelta(7)).month != at.month,
    "45 2 13,28 * mon": lambda at: (at.hour, at.minute) == (2, 45) and (at.day in (13, 28) or at.isoweekday() == 1),
}  # fmt: skip
WILD = {"* * * * *", "*/7 * * * *", "30 * * * *", "@hourly", "*/20 0-3 * * *", "5 */2 * * *"}
ASKED = (("", ""), ("after", "both"), ("skip", "first"), ("after", "second"), ("skip", "second"), ("after", "first"))


def spec(trigger, zone="UTC", **more):
    return ScheduleSpec(trigger, Target("score"), "nightly", zone, **more)


def agree(zone, middle, rules, asked):
    """The timetable and the oracle around one instant."""
    minutes = Minutes(zone, middle)
    for expression in rules:
        for gap, repeat in asked:
            follows = expression in WILD
            wanted = minutes.due(
                RULES[expression],
                gap or ("skip" if follows else "after"),
                repeat or ("both" if follows else "first"),
            )
            made = Timetable(spec(Cron(expression), policies=Policies(gap=gap, repeat=repeat)), zone, 0.0)
            assert list(made.between(minutes.since, minutes.until)) == wanted, (zone, middle, expression, gap, repeat)


def test_there_are_changes_of_many_zones_and_none_follows_another_within_days():
    zones = {}
    for (at, _, _), names in changes().items():
        for name in names:
            zones.setdefault(name, []).append(at)
    assert len(changes()) > 700
    assert sum(map(len, zones.values())) > 7000
    assert min(b - a for found in zones.values() for a, b in pairwise(sorted(found))) > 20 * 86400


def sampled():
    """Some changes of each kind: every size and time of day at which clocks were ever changed."""
    kinds = {}
    for (at, before, after), names in sorted(changes().items()):
        shown = (datetime.fromtimestamp(at, UTC) + before).time()
        kinds.setdefault((before - after, shown), []).append((at, names[0]))
    return [item for _, found in sorted(kinds.items(), key=str) for item in {found[0], found[-1]}]


def test_the_timetable_is_what_an_oracle_tells_minute_by_minute():
    found = sampled()
    assert len(found) > 40
    for at, name in found[::2]:
        agree(ZoneInfo(name), at, RULES, ASKED[:1])
    for at, name in found[::5]:
        agree(ZoneInfo(name), at, list(RULES)[1::3], ASKED[1:])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(8))
def test_so_it_is_for_all_zones_and_all_changes_of_their_clocks(part):
    for (at, _, _), names in sorted(changes().items())[part::8]:
        agree(ZoneInfo(names[0]), at, RULES, ASKED)


@pytest.mark.parametrize("name", ["UTC", "Asia/Kolkata", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_zones_whose_clocks_never_change_agree_too(name):
    agree(ZoneInfo(name), int(datetime(2024, 2, 29, tzinfo=UTC).timestamp()), RULES, ASKED[:1])


# -- laws --------------------------------------------------------------------------------------------------------------


class MadeZone(tzinfo):
    """A zone of our own, whose clocks change at these instants to these offsets in minutes."""

    def __init__(self, first, later):
        self.first, self.later = first, later

    def fromutc(self, when):
        instant = int(when.replace(tzinfo=UTC).timestamp())
        ahead = next((minutes for at, minutes in reversed(self.later) if at <= instant), self.first)
        self.now = timedelta(minutes=ahead)
        return (when.replace(tzinfo=None) + self.now).replace(tzinfo=timezone(self.now))

    def __repr__(self):
        return f"MadeZone({self.first}, {self.later})"


AROUND = int(datetime(2026, 5, 10, tzinfo=UTC).timestamp())
zones = st.builds(
    lambda first, minute, second, days: MadeZone(
        first,
        [(AROUND + minute * 60, first + second), (AROUND + (minute + days * 1440) * 60, first)],
    ),
    st.integers(-12 * 60, 12 * 60),
    st.integers(-1440, 1440),
    st.sampled_from([-180, -120, -90, -60, -30, -1, 1, 20, 30, 60, 90, 120, 180]),
    st.integers(6, 9),
)
whens = st.tuples(st.sampled_from(sorted(RULES)), st.sampled_from(ASKED))


@settings(max_examples=60, deadline=None)
@given(zones, whens)
def test_any_zone_and_any_rule_agree_with_the_oracle(zone, when):
    agree(zone, zone.later[0][0], [when[0]], [when[1]])


recurrences = st.one_of(
    st.builds(Recurrence, st.sampled_from(["Minute", "Hour", "Month"]), st.integers(1, 40)),
    st.builds(
        lambda frequency, interval, hours, minutes, days: Recurrence(
            frequency, interval, tuple(hours), tuple(minutes), tuple(days) if frequency == "Week" else ()
        ),
        st.sampled_from(["Day", "Week"]),
        st.integers(1, 5),
        st.lists(st.integers(0, 23), max_size=3),
        st.lists(st.integers(0, 59), max_size=3),
        st.lists(st.sampled_from(["Monday", "Wednesday", "Sunday"]), max_size=2),
    ),
)
triggers = st.one_of(recurrences, st.sampled_from(sorted(RULES)).map(Cron))


@settings(max_examples=150, deadline=None)
@given(triggers, zones, st.integers(-20 * 86400, 20 * 86400), st.integers(0, 60))
def test_what_follows_an_instant_does_not_depend_on_where_one_begins_to_look(trigger, zone, begin, skipped):
    made = Timetable(spec(trigger, start=float(AROUND - 5 * 86400)), zone, 0.0)
    whole = list(islice(made.after(AROUND - 5 * 86400 - 1), 80))
    assert all(a < b for a, b in pairwise(whole))
    assert all(due >= AROUND - 5 * 86400 for due in whole)
    for index in (0, skipped):
        assert list(islice(made.after(whole[index]), 15)) == whole[index + 1 : index + 16]
        assert list(islice(made.after(whole[index] - 0.5), 15)) == whole[index : index + 15]
    later = min(AROUND + begin, whole[-1])
    assert list(made.between(later, whole[-1])) == [due for due in whole if due > later]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.sampled_from(["Minute", "Hour"]), zones)
def test_minutes_and_hours_are_counted_by_the_time_that_passes(interval, frequency, zone):
    made = Timetable(spec(Recurrence(frequency, interval), start=float(AROUND)), zone, 0.0)
    step = interval * (60 if frequency == "Minute" else 3600)
    assert list(islice(made.after(AROUND - 1), 20)) == [float(AROUND + step * n) for n in range(20)]


def shown(trigger, zone=BERLIN, begin="2026-01-15T09:20", most=6, **more):
    start = datetime.fromisoformat(begin).replace(tzinfo=zone).timestamp()
    made = Timetable(spec(trigger, start=start, **more), zone, 0.0)
    return [datetime.fromtimestamp(due, zone).strftime("%m-%d %H:%M") for due in islice(made.after(start - 1), most)]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (Recurrence("Day", 3), "01-15 09:20,01-18 09:20,01-21 09:20"),
        (Recurrence("Day", 1, (8, 20), (0, 30)), "01-15 20:00,01-15 20:30,01-16 08:00"),
        (Recurrence("Day", 1, (8,)), "01-16 08:00,01-17 08:00,01-18 08:00"),
        (Recurrence("Day", 1, (), (45,)), "01-15 09:45,01-16 09:45,01-17 09:45"),
        (Recurrence("Day", time_of_day="23:59"), "01-15 23:59,01-16 23:59,01-17 23:59"),
        (Recurrence("Week", 2), "01-15 09:20,01-29 09:20,02-12 09:20"),
        (Recurrence("Week", 2, (6,), week_days=("Friday", "Monday")), "01-16 06:00,01-26 06:00,01-30 06:00"),
        (Recurrence("Month", 2), "01-15 09:20,03-15 09:20,05-15 09:20"),
        (Recurrence("Month", 1, time_of_day="07:00"), "02-15 07:00,03-15 07:00,04-15 07:00"),
    ],
)
def test_recurrences_are_counted_from_the_start(rule, found):
    assert shown(rule, most=3) == found.split(",")


def test_a_day_that_a_month_has_not_is_its_last_or_left_out():
    assert shown(Recurrence("Month"), begin="2026-01-31T06:00", most=4) == [
        "01-31 06:00", "02-28 06:00", "03-31 06:00", "04-30 06:00",
    ]  # fmt: skip
    assert shown(Recurrence("Month", missing_day="skip"), begin="2026-01-31T06:00", most=4) == [
        "01-31 06:00", "03-31 06:00", "05-31 06:00", "07-31 06:00",
    ]  # fmt: skip
    assert shown(Cron("0 6 29 2 *"), begin="2026-01-31T06:00", most=2) == ["02-29 06:00", "02-29 06:00"]


def test_days_keep_their_time_of_day_when_clocks_change():
    assert shown(Recurrence("Day"), begin="2026-03-27T02:30", most=4) == [
        "03-27 02:30", "03-28 02:30", "03-29 03:00", "03-30 02:30",
    ]  # fmt: skip


def test_a_start_and_an_end_bound_what_is_due():
    rule, begin = Cron("0 * * * *"), float(AROUND)
    made = Timetable(spec(rule, start=begin, end=begin + 3 * 3600), UTC, 0.0)
    assert list(made.after(0.0)) == [begin, begin + 3600, begin + 7200]
    assert list(made.after(begin + 7200)) == []


def test_a_plain_recurrence_begins_with_its_making_and_nothing_else_is_made_up():
    made_at = AROUND + 90.0
    plain = spec(Recurrence("Hour", 2))
    assert next(Timetable(plain, UTC, made_at).after(first_mark(plain, made_at))) == AROUND + 60.0
    daily = spec(Recurrence("Day", 1, (0,)))
    assert next(Timetable(daily, UTC, made_at).after(first_mark(daily, made_at))) == AROUND + 86400.0
    past = spec(Recurrence("Hour", 2), start=AROUND - 30 * 86400.0)
    assert next(Timetable(past, UTC, made_at).after(first_mark(past, made_at))) == AROUND + 7200.0


# -- what is refused, and what is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", [
    "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 *",
])  # fmt: skip
def test_what_would_never_fire_is_refused(expression):
    (fault,) = rule_faults(spec(Cron(expression)), UTC, 0.0)
    assert "never fire" in fault.message
    ended = spec(Cron("0 0 1 * *"), start=float(AROUND), end=AROUND + 86400.0)
    assert "never fire before its end" in rule_faults(ended, UTC, 0.0)[0].message


@pytest.mark.parametrize("expression", [
    "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8",
    "H * * * *", "R * * * *", "* * 15W * *", "* * LW * *", "@reboot", "@every 5m", "*/0 * * * *", "*/61 * * * *",
    "* */24 * * *", "* * * * mon#6", "* * * * 1,5#2", "1.5 * * * *", "-1 * * * *", "٣ * * * *", "a b c d e", None, 7,
])  # fmt: skip
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(ScheduleError, match="is no cron expression"):
        cron_fields(expression)


def test_all_that_is_wrong_is_told_at_once():
    wrong = spec(
        Recurrence("Month", 0, (25,), (1,), ("Mon",), "9:00"),
        start=5.0,
        end=4.0,
        policies=Policies("stop", 0, "some", 0, -1.0, "x", "y", float("inf")),
        parameters={"a": "{{now}}", "b": ["{{ due }}", {"c": "{{due_data}}"}]},
        notify=("",),
    )
    found = [fault.message for fault in rule_faults(wrong, UTC, 0.0)]
    assert len(found) == 21, found
    assert all(fault.hint for fault in rule_faults(wrong, UTC, 0.0))


def test_a_preview_marks_what_changes_of_clocks_do():
    begin = datetime(2026, 3, 28, 12, tzinfo=BERLIN).timestamp()
    (first, second) = Timetable(spec(Cron("30 2 * * *")), BERLIN, begin).preview(begin, 2)
    assert (first.shown, second.shown) == ("2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00")
    assert first.note == (
        "clocks went forward by 1 h at 2026-03-29 02:00; the time of day that is asked for was jumped over"
    )
    assert second.note == ""
    begin = datetime(2026, 10, 24, 12, tzinfo=BERLIN).timestamp()
    notes = [item.note for item in Timetable(spec(Cron("30 2-3/1 * * *")), BERLIN, begin).preview(begin, 2)]
    assert notes == ["the first of two times that clocks show this", "clocks went back by 1 h at 2026-10-25 03:00"]
    notes = [item.note for item in Timetable(spec(Cron("30 * * * *")), BERLIN, begin).preview(begin + 13.5 * 3600, 2)]
    assert notes[1] == (
        "clocks went back by 1 h at 2026-10-25 03:00; the second of two times that clocks show this"
    )  # fmt: skip
