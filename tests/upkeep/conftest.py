"""Projects whose store can be made old."""

import os
import time

import pytest


def make_old(project, days=3):
    """Let every file of the store be unused for so long."""
    then = time.time() - days * 86400
    for path in (project.home / "blobs").rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def blobs_of(project):
    """The digests of all blobs, by name."""
    return {path.parent.name + path.name for path in (project.home / "blobs").glob("[0-9a-f][0-9a-f]/*")}


@pytest.fixture
def words(project):
    """A pipeline whose outputs take room: a file, a folder, a large value, a table."""
    return project.write(
        words="""
            from pathlib import Path
            import pyarrow as pa
            from pipelinekit import File, Folder, pipeline, step

            @step
            def spell(n: int) -> bytes:
                return bytes([n % 256]) * 50_000

            @step
            def write(n: int) -> Folder:
                for name in ("a", "b"):
                    Path("out", name).mkdir(parents=True)
                    Path("out", name, "text").write_text(f"{name} {n} " * 1000)
                return Folder("out")

            @step
            def tabulate(n: int) -> pa.Table:
                return pa.table({"n": list(range(n, n + 1000))})

            @step
            def join(text: bytes, files: Folder, table: pa.Table) -> int:
                return len(text) + sum(len(path.read_text()) for path in files.rglob("text")) + table.num_rows

            @pipeline
            def words(n: int = 1, data: File = File("data.txt")):
                files = write(n)
                return {"files": files, "total": join(spell(n), files, tabulate(n)), "data": data}
        """
    )


@pytest.fixture
def kept(words):
    """The project, with its input."""
    (words.folder / "data.txt").write_text("data " * 2000)
    return words
