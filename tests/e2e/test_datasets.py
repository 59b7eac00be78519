"""Datasets in pipelines: what arrives in a step, which steps a new version costs, and what is recorded of it."""

import contextlib
import io
import json
import os
import signal
from contextlib import redirect_stderr, redirect_stdout

import pytest
from conftest import Result, wait_for

from pipelinekit import Dataset, StepStatus, Workspace
from pipelinekit.authoring.loading import load_pipeline
from pipelinekit.cli.main import main

FILES = """
    import os
    import time
    from pathlib import Path
    from pipelinekit import Dataset, File, Folder, dataset, pipeline, step

    @step
    def count(file: File) -> int:
        return len(file.read_text().split())

    @step
    def total(counts: list[int]) -> int:
        return sum(counts)

    @step
    def names(folder: Folder) -> list[str]:
        return sorted(path.name for path in folder.iterdir())

    @pipeline
    def per_file(days: list[File] = Dataset("days").files):
        return total(count.map(days))

    @pipeline
    def written():
        return {"total": total(count.map(Dataset("days").files)), "names": names(dataset("days@1"))}

    @pipeline
    def whole(days: Folder):
        return names(days)
"""

OUTPUTS = """
    import os
    import time
    from pathlib import Path
    from typing import NamedTuple
    from pipelinekit import Dataset, File, pipeline, step

    @step(register="report")
    def report(n: int) -> File:
        Path("out.txt").write_text(str(n % 10))
        return File("out.txt")

    @step(register="never")
    def check(report: File, n: int) -> File:
        if n < 0:
            raise ValueError("no")
        while Path(os.environ.get("WAIT", "/nothing")).exists():
            time.sleep(0.02)
        return report

    @step
    def read(report: File) -> str:
        return report.read_text()

    @pipeline
    def make(n: int = 1):
        return check(report(n), n)

    @pipeline
    def use(report: File = Dataset("report")):
        return read(report)
"""


@pytest.fixture
def days(project):
    """A project with a dataset of two files."""
    project.write(main=FILES)
    folder = project.folder / "days"
    folder.mkdir()
    (folder / "1.txt").write_text("a b")
    (folder / "2.txt").write_text("c")
    here(project, "datasets", "register", "days", "days/*.txt")
    return project


def here(project, *words, code=0):
    """Run a command in this process: it starts no other, and imports what is loaded already."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(project.folder), redirect_stdout(out), redirect_stderr(err):
        ended = main(words)
    assert ended == code, err.getvalue()
    return Result(ended, out.getvalue(), err.getvalue())


def taken(project, run):
    uses = here(project, "datasets", "lineage", "--run", run, "--json").json["uses"]
    return {(use["direction"], f"{use['name']}@{use['version']}", use["place"]) for use in uses}


def test_one_new_file_costs_one_new_step(days):
    run = days.run("main.py:per_file", "--in-process")
    assert run["outputs"] == {"output": 3}
    assert taken(days, run["id"]) == {("input", "days@1", "days")}
    assert days("runs", "show", run["id"], "--json").json["datasets"][0]["name"] == "days"
    (days.folder / "days" / "3.txt").write_text("d e f")
    assert days.executed("main.py:per_file", "--in-process") == [], "version 1 stays what it was"
    here(days, "datasets", "register", "days", "days/*.txt", "--create-new-version")
    run = days.run("main.py:per_file", "--in-process")
    assert [step["name"] for step in run["steps"] if step["status"] == "Completed"] == ["count[2]", "total"]
    assert run["outputs"] == {"output": 6}
    assert taken(days, run["id"]) == {("input", "days@2", "days")}
    assert days.run("main.py:per_file", "--in-process", "-p", "days=dataset:days@1")["outputs"] == {"output": 3}
    days("runs", "resume", run["id"])
    latest = days("runs", "list", "--json").json["runs"][0]["id"]
    assert taken(days, latest) == {("input", "days@2", "days")}


def test_a_dataset_that_is_written_into_a_pipeline_is_resolved_when_the_run_starts(days):
    run = days.run("main.py:written", "--in-process")
    assert run["outputs"] == {"total": 3, "names": ["1.txt", "2.txt"]}
    assert taken(days, run["id"]) == {("input", "days@1", "")}
    days("compile", "main.py:written", "-o", "graph.json")
    (days.folder / "days" / "3.txt").write_text("d")
    here(days, "datasets", "register", "days", "days/*.txt", "--create-new-version")
    run = days.run("graph.json")
    assert run["outputs"] == {"total": 4, "names": ["1.txt", "2.txt"]}
    assert taken(days, run["id"]) == {("input", "days@1", ""), ("input", "days@2", "")}


def test_equal_content_under_another_name_runs_nothing(days):
    days.run("main.py:whole", "--in-process", "-p", "days=dataset:days")
    (days.folder / "copy").mkdir()
    for name in ("1.txt", "2.txt"):
        (days.folder / "copy" / name).write_text((days.folder / "days" / name).read_text())
    here(days, "datasets", "register", "copied", "copy")
    assert days.executed("main.py:whole", "--in-process", "-p", "days=dataset:copied@latest") == []
    assert days.executed("main.py:whole", "--in-process", "-p", "days=copy") == [], "nor does the folder itself"


def test_what_cannot_be_taken_is_told_before_anything_starts(days):
    for words, said in (
        (("main.py:whole", "-p", "days=dataset:nothing"), "there is no dataset 'nothing'"),
        (("main.py:whole", "-p", "days=dataset:days@7"), "there is no dataset days@7"),
        (("main.py:whole", "-p", "days=dataset:days@x"), "names no version of a dataset"),
    ):
        assert said in days("run", *words, code=2).err
    days.write(other="from pipelinekit import Dataset, pipeline, step\n\n@step\ndef f(n: int) -> int:\n    return n\n\n@pipeline\ndef main():\n    return f(Dataset('days'))\n")  # fmt: skip
    assert "expected int, got the dataset 'days@latest'" in days("run", "other.py", code=2).err
    (days.folder / "days" / "2.txt").write_text("changed")
    assert "1 of 2 files (2.txt) changed" in days("plan", "main.py:per_file", code=2).err
    assert days("runs", "list", "--json").json["runs"] == []


def test_scripts_and_commands_get_the_path(days):
    days.write(
        shell="""
        from pipelinekit import CommandStep, Dataset, File, pipeline
        listing = CommandStep(["sh", "-c", "ls $0 > $1", "{inputs.days}", "{outputs.names}"], inputs=["days"],
            outputs=["names"], register={"names": "names"})

        @pipeline
        def main():
            return listing(days=Dataset("days"))
        """
    )
    run = days.run("shell.py", "--in-process")
    here(days, "datasets", "download", "names", "--to", "out")
    (found,) = (days.folder / "out").iterdir()
    assert found.read_text().split() == ["1.txt", "2.txt"]
    assert taken(days, run["id"]) == {("input", "days@1", ""), ("output", "names@1", "sh.names")}


def test_a_handle_is_pinned_and_a_name_follows(days):
    workspace = Workspace.open(days.folder)
    handle = workspace.datasets.get("days")
    (days.folder / "days" / "3.txt").write_text("d")
    workspace.datasets.register("days", Dataset.file(str(days.folder / "days" / "*.txt")), create_new_version=True)
    days.write(followed_datasets=FILES)
    pipeline = load_pipeline(f"{days.folder / 'followed_datasets.py'}:whole")
    runs = [
        workspace.submit(pipeline, parameters={"days": given}, compute="in-process").wait()
        for given in (handle, Dataset("days"), Dataset("days", version=1), "dataset:days@1")
    ]
    assert [len(run.outputs["output"].load()) for run in runs] == [2, 3, 2, 2]
    assert [use.version for use in workspace.datasets.lineage("days")] == [1, 1, 2, 1]


# -- outputs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def outputs(project):
    return project.write(main=OUTPUTS)


def versions(project, name="report"):
    listed = here(project, "datasets", "list", "--json").json["datasets"]
    return next((item["version"] for item in listed if item["name"] == name), 0)


def test_an_output_becomes_a_version_once_for_each_content(outputs):
    first = outputs.run("main.py:make", "--in-process")
    assert (versions(outputs), versions(outputs, "never")) == (1, 1)
    again = outputs.run("main.py:make", "--in-process")
    assert versions(outputs) == 1, "what was reused is the same"
    assert outputs.run("main.py:use", "--in-process")["outputs"] == {"output": "1"}
    outputs.run("main.py:make", "--in-process", "-p", "n=11")
    assert versions(outputs) == 1, "what came out again is the same"
    outputs.run("main.py:make", "--in-process", "-p", "n=2")
    assert versions(outputs) == 2
    assert outputs.run("main.py:use", "--in-process")["outputs"] == {"output": "2"}
    outputs.run("main.py:make", "--in-process")
    assert versions(outputs) == 3, "the newest is what the newest run gave"
    assert outputs.run("main.py:use", "--in-process")["outputs"] == {"output": "1"}
    found = here(outputs, "datasets", "lineage", "report@1", "--json").json["uses"]
    made = [use["run"] for use in found if use["direction"] == "output"]
    assert {first["id"], again["id"]} <= set(made)
    assert [use["place"] for use in found if use["direction"] == "input"] == ["report"]


def test_a_failed_step_registers_nothing_and_those_that_succeeded_do(outputs):
    outputs.run("main.py:make", "--in-process", "-p", "n=-1", code=1)
    assert (versions(outputs), versions(outputs, "never")) == (1, 0)
    found = outputs("runs", "resume", code=1)
    assert "ModuleNotFoundError" not in found.out + found.err, "what ran in its own process goes on in another"


def test_a_driver_that_is_killed_registers_nothing_and_the_resumed_run_does(outputs, tmp_path):
    wait = tmp_path / "wait"
    wait.touch()
    process = outputs.start("run", "main.py:make", env={"WAIT": str(wait)}, start_new_session=True)

    def reported():
        listed = outputs("runs", "list", "--json").json["runs"] if (outputs.home / "records.db").exists() else []
        if not listed:
            return False
        steps = outputs("runs", "show", "--json").json["steps"]
        return [step["status"] for step in steps] == ["Completed", "Running"]

    wait_for(reported)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait.unlink()
    assert versions(outputs) == 0
    outputs("runs", "resume", env={"WAIT": str(wait)})
    assert (versions(outputs), versions(outputs, "never")) == (1, 1)


def test_what_cannot_be_registered_is_a_fault_of_the_pipeline(project):
    project.write(
        main="""
        from pipelinekit import File, pipeline, step

        @step(register="x")
        def number(n: int) -> int:
            return n

        @step(register={"nothing": "x"})
        def file(n: int) -> File:
            return File(__file__)

        @pipeline
        def main():
            number(1)
            file(1)
        """
    )
    said = project("run", "main.py", code=2).err
    assert "its output 'output' is int: only tables, files and folders can be registered" in said
    assert "register names 'nothing', which is none of its outputs (output)" in said


MAPPED = """
    from pathlib import Path
    import pyarrow as pa
    from pipelinekit import Dataset, File, dataset, pipeline, step

    @step(register="texts")
    def text(n: int) -> File:
        if n < 0:
            raise ValueError("no")
        Path("out.csv").write_text(f"n\\n{n}\\n")
        return File("out.csv")

    @step(register="tables")
    def table(n: int) -> pa.Table:
        return pa.table({"n": [n, n + 1]})

    @step
    def read(text: File) -> str:
        return text.read_text()

    @step
    def count(texts: list[File]) -> int:
        return len(texts)

    @step
    def total(table: pa.Table) -> int:
        return sum(table["n"].to_pylist())

    @pipeline
    def make(numbers: list[int]):
        texts = text.map(numbers)
        return {"read": read.map(texts), "count": count(texts), "each": total.map(table.map(numbers))}

    @pipeline
    def use():
        texts, tables = Dataset("texts").files, Dataset("tables").files
        return {"read": read.map(texts), "count": count(texts), "each": total.map(tables), "all": total(dataset("tables"))}
"""


def test_a_mapped_step_registers_one_version_of_all_its_elements(project):
    project.write(main=MAPPED)
    project.run("main.py:make", "--in-process", "-p", "numbers=[1, 2, -1]", code=1)
    assert here(project, "datasets", "list", "--json").json["datasets"] == [], "one of the elements failed"
    made = project.run("main.py:make", "--in-process", "-p", "numbers=[1, 2]")
    assert taken(project, made["id"]) == {("output", "texts@1", "text.output"), ("output", "tables@1", "table.output")}
    assert [item["path"] for item in _files_of(project, "texts")] == ["00000.csv", "00001.csv"]
    shown = here(project, "datasets", "show", "tables", "--json").json
    assert [row["n"] for row in shown["preview"]] == [1, 2, 2, 3]
    used = project.run("main.py:use", "--in-process")
    executed = [step["name"] for step in used["steps"] if step["status"] == "Completed"]
    assert executed == ["total-2"], "what comes file by file is what came behind the mapped steps"
    assert used["outputs"] == {**made["outputs"], "all": 8}
    project.run("main.py:make", "--in-process", "-p", "numbers=[]")
    assert versions(project, "texts") == 1, "no element, no version"
    for path in (project.home / "blobs").rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    project("gc", "--keep-runs", "0", "--unused-days", "0", "--grace", "1")
    assert project.run("main.py:use", "--in-process")["outputs"]["all"] == 8, "clean-up keeps what is registered"
    assert here(project, "fsck").code == 0


def _files_of(project, name):
    here(project, "datasets", "download", name, "--to", "got")
    return [{"path": path.name} for path in sorted((project.folder / "got").iterdir())]


def test_clean_up_keeps_what_a_registered_dataset_holds(outputs):
    outputs.run("main.py:make", "--in-process")
    outputs.run("main.py:make", "--in-process", "-p", "n=2")
    for path in (outputs.home / "blobs").rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    os.utime(outputs.home / "records.db")
    outputs("gc", "--keep-runs", "0", "--unused-days", "0", "--grace", "1")
    assert outputs.run("main.py:use", "--in-process", "-p", "report=dataset:report@1")["outputs"] == {"output": "1"}


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_table_arrives_as_the_step_asks(project):
    project.write(
        tables_of_datasets="""
        import pandas as pd
        import polars as pl
        import pyarrow as pa
        import pyarrow.dataset as ds
        from pathlib import Path
        from pipelinekit import Dataset, pipeline, step

        @step
        def arrow(table: pa.Table) -> list[str]:
            return table.column_names

        @step
        def pandas(table: pd.DataFrame) -> int:
            return int(table["a"].sum())

        @step
        def polars(table: pl.DataFrame) -> int:
            return table.height

        @step
        def lazy(table: ds.Dataset) -> int:
            return table.count_rows()

        @step
        def path(table: Path) -> list[str]:
            return sorted(item.name for item in table.iterdir())

        @step
        def each(table: pa.Table) -> int:
            return table.num_rows

        @pipeline
        def main(table: pa.Table = Dataset("sales"), some: pa.Table = Dataset("sales").filter(("a", ">", 1)).keep_columns("a")):
            return {
                "arrow": arrow(some), "pandas": pandas(table), "polars": polars(some), "lazy": lazy(table),
                "path": path(Dataset("sales")), "each": each.map(Dataset("sales").files),
            }
        """
    )
    (project.folder / "data").mkdir()
    (project.folder / "data" / "1.csv").write_text("a,b\n1,x\n2,y\n")
    (project.folder / "data" / "2.csv").write_text("a,b\n3,z\n")
    here(project, "datasets", "register", "sales", "data/*.csv", "--tabular")
    workspace = Workspace.open(project.folder)
    pipeline = load_pipeline(str(project.folder / "tables_of_datasets.py"))

    def submit():
        run = workspace.submit(pipeline, compute="in-process").wait()
        executed = [step.name for step in run.steps if step.status is StepStatus.COMPLETED]
        return executed, {name: output.load() for name, output in run.outputs.items()}

    _, outputs = submit()
    assert outputs == {
        "arrow": ["a"], "pandas": 6, "polars": 2, "lazy": 3, "path": ["1.csv", "2.csv"], "each": [2, 1],
    }  # fmt: skip
    assert submit()[0] == []
    (project.folder / "data" / "3.csv").write_text("a,b\n9,z\n")
    here(project, "datasets", "register", "sales", "data/*.csv", "--tabular", "--create-new-version")
    assert submit()[0] == ["arrow", "pandas", "polars", "lazy", "path", "each[2]"]


def test_every_verb_gives_a_document(project):
    (project.folder / "data").mkdir()
    (project.folder / "data" / "1.csv").write_text("a,b\n1,x\n2,\n")
    assert (
        here(project, "datastores", "register", "raw", "data", "--default", "--json").json["url"].startswith("file:///")
    )
    assert here(project, "datastores", "list", "--json").json["datastores"][0]["default"] is True
    assert here(project, "datastores", "files", "raw", "--json").json == {"files": [{"path": "1.csv", "size": 11}]}
    assert here(project, "datastores", "upload", "raw", "data/1.csv", "x", "--json").json["uploaded"] == ["x/1.csv"]
    assert here(project, "datastores", "download", "raw", "x/*", "--to", "out", "--json").json["downloaded"] == [
        "x/1.csv"
    ]
    assert here(project, "datastores", "show", "raw", "--json").json["kind"] == "local"
    made = here(
        project, "datasets", "register", "t", "*.csv", "--store", "raw", "--tabular", "--tag", "k=v", "--json"
    ).json
    assert (made["version"], made["rows"], made["tags"]) == (1, 2, {"k": "v"})
    shown = here(project, "datasets", "show", "t", "--json").json
    assert shown["preview"] == [{"a": 1, "b": "x"}, {"a": 2, "b": ""}]
    assert shown["profile"]["columns"][0]["max"] == "2"
    assert here(project, "datasets", "update", "t", "--description", "d", "--json").json["description"] == "d"
    assert here(project, "datasets", "lineage", "t", "--json").json == {"uses": []}
    assert len(here(project, "datasets", "download", "t", "--to", "got", "--json").json["files"]) == 1
    assert here(project, "datasets", "unregister", "t", "--json").json == {"name": "t", "unregistered": 1}
    assert here(project, "datastores", "unregister", "raw", "--json").json["name"] == "raw"
    assert json.loads(here(project, "datasets", "show", "t", "--json", code=2).out)["error"]["code"] == "not_found"
