"""What README.md says is so: its commands are carried out as they stand there, and print what it shows."""

import re
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from conftest import wait_for
from documents import RUN, Reader, blocks, sections, shown

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "README.md"
EXAMPLE = ROOT / "examples" / "flight_delays"
ROWS = 200  # of each month: enough to train something
PORT = "8470"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def example(tmp_path):
    """The example below a folder with an environment, as in a clone, with the first rows of each month."""
    folder = tmp_path / "examples" / "flight_delays"
    ignored = shutil.ignore_patterns(".pipelinekit", "data", "results", "__pycache__")
    shutil.copytree(EXAMPLE, folder, ignore=ignored)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    subprocess.run([sys.executable, "get_data.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for file in folder.glob("data/flights-*.csv"):
        file.write_text("".join(file.read_text().splitlines(keepends=True)[: ROWS + 1]))
    return folder


@pytest.mark.long
def test_the_way_from_the_example_to_retraining_by_itself(example):
    port = free_port()
    with closing(Reader(example)) as reader, ExitStack() as servers:
        for _ in range(3):  # by 'make demo', and by hand
            reader.do("../../.venv/bin/pipelinekit run pipeline.py")
        for block in blocks(PAGE, "From the example to retraining by itself"):
            if block.file:
                block.text = block.text.replace(PORT, port)
                reader.write(block)
            for command, printed in block.commands:
                command, printed = command.replace(PORT, port), printed.replace(PORT, port)
                if command.endswith(" serve"):
                    servers.enter_context(serving(example, f"{command} --port {port}", printed))
                elif " history " in command:  # the schedules are looked at soon, and the run takes a moment
                    wait_for(partial(prints, reader, command, printed), why=partial(reader.do, command))
                else:
                    assert prints(reader, command, printed), command


def prints(reader, command, printed):
    """Whether a command prints what the page shows."""
    told = reader.do(command)
    if (same := shown(told) == shown(printed)) is False:
        print(f"{command} printed:\n{told}")
    return same


@contextmanager
def serving(folder, command, printed):
    """The server, in a terminal of its own."""
    log = folder.parent / "serve.log"
    with log.open("w") as stream:
        server = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=folder, stderr=stream)
    try:
        wait_for(lambda: shown(log.read_text()) == shown(printed), why=log.read_text)
        yield
    finally:
        server.terminate()
        server.wait(timeout=60)


def test_a_pipeline_in_ten_lines(tmp_path):
    with closing(Reader(tmp_path, path=str(Path(sys.prefix, "bin")))) as reader:
        for block in blocks(PAGE, "A pipeline in ten lines"):
            if block.file:
                reader.write(block)
            for command, printed in block.commands:
                assert prints(reader, command, printed), command


def test_what_it_links_is_there():
    for page in (PAGE, ROOT / "docs" / "guide.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page, target)


UNTOLD = (  # what takes a server, or what the page itself says that it takes more for
    "Schedules", "Webhooks", "Access", "Workspace and settings", "Keeping the store small and sound",
)  # fmt: skip
ELSEWHERE = ("snapshots", "datastores", "datasets show", "secrets list", "pipeline-endpoints show", "pytest")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_guide_from_top_to_bottom(tmp_path):
    """Ids that a page goes on with are those that were printed instead; steps beside each other end in any order."""
    page, ids, others = ROOT / "docs" / "guide.md", {}, []
    with closing(Reader(tmp_path, path=str(Path(sys.prefix, "bin")))) as reader:
        for heading in sections(page):
            for block in blocks(page, heading) if heading not in UNTOLD else ():
                if block.file:
                    reader.write(block)
                for command, printed in block.commands:
                    for shown_id, given in ids.items():
                        command = command.replace(shown_id, given)
                    told = reader.do(command, fails=True)
                    ids.update(zip(RUN.findall(printed), RUN.findall(told), strict=False))
                    if (
                        printed.strip()
                        and lines(told) != lines(printed)
                        and not any(word in command for word in ELSEWHERE)
                    ):
                        others.append((heading, command, printed, told))
    for other in others:
        print(*other, sep="\n")
    assert not others


def lines(text):
    return sorted(filter(None, map(shown, text.splitlines())))
