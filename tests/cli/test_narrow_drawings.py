"""Drawings on a terminal are cut to its width; off a terminal their words stay whole."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONG = "a message that is longer than many terminals are wide, and goes on for a while, to the very end of it"
STEPS = f"""
    from pipelinekit import pipeline, step

    @step
    def one(x: int) -> int:
        raise ValueError({LONG!r})

    @pipeline
    def main(x: int = 1):
        return one(x)
"""


def drawn(project, columns):
    """The drawing of the newest run on a terminal of that width, by lines; it is small enough for the terminal's buffer."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    command = [sys.executable, "-P", "-m", "pipelinekit", "graph", "latest"]
    outlets = {"stdin": other, "stdout": other, "stderr": other}
    done = subprocess.run(command, cwd=project.folder, env={**environment, "TERM": "xterm"}, **outlets, timeout=60)
    os.close(other)
    text = os.read(main, 65536).decode()
    os.close(main)
    assert done.returncode == 0, text
    return [ESCAPE.sub("", line).rstrip() for line in text.splitlines()]


@pytest.fixture
def failed(project):
    project.write(main=STEPS).run("main.py", "--in-process", code=1)
    return project


def test_lines_are_cut_to_the_width_of_the_terminal(failed):
    narrow, wide = drawn(failed, 60), drawn(failed, 100)
    assert max(map(len, narrow)) <= 60 < max(map(len, wide)) <= 100
    assert any("a message that is" in line for line in narrow)
