"""Terminals and pipes that cannot take everything: told in words, or written as well as can be."""

import os
import subprocess
import sys

import pytest

STEPS = """
    from pipelinekit import pipeline, step

    @step
    def accent() -> str:
        print("é")
        return "é"

    @step
    def fails(x: str) -> str:
        raise ValueError("\\u00e9 \\udc80")

    @pipeline
    def good():
        return accent()

    @pipeline
    def bad():
        return fails(accent())
"""
ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}


@pytest.mark.parametrize(
    "words",
    [
        ("settings",),
        ("run", "steps.py:good", "--json"),
        ("graph", "steps.py:good"),
        ("runs", "outputs"),
        ("runs", "logs"),
        ("runs", "show", "--json"),
    ],
)
def test_a_terminal_without_unicode_is_no_error(project, words):
    project.write(steps=STEPS)
    project("run", "steps.py:good", "--in-process")
    assert project(*words, env=ASCII).out


@pytest.mark.parametrize("words", [("run", "steps.py:bad", "--json"), ("run", "steps.py:bad")])
def test_a_failure_with_text_that_is_no_unicode_is_told(project, words):
    project.write(steps=STEPS)
    found = project(*words, code=1, env={"PYTHONIOENCODING": "utf-8:strict"})
    assert "ValueError" in found.out
    assert "UnicodeEncodeError" not in found.err


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("frob",)])
def test_a_reader_that_left_ends_help_quietly(words):
    reader, writer = os.pipe()
    os.close(reader)
    outlets = {"stdout": writer, "stderr": subprocess.PIPE}
    done = subprocess.run([sys.executable, "-P", "-m", "pipelinekit", *words], **outlets, text=True, check=False)
    os.close(writer)
    assert "Traceback" not in done.stderr


def test_a_full_disk_behind_standard_output_is_told(project):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pipelinekit", "settings"],
            cwd=project.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr


def test_usage_names_the_program(project):
    assert "usage: pipelinekit" in project("--workspace", code=2).err


def test_what_a_step_prints_in_this_process_does_not_mix_with_the_document(project):
    project.write(steps=STEPS)
    assert project.run("steps.py:good", "--in-process")["status"] == "Completed"
