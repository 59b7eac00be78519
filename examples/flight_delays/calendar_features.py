"""What the calendar says of a flight: its day of the week, and how far the next holiday is.

The pipeline does not import this module; `features` does. A change here reruns the steps that reach it, and no
others.
"""

from __future__ import annotations

import datetime

import numpy
import pyarrow as pa
import pyarrow.compute as pc

HOLIDAYS = [
    datetime.date(2013, 1, 1),
    datetime.date(2013, 1, 21),
    datetime.date(2013, 2, 18),
    datetime.date(2013, 5, 27),
    datetime.date(2013, 7, 4),
    datetime.date(2013, 9, 2),
    datetime.date(2013, 10, 14),
    datetime.date(2013, 11, 11),
    datetime.date(2013, 11, 28),
    datetime.date(2013, 12, 25),
    datetime.date(2014, 1, 1),
]
FAR = 7  # days: a holiday that is further away does not matter


def calendar_columns(dates: pa.ChunkedArray) -> dict[str, pa.Array]:
    """`weekday` (0 is Monday) and `holiday_distance` (days to the nearest holiday) for each date."""
    return {
        "weekday": pc.cast(pc.day_of_week(dates), pa.int8()),
        "holiday_distance": pa.array(holiday_distance(dates)),
    }


def holiday_distance(dates: pa.ChunkedArray) -> numpy.ndarray:
    """Days from each date to the nearest holiday before or after it, at most `FAR`."""
    days = dates.to_numpy().astype("datetime64[D]")
    holidays = numpy.array(HOLIDAYS, dtype="datetime64[D]")
    distances = numpy.abs(days[:, None] - holidays[None, :]).min(axis=1).astype(int)
    return numpy.minimum(distances, FAR).astype(numpy.int8)
