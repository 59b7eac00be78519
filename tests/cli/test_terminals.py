"""On a terminal and off it: colours, widths, live progress."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

STEPS = """
    from pipelinekit import pipeline, step

    @step
    def a_step_with_a_rather_long_name(x: int) -> int:
        return x

    @step
    def another_step_with_a_rather_long_name(x: int) -> int:
        return x

    @pipeline
    def good(x: int = 1):
        return another_step_with_a_rather_long_name(a_step_with_a_rather_long_name(x))
"""


@pytest.fixture
def steps(project):
    return project.write(steps=STEPS)


def on_terminal(project, *words, columns=80, **variables):
    """What a command shows on a terminal of that width, and its exit code."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "pipelinekit", *words],
        cwd=project.folder,
        stdin=other,
        stdout=other,
        stderr=other,
        env={**environment, "TERM": "xterm", **variables},
    )
    os.close(other)
    parts, deadline = [], time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([main], [], [], 1.0)[0]:
                try:
                    part = os.read(main, 65536)
                except OSError:  # how Linux says that the last writer has closed a terminal
                    break
                if not part:
                    break
                parts.append(part)
        return b"".join(parts).decode(), process.wait(timeout=30)
    finally:
        os.close(main)
        process.kill()
        process.wait()


def test_drawings_have_colours_on_a_terminal_only(steps):
    steps("run", "steps.py:good", "--in-process")
    shown, code = on_terminal(steps, "graph", "latest")
    assert code == 0
    assert COLOUR.search(shown)
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        plain, code = on_terminal(steps, "graph", "latest", **variables)
        assert code == 0
        assert not ESCAPE.search(plain)
        assert plain == ESCAPE.sub("", shown)
    assert not ESCAPE.search(steps("graph", "latest").out)


@pytest.mark.parametrize("columns", [60, 100])
def test_drawings_keep_to_the_width_of_the_terminal(steps, columns):
    shown, code = on_terminal(steps, "graph", "steps.py:good", columns=columns)
    assert code == 0
    lines = [ESCAPE.sub("", line).rstrip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= columns
    assert any("a_step" in line for line in lines)


@pytest.mark.parametrize("columns", [15, 40, 200])
def test_live_progress_ends_with_a_summary_on_any_terminal(steps, columns):
    shown, code = on_terminal(steps, "run", "steps.py:good", "--in-process", columns=columns)
    assert code == 0, shown
    assert "\x1b[?25l" in shown, "it was live"
    assert shown.count("\x1b[?25h") >= shown.count("\x1b[?25l"), "the cursor is back"
    assert "Completed" in shown
    assert "Traceback" not in shown
    assert "2 steps, 2 completed" in shown.replace("\r\n", " ")


def test_live_progress_can_be_switched_off_and_needs_no_colours(steps):
    shown, code = on_terminal(steps, "run", "steps.py:good", "--in-process", PIPELINEKIT_PROGRESS="false")
    assert code == 0
    assert not ESCAPE.search(shown)
    assert "Completed a_step_with_a_rather_long_name" in shown
    shown, code = on_terminal(steps, "run", "steps.py:good", "--in-process", "-p", "x=2", NO_COLOR="1")
    assert code == 0
    assert not [found for found in COLOUR.findall(shown) if re.search(r"\b(3[0-7]|9[0-7])\b", found)]


def test_a_reused_run_is_told_on_a_terminal_without_a_live_display(steps):
    steps("run", "steps.py:good", "--in-process")
    shown, code = on_terminal(steps, "run", "steps.py:good", "--in-process")
    assert code == 0
    assert not ESCAPE.search(shown)
    assert "everything was reused" in shown


def test_documents_have_no_colours_on_a_terminal(steps):
    shown, code = on_terminal(steps, "run", "steps.py:good", "--in-process", "--json")
    assert code == 0
    assert not ESCAPE.search(shown)
    assert shown.startswith("{")


def test_lines_off_a_terminal_have_no_escapes(steps):
    found = steps("run", "steps.py:good", "--in-process", env={"FORCE_COLOR": "1", "TERM": "xterm"})
    assert not ESCAPE.search(found.out + found.err)


def test_plain_words_need_no_unicode(steps):
    for words in (("--help",), ("run", "--help"), ("run", "steps.py:good", "--in-process"), ("runs", "list")):
        found = steps(*words, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
        assert (found.out + found.err).isascii()
