"""All changes of clocks from 2020 to 2037, and which instants are due around them, told minute by minute.

The oracle looks at one minute after the other and at what clocks show then. It knows nothing of offsets.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

MINUTE, DAY = 60, 86400
BEGIN, END = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2020, 2038))
SPAN = 2 * DAY  # that is looked at before and after a change
MARGIN = DAY  # beyond it, to see what clocks show twice
LOOK = 14 * DAY  # between two looks for changes: those of one zone are farther apart


def ahead(zone, instant):
    return datetime.fromtimestamp(instant, zone).utcoffset()


@cache
def changes():
    """Every change once: its instant, with the offsets before and after and the zones that have it."""
    found = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for start in range(BEGIN, END, LOOK):
            if ahead(zone, start) == ahead(zone, start + LOOK):
                continue
            low, high = start, start + LOOK
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if ahead(zone, middle) == ahead(zone, start) else (low, middle)
            found.setdefault((high, ahead(zone, low), ahead(zone, high)), []).append(name)
    return found


class Minutes:
    """Some days around an instant, minute by minute: what clocks show, what they showed before, what they jump over."""

    def __init__(self, zone, middle):
        self.since = (middle - SPAN) // MINUTE * MINUTE
        self.until = self.since + 2 * SPAN
        self.rows = []  # instant, what is shown, was it shown before, is it shown again, what was jumped over just now
        seen, again, before = set(), set(), None
        for instant in range(self.since - MARGIN, self.until + MARGIN, MINUTE):
            shown = datetime.fromtimestamp(instant, zone).replace(tzinfo=None, fold=0)
            missing = []
            if before is not None:
                step = before + timedelta(minutes=1)
                while step < shown:
                    missing.append(step)
                    step += timedelta(minutes=1)
            if shown in seen:
                again.add(shown)
            self.rows.append((instant, shown, shown in seen, missing))
            seen.add(shown)
            before = shown
        self.again = again

    def due(self, matches, gap, repeat):
        """Instants at which a rule is due that wants the shown times that `matches` tells."""
        found = []
        for instant, shown, is_second, missing in self.rows:
            if not self.since < instant <= self.until:
                continue
            is_twice = shown in self.again
            counts = not is_twice or repeat == "both" or is_second == (repeat == "second")
            made_up = gap == "after" and any(matches(time) for time in missing)
            if (matches(shown) and counts) or made_up:
                found.append(float(instant))
        return found
