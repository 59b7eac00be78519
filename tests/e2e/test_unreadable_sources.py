"""Files of a source folder that cannot be read, or named in a tree, are told in one message."""

import os

from seams import obey_permissions

STEPS = """
    from pipelinekit import Folder, pipeline, step

    @step
    def one(x: int) -> int:
        return x

    @step
    def many(data: Folder) -> int:
        return len(list(data.iterdir()))

    @pipeline
    def main(x: int = 1):
        return one(x)

    @pipeline
    def count(data: Folder):
        return many(data)
"""
NAME = b"caf\xe9.txt".decode("utf-8", "surrogateescape")


def test_a_source_file_that_may_not_be_read_is_told(project):
    project.write(steps=STEPS)
    (project.folder / "secret.key").write_text("x")
    os.chmod(project.folder / "secret.key", 0)
    found = project("run", "steps.py:main", code=2, preexec_fn=obey_permissions)
    assert "secret.key" in found.err
    assert "Traceback" not in found.err


def test_a_source_folder_that_may_not_be_read_is_told(project):
    project.write(steps=STEPS)
    (project.folder / "closed").mkdir(0)
    found = project("run", "steps.py:main", code=2, preexec_fn=obey_permissions)
    assert "closed" in found.err
    assert "Traceback" not in found.err


def test_a_source_file_whose_name_is_no_utf_8_does_no_harm(project):
    project.write(steps=STEPS)
    (project.folder / NAME).write_text("x")
    assert project.run("steps.py:main")["status"] == "Completed"


def test_data_whose_names_are_no_utf_8_can_be_given(project, tmp_path):
    project.write(steps=STEPS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / NAME).write_text("x")
    assert project.run("steps.py:count", "-p", f"data={tmp_path / 'data'}")["outputs"] == {"output": 1}


def test_a_source_file_with_a_backslash_in_its_name_does_no_harm_or_is_refused_at_once(project):
    project.write(steps=STEPS)
    (project.folder / "a\\b.txt").write_text("x")
    process = project.start("run", "steps.py:main")
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 2), out + err
    assert process.returncode == 0 or "a\\b.txt" in err
