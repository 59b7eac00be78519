"""Pages that show commands with what they print: read, carried out, and held against what is printed."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

RUN = re.compile(r"\b1m[0-9a-z]{12}\b")
SHOWN = (  # what differs from machine to machine, and from time to time
    (RUN, "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\+\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s|min|h)\b"), "DURATION"),
    (re.compile(r"\bpk_\S+"), "TOKEN"),
    (re.compile(r"\b(xxh3:[0-9a-f]{32}|[0-9a-f]{12})\b"), "DIGEST"),
    (re.compile(r"\bby +\w+ on \w+"), "WHO"),
    (re.compile(r"(…|/)\S*/(?=\.pipelinekit|examples)"), "PLACE/"),
    (re.compile(r"\s+"), ""),  # lines of a page are cut where they are too long
)


@dataclass
class Block:
    """A block of a page: a file, or commands each with what it prints."""

    file: str
    text: str
    commands: list[tuple[str, str]]


def blocks(page, heading):
    """The blocks below a heading of a page, in their order."""
    text = page.read_text()
    part = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
    found = []
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
        file = re.match(r"# ([\w./]+)\n", body)
        found.append(Block(file[1] if file else "", body, commands(body) if language == "console" else []))
    return found


def sections(page):
    """The headings of a page."""
    return re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)


def commands(body):
    """The commands of a block, with what each prints; a command goes on where a line ends with a backslash."""
    parts = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE)
    assert parts, body
    return parts


def shown(text):
    """A text without what differs from machine to machine."""
    for pattern, word in SHOWN:
        text = pattern.sub(word, text)
    return text


class Reader:
    """Somebody with a shell, who does what a page says."""

    def __init__(self, folder, path=""):
        self.folder = folder
        environment = {**os.environ, "PATH": os.pathsep.join(filter(None, [path, os.environ["PATH"]]))}
        words = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._shell = subprocess.Popen(["bash"], cwd=folder, env=environment, text=True, **words)

    def do(self, command, *, fails=False):
        """What a command prints; it must not fail, unless that `fails` may be."""
        self._shell.stdin.write(f'{{ {command}\n}} < /dev/null\necho; echo "end $?"\n')
        self._shell.stdin.flush()
        told = []
        for line in self._shell.stdout:
            if line.startswith("end "):
                assert fails or line == "end 0\n", (command, told)
                return "".join(told)
            told.append(line)
        raise AssertionError(f"the shell ended over {command!r}: {told}")

    def write(self, block):
        """Write a file that the page shows."""
        place = Path(self.folder, block.file)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(block.text)

    def close(self):
        self._shell.communicate(timeout=60)
