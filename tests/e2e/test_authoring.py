"""Ways of writing a pipeline, run for real: scripts and commands, several formats, branches, notebooks, plain scripts."""

import json
import subprocess
import sys
import textwrap

import pytest


def test_script_and_command_steps(project):
    project.write(
        scripts__prepare="""
        import argparse, os, pathlib
        parser = argparse.ArgumentParser()
        parser.add_argument("--data")
        parser.add_argument("--out")
        parser.add_argument("--rate", type=float)
        found = parser.parse_args()
        assert os.environ["PIPELINEKIT_INPUT_data"] == found.data
        assert os.environ["AZUREML_DATAREFERENCE_clean"] == found.out
        assert os.environ["AML_PARAMETER_rate"] == "0.5"
        lines = pathlib.Path(found.data).read_text().split()
        pathlib.Path(found.out).write_text("".join(f"{float(line) * found.rate}\\n" for line in lines))
        print("prepared", pathlib.Path("note.txt").read_text())
        """,
        mixed="""
        from pipelinekit import CommandStep, File, Folder, PythonScriptStep, pipeline, step
        import pyarrow

        prepare = PythonScriptStep(
            "prepare.py", "scripts", ["--data", "{inputs.data}", "--out={outputs.clean}", "--rate", "{inputs.rate}"],
            inputs={"data": File, "rate": float}, outputs=["clean"],
        )
        count = CommandStep(["sh", "-c", "wc -l < {inputs.file} > {outputs.lines}; mkdir -p {outputs.more}/sub; cp {inputs.file} {outputs.more}/sub/copy"],
                            inputs=["file"], outputs={"lines": File, "more": Folder}, name="count")
        show = CommandStep("sh -c 'ls -R {inputs.folder} > {outputs.out}'", inputs=["folder"], outputs=["out"])

        @step
        def read(file: File, folder: Folder) -> list[str]:
            return [file.read_text().strip(), (folder / "sub" / "copy").read_text()]

        @pipeline
        def mixed(data: File = File("data.txt"), rate: float = 0.5):
            clean = prepare(data=data, rate=rate)
            counted = count(file=clean.clean)
            show(folder=counted.more, after=counted)
            return {"read": read(counted.lines, counted.more), "clean": clean.clean}
        """,
    )
    (project.folder / "scripts" / "note.txt").write_text("note")
    (project.folder / "data.txt").write_text("2 4 6")
    document = project.run("mixed.py")
    assert document["outputs"]["read"] == ["3", "1.0\n2.0\n3.0\n"]
    assert "prepared note" in project("runs", "logs", "latest", "prepare").out
    assert project.executed("mixed.py") == []
    (project.folder / "scripts" / "note.txt").write_text("other")
    assert project.executed("mixed.py") == ["prepare"], "a script is keyed on its whole folder"
    assert project.executed("mixed.py", "-p", "rate=0.5") == []
    saved = project("runs", "outputs", "--save", "out").out.split()
    assert (project.folder / saved[0]).read_text() == "1.0\n2.0\n3.0\n"


def test_a_failing_script_is_told_with_its_code_and_log(project):
    project.write(
        bad="""
        from pipelinekit import CommandStep, pipeline
        fail = CommandStep("sh -c 'echo some output; echo some error >&2; exit 3'", name="fail")
        gone = CommandStep("no-such-program --help", name="gone")
        forgot = CommandStep("true", outputs=["out"], name="forgot")

        @pipeline
        def bad():
            fail(), gone(), forgot()
        """
    )
    document = project.run("bad.py", "--continue-on-step-failure", code=1)
    errors = {step["name"]: step["error"]["message"] for step in document["steps"]}
    assert errors["fail"].endswith("the command ended with exit code 3")
    assert "'no-such-program' was not found" in errors["gone"]
    assert errors["forgot"] == "output 'out' was not written"
    log = project("runs", "logs", "latest", "fail").out
    assert "some output" in log
    assert "some error" in log


@pytest.mark.long
def test_values_of_every_format_pass_between_steps(project):
    project.write(
        formats="""
        import datetime
        import enum
        from pathlib import Path
        from typing import Annotated, Literal, NamedTuple
        import numpy
        import pandas
        import polars
        import pyarrow
        from sklearn.linear_model import LinearRegression
        from pipelinekit import File, Folder, Format, pipeline, register_format, step

        class Color(enum.Enum):
            RED = 1

        class Sketch:
            def __init__(self, lines):
                self.lines = lines

        def write_sketch(sketch, path):
            path.write_text("/".join(sketch.lines))

        def read_sketch(path):
            return Sketch(path.read_text().split("/"))

        register_format(Sketch, "sketch", write=write_sketch, read=read_sketch)

        class Split(NamedTuple):
            left: pandas.DataFrame
            right: polars.DataFrame

        @step
        def table(n: int) -> pyarrow.Table:
            return pyarrow.table({"x": range(n), "y": [float(i) * 2 for i in range(n)]})

        @step
        def split(data: pandas.DataFrame) -> Split:
            return Split(data[:5], polars.from_pandas(data[5:]))

        @step
        def array(left: pandas.DataFrame, right: polars.DataFrame) -> numpy.ndarray:
            return numpy.concatenate([left.x.to_numpy(), right["x"].to_numpy()])

        @step
        def fit(x: numpy.ndarray) -> Annotated[LinearRegression, Format("joblib")]:
            return LinearRegression().fit(x.reshape(-1, 1), x * 3.0)

        @step
        def predict(model: LinearRegression, at: float) -> float:
            return round(model.predict([[at]])[0], 6)

        @step
        def folder(text: str) -> Folder:
            Path("out/deep").mkdir(parents=True)
            Path("out/deep/a.txt").write_text(text)
            return Folder("out")

        @step
        def file(folder: Folder) -> File:
            Path("b.txt").write_text((folder / "deep" / "a.txt").read_text() * 2)
            return File("b.txt")

        @step
        def draw(file: File, color: Color, when: datetime.date, size: Literal["s", "m"] = "s") -> Sketch:
            assert isinstance(color, Color)
            return Sketch([file.read_text(), color.name, when.isoformat(), size, file.suffix])

        @step
        def tell(sketch: Sketch, raw: bytes | None) -> dict[str, list[str]]:
            return {"lines": sketch.lines, "raw": [] if raw is None else [raw.decode()]}

        @step
        async def later(n: int) -> list[int]:
            return [i for i in range(n)]

        @pipeline
        def formats(color: Color = Color.RED, when: datetime.date = datetime.date(2024, 2, 29), raw: bytes | None = None):
            parts = split(table(10))
            model = fit(array(parts.left, parts.right))
            return {
                "predicted": predict(model, 4.0),
                "told": tell(draw(file(folder("hi")), color, when, size="m"), raw),
                "later": later(3),
                "table": parts.right,
            }
        """
    )
    document = project.run("formats.py")
    assert document["outputs"]["predicted"] == 12.0
    assert document["outputs"]["told"] == {"lines": ["hihi", "RED", "2024-02-29", "m", ".txt"], "raw": []}
    assert document["outputs"]["later"] == [0, 1, 2]
    assert document["outputs"]["table"]["format"] == "arrow"
    assert project.executed("formats.py") == []
    assert project.executed("formats.py", "-p", "raw=xyz") == ["tell"]
    assert project.executed("formats.py", "-p", "when=2024-03-01") == ["draw", "tell"]
    project.edit("formats.py", '"/".join', '"/" .join')
    assert project.executed("formats.py") == []
    project.edit("formats.py", "path.read_text().split", "path.read_text().strip().split")
    assert project.executed("formats.py") == ["draw", "tell"], "a format of one's own belongs to the steps that use it"


def test_files_and_folders_in_lists_dicts_and_unions(project):
    project.write(
        files="""
        from typing import TypedDict
        from pipelinekit import File, Folder, pipeline, step

        class Sizes(TypedDict):
            small: int
            large: int

        @step
        def read(file: File) -> str:
            return file.read_text()

        @step
        def look(place: File | Folder) -> list[str]:
            return sorted(path.name for path in place.iterdir()) if place.is_dir() else [place.read_text()]

        @step
        def named(files: dict[str, File], sizes: Sizes) -> dict[str, str]:
            return {name: file.read_text() * sizes["large"] for name, file in files.items()}

        @pipeline
        def files(parts: list[File] = [File("a.txt"), File("b.txt")], named_parts: dict[str, File] = {"a": "a.txt"},
                  place: File | Folder = "a.txt", sizes: Sizes = {"small": 1, "large": 2}):
            return {"read": read.map(parts), "look": look(place), "named": named(named_parts, sizes)}
        """
    )
    for name in ("a", "b", "c"):
        (project.folder / f"{name}.txt").write_text(name)
    assert project.run("files.py")["outputs"] == {"read": ["a", "b"], "look": ["a"], "named": {"a": "aa"}}
    again = project.run(
        "files.py", "-p", 'parts=["b.txt", "c.txt"]', "-p", "place=.", "-p", 'named_parts={"x": "c.txt"}'
    )
    assert again["outputs"]["read"] == ["b", "c"]
    assert {"a.txt", "files.py"} <= set(again["outputs"]["look"])
    assert again["outputs"]["named"] == {"x": "cc"}
    (project.folder / "b.txt").write_text("B")
    assert project.executed("files.py") == ["read[1]"]
    missing = project("run", "files.py", "-p", 'parts=["nowhere.txt", "a.txt"]', code=2)
    assert "nowhere.txt': No such file or directory" in missing.err


def test_values_take_the_form_that_the_type_declares(project):
    project.write(
        forms="""
        from dataclasses import dataclass
        from pipelinekit import pipeline, register_format, step

        @dataclass
        class Grid:
            cells: list[int]

        def write(grid, path):
            path.write_text(" ".join(map(str, grid.cells)))

        def read(path):
            return Grid([int(cell) for cell in path.read_text().split()])

        register_format(Grid, "grid", write=write, read=read)

        @step
        def half(n: float, more: list[float] = [1]) -> float:
            return [int(n), type(n).__name__, type(more[0]).__name__] and n if n != 4 else 4

        @step
        def name_of(x: float) -> str:
            return type(x).__name__

        @step
        def make() -> Grid:
            return Grid([1, 2])

        @step
        def count(grid: Grid) -> int:
            return sum(grid.cells)

        @pipeline
        def forms():
            return {"one": name_of(1), "two": name_of(1.0), "made": name_of(half(4)), "count": count(make())}
        """
    )
    document = project.run("forms.py")
    assert document["outputs"] == {"one": "float", "two": "float", "made": "float", "count": 3}
    status = {step["name"]: step["status"] for step in document["steps"]}
    assert (status["name_of"], status["name_of-2"]) == ("Completed", "Reused"), "1 and 1.0 are one value of a float"


def test_what_a_step_does_to_its_process_does_not_reach_the_next_step(project):
    project.write(
        leaks="""
        import os, sys
        from pipelinekit import pipeline, step

        @step
        def forks() -> int:
            return 1 if os.fork() else 2

        @step
        def changes() -> int:
            os.environ["LEFT_BY_CHANGES"] = "behind"
            sys.path.insert(0, "/nowhere")
            return os.getpid()

        @step
        def closes() -> int:
            os.close(1)
            sys.stdout.close()
            return 1

        @step
        def looks() -> list:
            print("looking")
            return [os.environ.get("LEFT_BY_CHANGES"), "/nowhere" in sys.path]

        @pipeline
        def leaks():
            first, second = forks(), changes(after=[])
            third = looks.options(cache_version="1")(after=[first, second])
            return [third, looks.options(cache_version="2")(after=closes(after=third)), first]
        """
    )
    document = project.run("leaks.py", env={"PIPELINEKIT_CORES": "1"})
    assert document["outputs"] == {"output": [[None, False], [None, False], 1]}
    for name in ("looks", "looks-2"):
        assert project("runs", "logs", "latest", name).out == "looking\n"


def test_branches_loops_sub_pipelines_and_order(project):
    project.write(
        shapes="""
        from pipelinekit import first_of, fixed, otherwise, pipeline, sequence, step, when

        @step
        def one(x: int) -> int:
            return x + 1

        @step
        def add(xs: list[int], named: dict[str, int]) -> int:
            return sum(xs) + sum(named.values())

        @step
        def note(text: str) -> None:
            print(text)

        @pipeline
        def inner(x: int):
            return one(one(x))

        @pipeline
        def shapes(x: int = 1, rounds: int = 2, limit: int = 3):
            value = x
            for _ in range(rounds):
                value = inner(value)
            with when(value > limit):
                big = one.options(name="big")(value)
            with otherwise():
                small = one.options(name="small")(0)
            sequence(note("first"), note("second"))
            return add([first_of(big, small), 5], {"value": value, "x": x})
        """
    )
    document = project.run("shapes.py:shapes")
    assert document["outputs"] == {"output": 6 + 5 + 5 + 1}
    statuses = {step["name"]: step["status"] for step in document["steps"]}
    assert statuses == {
        "inner/one": "Completed",
        "inner/one-2": "Completed",
        "inner-2/one": "Completed",
        "inner-2/one-2": "Completed",
        "big": "Completed",
        "small": "Skipped",
        "note": "Completed",
        "note-2": "Completed",
        "add": "Completed",
    }
    document = project.run("shapes.py:shapes", "-p", "limit=100", "-p", "rounds=1")
    assert document["outputs"] == {"output": 1 + 5 + 3 + 1}
    assert [step["name"] for step in document["steps"] if step["status"] == "Skipped"] == ["big"]


def test_a_plain_script_submits_waits_and_loads(project):
    project.write(
        script="""
        from pipelinekit import Workspace, pipeline, step
        import helper

        @step
        def double(x: int) -> list[int]:
            print("doubling")
            return [helper.twice(x)] * 3

        @pipeline
        def script(x: int = 2):
            return {"values": double(x)}

        if __name__ == "__main__":
            run = script.submit(parameters={"x": 21}, experiment="from a script")
            print(run.status.final, run.wait().status, run.outputs["values"].load(), [step.name for step in run.steps])
            print(Workspace.open().runs.get(run.id).step("double").logs(), end="")
            again = script.submit(parameters={"x": 21}).wait()
            print(again.steps[0].status)
        """,
        helper="def twice(x):\n    return 2 * x\n",
    )

    def run():
        ended = subprocess.run(
            [sys.executable, "script.py"], cwd=project.folder, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert run() == "False Completed [42, 42, 42] ['double']\ndoubling\nReused\n"
    assert project.executed("script.py", "-p", "x=21") == [], "the same keys as from the command line"
    project.edit("helper.py", "2 * x", "x + x + 0")
    assert "Reused" in run()


def test_a_submission_that_every_step_would_repeat_is_refused(project):
    project.write(
        script="""
        from pipelinekit import pipeline, step

        @step
        def one(x: int) -> int:
            return x

        @pipeline
        def script():
            return one(1)

        script.submit().wait()
        """
    )
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "submit() at the top level of a script" in ended.stderr
    assert "if __name__ == '__main__'" in ended.stderr


NOTEBOOK = [
    "from pipelinekit import pipeline, step",
    "import math\nBASE = 2",
    "%matplotlib inline" if False else "1 + 1",
    """
    def power(x):
        return math.pow(BASE, x)
    """,
    """
    @step
    def compute(x: int) -> float:
        print("in a notebook")
        return power(x)
    """,
    "raise_this = undefined_name_that_fails",
    """
    @pipeline
    def cells(x: int = 3):
        return compute(x)
    """,
    "run = cells.submit().wait()\nprint('RESULT', run.outputs['output'].load(), run.steps[0].status)",
    "run = cells.submit().wait()\nprint('RESULT', run.outputs['output'].load(), run.steps[0].status)",
    """
    def power(x):
        return math.pow(BASE, x) + 1
    """,
    "run = cells.submit().wait()\nprint('RESULT', run.outputs['output'].load(), run.steps[0].status)",
    "run = cells.submit(compute='in-process', parameters={'x': 4}).wait()\nprint('RESULT', run.outputs['output'].load())",
]


def test_steps_defined_in_a_notebook(project):
    cells = [textwrap.dedent(cell).strip() for cell in NOTEBOOK]
    driver = textwrap.dedent(
        """
        import json, sys
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        for cell in json.loads(sys.argv[1]):
            shell.run_cell(cell, store_history=True)
        """
    )
    (project.folder / "kernel.py").write_text("")
    command = [sys.executable, "-c", driver, json.dumps(cells)]
    ended = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    results = [line for line in ended.stdout.splitlines() if line.startswith("RESULT")]
    assert results == ["RESULT 8.0 Completed", "RESULT 8.0 Reused", "RESULT 9.0 Completed", "RESULT 17.0"], ended.stdout


def test_breakpoints_work_in_process(project):
    project.write(
        debug="""
        from pipelinekit import pipeline, step

        @step
        def look(x: int) -> int:
            y = x + 1
            breakpoint()
            return y

        @pipeline
        def debug(x: int = 4):
            return look(x)
        """
    )
    process = project.start("run", "debug.py", "--in-process", stdin=subprocess.PIPE)
    out, err = process.communicate("p y * 100\nc\n", timeout=60)
    assert process.returncode == 0, err
    assert "500" in out
    assert project.executed("debug.py") == []


def test_a_step_that_prints_at_import_and_uses_data_beside_its_code(project):
    project.write(
        beside="""
        from importlib import resources
        from pathlib import Path
        from pipelinekit import pipeline, step

        print("imported")

        @step
        def read() -> list[str]:
            here = Path(__file__).parent
            return [(here / "words.txt").read_text(), str(here.name != "project")]

        @pipeline
        def beside():
            return read()
        """
    )
    (project.folder / "words.txt").write_text("hello")
    document = json.loads(project("run", "beside.py", "--json").out.replace("imported\n", ""))
    assert document["outputs"] == {"output": ["hello", "True"]}, "steps run from the snapshot"


def test_declared_environments_are_built_once_and_keyed(project):
    project.write(
        env="""
        from pipelinekit import Environment, pipeline, step

        old = Environment("old", packages=("tinydb==4.7.0",), variables={"MODE": "fast"})

        @step(environment=old)
        def version() -> list[str]:
            import os
            import tinydb
            try:
                import distributed
                other = "visible"
            except ImportError:
                other = "hidden"
            return [tinydb.__version__, os.environ["MODE"], other]

        @pipeline
        def env():
            return version()
        """
    )
    assert project.run("env.py")["outputs"] == {"output": ["4.7.0", "fast", "hidden"]}
    assert project.executed("env.py") == []
    project.edit("env.py", "tinydb==4.7.0", "tinydb==4.8.0")
    assert project.run("env.py")["outputs"] == {"output": ["4.8.0", "fast", "hidden"]}
    reasons = project("explain", "--json").json["steps"][0]["reasons"]
    assert [(reason["cause"], reason["before"], reason["after"]) for reason in reasons] == [
        ("environment", "4.7.0", "4.8.0")
    ]
    project.edit("env.py", '"MODE": "fast"', '"MODE": "slow"')
    assert project.run("env.py")["outputs"] == {"output": ["4.8.0", "slow", "hidden"]}
    project.edit("env.py", "tinydb==4.8.0", "tinydb==0.0.0.1")
    error = project("run", "env.py", code=2).err
    assert "the packages of environment 'old' cannot be resolved" in error
    assert "tinydb==0.0.0.1" in error
