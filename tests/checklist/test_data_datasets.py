"""Datasets as their users see them: registered, followed, checked, transformed, taken in, given out."""

import datetime

import pyarrow as pa
import pytest
from data_flows import executed, here, json_of, submit, values, write

from pipelinekit import Dataset, Workspace, dataset
from pipelinekit.errors import ConflictError, NotFoundError, UsageError


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path)


@pytest.fixture
def days(tmp_path):
    """A folder of two days."""
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "mon.csv").write_text("shop,sold,at\nnorth,3,2024-01-01\nsouth,5,2024-01-01\n")
    (tmp_path / "days" / "tue.csv").write_text("shop,sold,at\nnorth,4,2024-01-02\n")
    return tmp_path / "days"


STEPS = """
    import datetime
    from pathlib import Path
    from typing import NamedTuple
    import pandas
    import pyarrow
    import pyarrow.dataset
    from pipelinekit import Dataset, File, PythonScriptStep, dataset, pipeline, step

    class Parts(NamedTuple):
        big: pyarrow.Table
        page: File

    @step(register={"big": "big", "page": "page"})
    def parts(table: pandas.DataFrame, least: int) -> Parts:
        Path("page.html").write_text(str(len(table)))
        return Parts(pyarrow.Table.from_pandas(table[table["sold"] >= least], preserve_index=False), File("page.html"))

    @step
    def rows(table: pyarrow.dataset.Dataset) -> int:
        return table.count_rows()

    script = PythonScriptStep("look.py", "scripts", ["{inputs.days}", "{outputs.seen}"], inputs=["days"], outputs=["seen"])

    @pipeline
    def make(table: pandas.DataFrame = dataset("sales"), least: int = 4):
        return {"page": parts(table, least).page, "seen": script(days=Dataset("sales")).seen}

    @pipeline
    def follow(table: pyarrow.Table = Dataset("big").filter(("at", ">", datetime.date(2024, 1, 1)))):
        return rows(table)
"""
SCRIPT = """
    import os, sys
    from pathlib import Path
    from pipelinekit import get_context
    names = sorted(path.name for path in Path(sys.argv[1]).iterdir())
    assert os.environ["AZUREML_DATAREFERENCE_days"] == os.environ["PIPELINEKIT_INPUT_days"] == sys.argv[1]
    assert os.environ["AZUREML_DATAREFERENCE_seen"] == sys.argv[2]
    Path(sys.argv[2]).write_text(" ".join(names))
"""


def test_a_dataset_from_its_registration_to_what_was_made_of_it(workspace, days, tmp_path):
    made = json_of(tmp_path, "datasets", "register", "sales", "days/*.csv", "--tabular", "--tag", "kind=raw")
    assert (made["version"], made["rows"], made["tags"]) == (1, 3, {"kind": "raw"})
    with pytest.raises(ConflictError, match="there is a dataset 'sales' already"):
        workspace.datasets.register("sales", Dataset.tabular(str(days / "mon.csv")))
    with pytest.raises(ConflictError, match="registered already, as sales@1"):
        workspace.datasets.register("same", Dataset.tabular(str(days / "*.csv")))
    file = write(tmp_path, "steps_of_datasets", STEPS)
    (tmp_path / "scripts").mkdir()
    write(tmp_path / "scripts", "look", SCRIPT)
    first = submit(workspace, file, "make")
    assert {name: path.read_text() for name, path in values(first).items()} == {"page": "3", "seen": "mon.csv tue.csv"}
    (days / "wed.csv").write_text("shop,sold,at\nsouth,9,2024-01-03\n")
    assert executed(submit(workspace, file, "make")) == [], "the version is what it was"
    json_of(tmp_path, "datasets", "register", "sales", "days/*.csv", "--tabular", "--create-new-version")
    second = submit(workspace, file, "make")
    assert executed(second) == ["parts", "look"]
    assert executed(submit(workspace, file, "make", table=workspace.datasets.get("sales", 1))) == []
    followed = submit(workspace, file, "follow", table=dataset("big@2").filter(("at", ">", datetime.date(2024, 1, 1))))
    assert values(followed) == {"output": 2}
    given = {(use.run, use.direction, use.place) for use in workspace.datasets.lineage("big", 2)}
    assert given == {(second.id, "output", "parts.big"), (followed.id, "input", "table")}
    back = json_of(tmp_path, "datasets", "lineage", "--run", second.id)["uses"]
    assert {(use["direction"], use["name"], use["version"]) for use in back} == {
        ("input", "sales", 2), ("output", "big", 2), ("output", "page", 2),
    }  # fmt: skip
    assert json_of(tmp_path, "datasets", "show", "big@2")["run"] == second.id
    assert [item["version"] for item in json_of(tmp_path, "datasets", "list", "sales")["datasets"]] == [2, 1]
    assert workspace.datasets.unregister("sales") == 2
    assert (days / "mon.csv").is_file()


def test_what_changed_behind_a_version_is_said_when_one_asks(workspace, days, tmp_path):
    workspace.datasets.register("days", Dataset.file(str(days / "*.csv")))
    assert json_of(tmp_path, "datasets", "check", "days") == {
        "dataset": "days@1", "changed": [], "gone": [], "new": [],
    }  # fmt: skip
    (days / "mon.csv").write_text("other")
    (days / "tue.csv").unlink()
    (days / "wed.csv").write_text("new")
    found = workspace.datasets.check("days")
    assert (found.changed, found.gone, found.new) == (("mon.csv",), ("tue.csv",), (str(days / "wed.csv"),))
    said = here(tmp_path, "datasets", "check", "days", code=1).out
    assert "changed  mon.csv" in said
    assert "datasets register days ... --create-new-version" in said
    for path in days.iterdir():
        path.unlink()
    days.rmdir()
    assert workspace.datasets.check("days@1").gone == ("mon.csv", "tue.csv")
    days.mkdir()
    two = [str(days / "mon.csv"), str(days / "tue.csv")]
    for path in two:
        with open(path, "w") as stream:
            stream.write(path)
    workspace.datasets.register("two", Dataset.file(two))
    (days / "tue.csv").unlink()
    assert workspace.datasets.check("two").gone == ("tue.csv",), "the other source is there"
    workspace.datastores.register("raw", days.parent, default=True)
    workspace.datasets.register_table("t", pa.table({"n": [1]}))
    assert not workspace.datasets.check("t").changed
    workspace.datastores.unregister("raw")
    with pytest.raises(NotFoundError, match="there is no datastore 'raw'"):
        workspace.datasets.check("t")


def test_rows_are_chosen_by_time_wherever_the_choice_is_written(workspace, days):
    early = Dataset.tabular(str(days / "*.csv")).filter(("at", "<", datetime.date(2024, 1, 2)))
    registered = workspace.datasets.register("early", early)
    assert registered.to_pandas()["sold"].tolist() == [3, 5]
    assert json_of(days.parent, "datasets", "show", "early")["definition"]["recipe"] == [
        ["filter", [["at", "<", {"$date": "2024-01-02"}]]]
    ]
    late = dataset("early").filter(("at", "in", [datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1, 12)]))
    assert dataset(late.reference.text()).reference == late.reference
    assert dataset(Dataset("x").filter(("a", "==", b"\0")).reference.text()).reference.recipe[0][1] == [
        ["a", "==", b"\0"]
    ]
    with pytest.raises(UsageError, match=r"compares a column with a value of another type: \(date32\[day\], string\)"):
        registered.filter(("at", ">", "2024-01-01")).to_arrow()
    with pytest.raises(UsageError, match=r"is not allowed: value is a builtins\.object"):
        registered.filter(("at", ">", object()))
