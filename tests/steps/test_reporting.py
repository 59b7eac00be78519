from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy
import pyarrow as pa
import pytest
from pipelinekit_steps.columns import TableError
from pipelinekit_steps.reporting import plot_importance, plot_means, plot_predictions, show_number, write_report

from pipelinekit import File

RANDOM = numpy.random.default_rng(2)
TABLE = pa.table(
    {
        "hour": [hour % 24 for hour in range(480)],
        "delay": RANDOM.normal(size=480),
        "prediction": RANDOM.normal(size=480),
        "word": ["x"] * 480,
        "id": list(range(480)),
    }
)
IMPORTANCE = pa.table({"feature": ["a", "b"], "importance": [0.5, -0.01], "deviation": [0.1, 0.02]})
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_reporting import draw_all
draw_all()
"""


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw_all() -> list[File]:
    figures = [
        plot_means(TABLE, "hour", "delay"),
        plot_predictions(TABLE, "delay", unit="minutes", name="predictions.svg"),
        plot_importance(IMPORTANCE),
    ]
    return [
        *figures,
        plot_importance(IMPORTANCE, name="importance.pdf"),
        write_report("Delays", {"Numbers": {"rows": 480}}, figures),
    ]


def test_another_process_with_other_settings_makes_the_same_bytes(inside: Path) -> None:
    other = inside / "other"
    other.mkdir()
    (other / "matplotlibrc").write_text("axes.facecolor: red\nfont.size: 30\n")
    surroundings = {**os.environ, "PYTHONHASHSEED": "7", "MPLBACKEND": "svg", "SOURCE_DATE_EPOCH": "0"}
    subprocess.run([sys.executable, "-c", SCRIPT, str(Path(__file__).parent)], cwd=other, env=surroundings, check=True)
    for file in draw_all():
        assert file.read_bytes() == (other / file).read_bytes(), file


def test_pictures_are_pictures_of_a_sensible_size() -> None:
    for file in (plot_means(TABLE, "hour", "delay"), plot_predictions(TABLE, "delay"), plot_importance(IMPORTANCE)):
        data = file.read_bytes()
        assert data.startswith(b"\x89PNG")
        width, height = (int.from_bytes(data[place : place + 4], "big") for place in (16, 20))
        assert width == 1152
        assert 300 < height < 1000


def test_settings_of_the_process_stay_as_they_were() -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 13}):
        plot_means(TABLE, "hour", "delay")
        assert matplotlib.rcParams["font.size"] == 13


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(TableError, match="column 'word' is of type string, it must hold numbers"):
        plot_means(TABLE, "hour", "word")
    with pytest.raises(TableError, match="column 'id' has 480 values, too many for one bar each"):
        plot_means(TABLE, "id", "delay")
    with pytest.raises(TableError, match="the table has no column 'dely'"):
        plot_predictions(TABLE, "dely")
    with pytest.raises(TableError, match="no row that has both an actual and a predicted number"):
        plot_predictions(TABLE.slice(0, 0), "delay")
    with pytest.raises(TableError, match="the table has no column 'importance', 'deviation'"):
        plot_importance(IMPORTANCE.select(["feature"]))


def test_nulls_and_single_rows_can_be_drawn() -> None:
    table = pa.table({"g": [1, None, 2], "v": [1.0, 2.0, None], "prediction": [1.0, None, float("nan")]})
    plot_means(table, "g", "v")
    plot_predictions(table, "v")
    plot_importance(IMPORTANCE.slice(0, 0))


def test_a_report_stands_alone_and_escapes_what_it_shows() -> None:
    figure = plot_means(TABLE, "hour", "delay")
    report = write_report(
        "A < B",
        {"Z": {"two_words": 1234567, "share": 0.123456}, "A": {"x": "<b>"}},
        [figure],
        text="One.\n\nTwo & three.",
    )
    page = report.read_text(encoding="utf-8")
    assert report.name == "report.html"
    assert "<h1>A &lt; B</h1>" in page
    assert "<p>One.</p>\n<p>Two &amp; three.</p>" in page
    assert page.index("<h2>A</h2>") < page.index("<h2>Z</h2>")
    assert "<tr><th>two words</th><td>1,234,567</td></tr>" in page
    assert "<td>0.1235</td>" in page
    assert "<td>&lt;b&gt;</td>" in page
    assert page.count("data:image/png;base64,") == 1
    assert "http" not in page


def test_the_order_of_a_dict_makes_no_difference() -> None:
    one = write_report("T", {"A": {"x": 1, "y": 2}, "B": {}}, [], name="1.html").read_bytes()
    assert one == write_report("T", {"B": {}, "A": {"y": 2, "x": 1}}, [], name="2.html").read_bytes()


def test_a_figure_must_be_a_picture() -> None:
    Path("table.csv").write_text("a\n")
    with pytest.raises(TableError, match=r"table\.csv is no picture") as caught:
        write_report("T", {}, [File("table.csv")])
    assert ".svg" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (1234.56, "1,234.6"),
        (0.00012345, "0.0001234"),
        (True, "True"),
        ("x", "x"),
        (-5, "-5"),
        (None, "None"),
    ],
)
def test_numbers_for_people(value: object, text: str) -> None:
    assert show_number(value) == text
