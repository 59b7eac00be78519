"""What clocks on walls show: times of a zone as seconds, and the instants that they stand for.

A wall time is what a clock of the zone shows, counted in seconds from 1970-01-01 00:00 by that clock. A zone's rules
come as a `tzinfo`; nothing but its offset at an instant is asked for. Clocks are taken to change at most once in two
days: from 2020 to 2037 no two changes of any zone are less than four weeks apart.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

DAY = 86400
MINUTE = 60


def offset_at(zone: tzinfo, instant: int) -> int:
    """How many seconds the zone's clocks are ahead of UTC at an instant."""
    ahead = datetime.fromtimestamp(instant, zone).utcoffset()
    return 0 if ahead is None else ahead.days * DAY + ahead.seconds


def wall_at(zone: tzinfo, instant: int) -> int:
    """What the zone's clocks show at an instant."""
    return instant + offset_at(zone, instant)


def offsets_around(zone: tzinfo, wall: int) -> tuple[int, int]:
    """The offsets that hold before and after the time at which clocks show this."""
    return offset_at(zone, wall - DAY), offset_at(zone, wall + DAY)


def instants_of(zone: tzinfo, wall: int) -> list[int]:
    """The instants at which clocks show this: none, one or two."""
    found = {wall - ahead for ahead in offsets_around(zone, wall)}
    return sorted(instant for instant in found if wall_at(zone, instant) == wall)


def change_between(zone: tzinfo, since: int, until: int) -> int:
    """The first instant of the offset that holds at `until`, where another one held at `since`."""
    new = offset_at(zone, until)
    while until - since > 1:
        middle = (since + until) // 2
        if offset_at(zone, middle) == new:
            until = middle
        else:
            since = middle
    return until


def after_gap(zone: tzinfo, wall: int) -> int:
    """The first instant after the jump over a time that clocks never show."""
    return change_between(zone, wall - DAY, wall + DAY)


def instant_of(zone: tzinfo, shown: datetime) -> float:
    """The instant at which clocks show a time: the first of two, and that after the jump over one that there is not."""
    wall = int(shown.replace(tzinfo=UTC).timestamp())
    found = instants_of(zone, wall)
    return float(found[0] if found else after_gap(zone, wall))


def iso(zone: tzinfo, instant: float) -> str:
    """An instant as the zone's clocks show it, with the offset: `2026-03-29T03:00:00+02:00`."""
    return datetime.fromtimestamp(int(instant), zone).isoformat()


def date_text(zone: tzinfo, instant: float) -> str:
    """The date in the zone at an instant."""
    return datetime.fromtimestamp(int(instant), zone).date().isoformat()


def wall_text(wall: int) -> str:
    """A wall time for people: `2026-03-29 02:30`."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M")
