"""What is known of a flight before it departs: from its own row, the calendar, the weather and the plane."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from calendar_features import calendar_columns

FLIGHT_TYPES = {
    "year": "int32",
    "month": "int8",
    "day": "int8",
    "sched_dep_time": "int32",
    "sched_arr_time": "int32",
    "arr_delay": "float64",
    "carrier": "string",
    "flight": "int32",
    "tailnum": "string",
    "origin": "string",
    "dest": "string",
    "distance": "int32",
    "time_hour": "timestamp[s, tz=UTC]",
}
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
FEATURES = [
    "month",
    "weekday",
    "holiday_distance",
    "departure_minute",
    "arrival_minute",
    "departures_in_hour",
    "carrier",
    "origin",
    "dest",
    "distance",
    "plane_age",
    "seats",
    *WEATHER,
]
RULES = {
    "month": {"type": "integer", "minimum": 1, "maximum": 12},
    "weekday": {"type": "integer", "minimum": 0, "maximum": 6},
    "holiday_distance": {"type": "integer", "minimum": 0},
    "departure_hour": {"type": "integer", "minimum": 0, "maximum": 23},
    "departure_minute": {"type": "integer", "minimum": 0, "maximum": 1439},
    "arrival_minute": {"type": "integer", "minimum": 0, "maximum": 1439},
    "departures_in_hour": {"type": "integer", "minimum": 1},
    "carrier": {"type": "text"},
    "origin": {"type": "text", "values": ["EWR", "JFK", "LGA"]},
    "dest": {"type": "text"},
    "distance": {"type": "integer", "minimum": 1, "maximum": 6000},
    "arr_delay": {"type": "number", "minimum": -180, "maximum": 1440},
    "plane_age": {"type": "integer", "nulls": 0.25, "minimum": 0, "maximum": 80},
    "seats": {"type": "integer", "nulls": 0.25, "minimum": 1, "maximum": 600},
    **{name: {"type": "number", "nulls": 0.2} for name in WEATHER},
}
DAY = 24 * 60  # minutes
KEY = ["date", "carrier", "flight", "origin", "departure_minute"]


def flight_columns(flights: pa.Table) -> pa.Table:
    """The flights that arrived, with the columns that can be told before they depart.

    Times of the day, which the data writes as 1745, become minutes since midnight.
    """
    dates = pc.strptime(_joined(flights, "year", "month", "day"), format="%Y-%m-%d", unit="s").cast(pa.date32())
    busy = _joined(flights, "origin", "time_hour")
    counts = pc.value_counts(busy)
    columns = {
        "date": dates,
        "month": flights["month"],
        **calendar_columns(dates),
        "departure_hour": pc.divide(flights["sched_dep_time"], 100).cast(pa.int8()),
        "departure_minute": minutes(flights["sched_dep_time"]),
        "arrival_minute": minutes(flights["sched_arr_time"]),
        "departures_in_hour": counts.field("counts").take(pc.index_in(busy, counts.field("values"))).cast(pa.int16()),
    }
    kept = ["carrier", "flight", "tailnum", "origin", "dest", "distance", "time_hour", "arr_delay"]
    table = pa.table({**columns, **{name: flights[name] for name in kept}})
    return table.filter(pc.is_valid(table["arr_delay"]))


def minutes(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Minutes since midnight of times written as 1745; midnight itself may be written as 2400."""
    hours = pc.divide(times, 100)
    past = pc.subtract(times, pc.multiply(hours, 100))
    total = pc.add(pc.multiply(hours, 60), past)
    return pc.if_else(pc.equal(total, DAY), 0, total).cast(pa.int16())


def weather_columns(flights: pa.Table, weather: pa.Table) -> pa.Table:
    """The flights with the weather where and when they were to depart; null where it was not recorded."""
    places = pc.index_in(_joined(flights, "origin", "time_hour"), _joined(weather, "origin", "time_hour"))
    return _with(flights, weather.select(WEATHER).take(places))


def plane_columns(flights: pa.Table, planes: pa.Table) -> pa.Table:
    """The flights with the age in years and the seats of their planes; null where the plane is not known."""
    found = planes.take(pc.index_in(flights["tailnum"], planes["tailnum"]))
    age = pc.subtract(2013, found["year"])
    return _with(flights, pa.table({"plane_age": age, "seats": found["seats"]}))


def _joined(table: pa.Table, *names: str) -> pa.ChunkedArray:
    """Columns as one text for each row, to look rows up by."""
    return pc.binary_join_element_wise(*(table[name].cast(pa.string()) for name in names), "-")


def _with(table: pa.Table, columns: pa.Table) -> pa.Table:
    for name in columns.column_names:
        table = table.append_column(name, columns[name])
    return table
