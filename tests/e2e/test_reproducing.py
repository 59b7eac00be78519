"""A run done again in an empty place, from its workspace and from a file."""

import shutil
import zipfile

from conftest import Project, set_secret

from pipelinekit import Workspace

MAIN = """
    import numpy
    import pyarrow
    from pathlib import Path
    from pipelinekit import File, Folder, pipeline, step
    import helper

    def noise():
        place = Path("OUTSIDE")
        return place.read_text() if place.exists() else ""

    @step
    def read(file: File, shift: int) -> list[int]:
        return [int(line) + shift for line in Path(file).read_text().split()]

    @step
    def table(values: list[int]) -> pyarrow.Table:
        return pyarrow.table({"x": values, "y": [helper.twice(value) for value in values]})

    @step
    def array(values: list[int]) -> numpy.ndarray:
        return numpy.array(values) + float(noise() or 0) * numpy.array([0, 1, 0])

    @step
    def words(values: list[int]) -> dict[str, list[str]]:
        return {"a": ["x"], "b": [f"{value}{noise()}" for value in values]}

    @step
    def folder(values: list[int]) -> Folder:
        made = Path("made")
        made.mkdir()
        (made / "one.txt").write_text("one")
        (made / "two.txt").write_text("two" + noise())
        return Folder(made)

    @pipeline
    def main(file: File = File("data.txt"), shift: int = 1):
        values = read(file, shift)
        return {"table": table(values), "array": array(values), "words": words(values), "folder": folder(values)}
"""


def made(project):
    outside = project.folder.parent / "noise.txt"  # what no key can know of
    project.write(main=MAIN.replace("OUTSIDE", str(outside)), helper="def twice(value):\n    return 2 * value\n")
    (project.folder / "data.txt").write_text("1 2 3")
    return project.run("main.py")["id"]


def test_a_run_is_done_again_without_what_it_came_from(project, tmp_path):
    run = made(project)
    project("runs", "export", run, "-o", "run.zip")
    again = project("runs", "reproduce", run, "--json").json
    assert {item["identical"] for item in again["outputs"]} == {True}
    assert len(again["outputs"]) == 5
    file = shutil.move(project.folder / "run.zip", tmp_path / "run.zip")
    shutil.rmtree(project.folder)
    project.folder.mkdir()
    out = project("runs", "reproduce", str(file), "--into", "elsewhere").out
    assert f"5 of 5 outputs are identical to those of run {run}" in out
    assert (project.folder / "elsewhere" / ".pipelinekit" / "records.db").is_file()


def test_where_a_result_differs_is_told(project):
    run = made(project)
    (project.folder.parent / "noise.txt").write_text("1")
    again = project("runs", "reproduce", run, "--json", code=1).json
    differences = {item["step"]: item.get("difference") for item in again["outputs"]}
    assert differences == {
        "read": None,
        "table": None,
        "array": "at element 1 of 3: 3.0 is now 4.0; 1 elements differ",
        "words": "at ['b'][0]: '2' is now '21'",
        "folder": "in file two.txt at byte 3 of 3 (now 4)",
    }


def test_a_file_that_was_changed_is_refused(project):
    run = made(project)
    project("runs", "export", run, "-o", "run.zip")
    for part, place in (("run.json", 1), ("graph.json", 1), ("blobs/", 0)):
        with (
            zipfile.ZipFile(project.folder / "run.zip") as old,
            zipfile.ZipFile(project.folder / "bad.zip", "w") as new,
        ):
            for name in old.namelist():
                data = old.read(name)
                new.writestr(name, data[:place] + b" " + data[place:] if name.startswith(part) else data)
            new.comment = old.comment
        assert "is damaged" in project("runs", "reproduce", "bad.zip", code=1).err
    (project.folder / "cut.zip").write_bytes((project.folder / "run.zip").read_bytes()[:-100])
    assert "is damaged" in project("runs", "reproduce", "cut.zip", code=1).err
    assert "there is no file" in project("runs", "reproduce", "absent.zip", code=2).err


def test_only_what_completed_can_be_reproduced(project):
    project.write(main=MAIN, helper="def twice(value):\n    raise ValueError(value)\n")
    (project.folder / "data.txt").write_text("1 2 3")
    failed = project.run("main.py", code=1)["id"]
    assert "no result to be compared with" in project("runs", "reproduce", failed, code=2).err


def test_a_run_that_was_given_a_secret_borrows_it_and_leaves_no_copy(project):
    project.write(
        main="""
        from pipelinekit import get_secret, pipeline, step

        @step(secrets=["lake"])
        def length() -> int:
            return len(get_secret("lake"))

        @pipeline
        def main():
            return length()
        """
    )
    secrets = Workspace.open(project.folder).secrets
    secrets.set("lake", "hush-hush")
    run = project.run("main.py", "--in-process")["id"]
    project("runs", "export", run, "-o", "run.zip")
    said = project("runs", "reproduce", run, "--into", "again")
    assert "1 of 1 outputs are identical" in said.out
    assert not said.err.count("another value")
    assert project("secrets", "list", "--workspace", "again", "--json").json == {"secrets": []}
    secrets.set("lake", "another")
    said = project("runs", "reproduce", "run.zip", code=1)
    assert "output  differs: 9 is now 7" in said.out
    assert f"note: secret 'lake' has another value now than in run {run}" in said.err
    secrets.delete("lake")
    assert "needs the secret 'lake', which is not there" in project("runs", "reproduce", "run.zip", code=2).err


SECRET = """
    from pipelinekit import get_secret, pipeline, step

    @step(secrets=["KEYED", "FREE"], not_keyed=["FREE"])
    def zeta() -> int:
        return len(get_secret("KEYED"))

    @step
    def alpha(length: int) -> int:
        return length + 1

    @pipeline
    def main():
        return alpha(zeta())
"""


def test_a_run_with_secrets_is_lent_them_while_it_is_done_again(project, tmp_path):
    project.write(main=SECRET)
    for name, value in (("KEYED", "first value"), ("FREE", "whatever")):
        set_secret(project, name, value)
    run = project.run("main.py", "--in-process")["id"]
    project("runs", "export", run, "-o", "run.zip")
    set_secret(project, "FREE", "another value")
    out = project("runs", "reproduce", run, "--into", "kept").out
    assert "2 of 2 outputs are identical" in out
    assert project("--workspace", "kept", "secrets", "list", "--json").json["secrets"] == []

    bare = Project(tmp_path / "bare")
    bare.folder.mkdir()
    file = str(project.folder / "run.zip")
    err = bare("runs", "reproduce", file, code=2).err
    assert "step 'zeta' needs the secret 'KEYED', which is not there ('pipelinekit secrets set KEYED' sets it)" in err
    assert "'FREE'" in err
    for name, value in (("KEYED", "first valu"), ("FREE", "my own")):
        set_secret(bare, name, value)
    told = bare("runs", "reproduce", file, code=1).out.splitlines()
    assert [line.split(maxsplit=2) for line in told[-3:-1]] == [
        ["zeta", "output", "differs: 11 is now 10"],
        ["alpha", "output", "differs: 12 is now 11"],
    ]
