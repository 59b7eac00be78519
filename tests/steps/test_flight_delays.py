"""The helpers of the example, on rows made up for the purpose."""

from __future__ import annotations

import datetime
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "flight_delays"
NAMES = ("features", "calendar_features", "get_data")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(EXAMPLE)
    kept = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    yield {name: __import__(name) for name in NAMES}
    for name in NAMES:
        del sys.modules[name]
    sys.modules.update(kept)


def flights(**changes: list[object]) -> pa.Table:
    at = datetime.datetime(2013, 7, 3, 21, tzinfo=datetime.UTC)
    columns: dict[str, list[object]] = {
        "year": [2013, 2013, 2013],
        "month": [7, 7, 7],
        "day": [3, 4, 31],
        "sched_dep_time": [1745, 5, 2359],
        "sched_arr_time": [2400, 1, 130],
        "arr_delay": [-3.0, 12.0, None],
        "carrier": ["UA", "AA", "B6"],
        "flight": [1, 2, 3],
        "tailnum": ["N1", "N2", None],
        "origin": ["EWR", "EWR", "JFK"],
        "dest": ["IAH", "MIA", "BOS"],
        "distance": [1400, 1089, 187],
        "time_hour": [at, at, at],
    }
    return pa.table({**columns, **changes})


def test_columns_of_a_flight(example: dict[str, ModuleType]) -> None:
    rows = example["features"].flight_columns(flights()).to_pylist()
    assert len(rows) == 2  # the third did not arrive
    first, second = rows
    assert first["date"] == datetime.date(2013, 7, 3)
    assert (first["weekday"], first["holiday_distance"]) == (2, 1)
    assert (second["weekday"], second["holiday_distance"]) == (3, 0)
    assert (first["departure_hour"], first["departure_minute"], first["arrival_minute"]) == (17, 17 * 60 + 45, 0)
    assert (second["departure_hour"], second["departure_minute"], second["arrival_minute"]) == (0, 5, 1)
    assert first["departures_in_hour"] == 2


def test_weather_and_planes_are_looked_up(example: dict[str, ModuleType]) -> None:
    features = example["features"]
    table = features.flight_columns(flights(arr_delay=[1.0, 2.0, 3.0]))
    hour = flights()["time_hour"][0].as_py()
    weather = pa.table(
        {"origin": ["JFK", "EWR"], "time_hour": [hour, hour], **{name: [1.0, 2.0] for name in features.WEATHER}}
    )
    joined = features.weather_columns(table, weather)
    assert joined["temp"].to_pylist() == [2.0, 2.0, 1.0]
    planes = pa.table({"tailnum": ["N2", "N1"], "year": [2003, None], "seats": [100, 200]})
    joined = features.plane_columns(joined, planes)
    assert joined["plane_age"].to_pylist() == [None, 10, None]
    assert joined["seats"].to_pylist() == [200, 100, None]


def test_data_is_written_once(example: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("weather.csv", "planes.csv"):
        (source / name).write_text("a\n1\n")
    rows = [f"2013,{month},1,x\n" for month in (1, *range(1, 13))]
    with zipfile.ZipFile(source / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "".join(["year,month,day,x\n", *rows]))
    get_data = example["get_data"]
    monkeypatch.setattr(get_data, "find_source", lambda: source)
    folder = tmp_path / "data"
    assert len(get_data.write_data(folder)) == 14
    january = folder / "flights-2013-01.csv"
    assert january.read_text() == "year,month,day,x\n2013,1,1,x\n2013,1,1,x\n"
    january.write_text("edited")
    (folder / "planes.csv").unlink()
    assert get_data.write_data(folder) == [folder / "planes.csv"]
    assert january.read_text() == "edited"
    get_data.write_data(folder, force=True)
    assert january.read_text().startswith("year")
    assert sorted(path.suffix for path in folder.iterdir()) == [".csv"] * 14
