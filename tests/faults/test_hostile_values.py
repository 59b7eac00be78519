"""Addresses of stores that lead elsewhere, secrets at the edges of what is cut, records with bytes that changed."""

import json
import os
import random
import sqlite3

import pytest
from conftest import set_secret
from fsspec.registry import available_protocols
from seams import children

from pipelinekit.domain.datastores import PROTOCOLS, check_url
from pipelinekit.domain.digests import digest_bytes
from pipelinekit.engine.masking import forms_of
from pipelinekit.errors import StorageError, UsageError
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.sqlite import SQLiteDatabase

# -- addresses ---------------------------------------------------------------------------------------------------------

FOREIGN = sorted({*available_protocols(), "git", "github", "jupyter", "libarchive", "tar", "zip", "dask", "ssh", "ftp"})


def test_no_protocol_but_the_few_that_are_known_opens_a_file_system():
    refused = [name for name in FOREIGN if name not in PROTOCOLS]
    assert {"reference", "github", "zip", "ftp", "simplecache", "memory", "jupyter", "dask"} <= set(refused)
    for name in refused:
        with pytest.raises(UsageError):
            check_url(f"{name}://host/path")


@pytest.mark.parametrize("first", ["simplecache", "filecache", "zip", "reference", "tar", "dir", *sorted(PROTOCOLS)])
def test_protocols_are_not_chained(first):
    for rest in ("::s3://bucket/x", "://a::file:///etc", "::", "://x/y::https://host"):
        with pytest.raises(UsageError):
            check_url(first + rest)


def test_what_looks_like_a_host_and_leads_elsewhere_is_refused():
    for url in (
        "https://host@169.254.169.254/x", "https://user:word@host/x", "https://host/x#@y",
        "https://host/a/../b", "s3://bucket/..", "s3://bucket/a\\..\\b", "file:///a/../../etc", "file://host/etc",
        "https://ho st/x", "https://host/\r\nX: y", "https://\u2025/x", "s3://bucket/x?endpoint_url=http://evil",
    ):  # fmt: skip
        with pytest.raises(UsageError):
            check_url(url)


# -- secrets where texts are cut ---------------------------------------------------------------------------------------

CANARY = f"c4n&ry/{os.urandom(8).hex()}=+'x"
MAIN = """
    import base64, os, sys
    from pipelinekit import get_secret, pipeline, step
    from pipelinekit.storage.logs import LIMIT

    def forms(value):
        return [value, base64.b64encode(value.encode()).decode(), repr(value)[1:-1], value.encode().hex()]

    @step(secrets=["CANARY"])
    def floods() -> int:
        value = get_secret("CANARY")
        for form in forms(value):
            for letter in form:
                os.write(1, letter.encode())
            os.write(1, b"\\n")
        sys.stdout.write("x" * (LIMIT - 1000))
        for number in range(400):
            sys.stdout.write(f"{number:03} {value} ")
        return 1

    @step(secrets=["CANARY"])
    def dies(cut: int) -> int:
        value = get_secret("CANARY")
        sys.stdout.write(value + "y" * cut)
        sys.stdout.flush()
        os.kill(os.getpid(), 11)
        return 1

    @step(secrets=["CANARY"])
    def raises() -> int:
        raise ValueError("z" * 3000 + get_secret("CANARY") + "z" * 3000, forms(get_secret("CANARY")))

    @pipeline
    def main():
        floods(), raises()
        for cut in (4076, 4086, 4096):
            dies(cut)
"""


def pieces(value):
    """Every part of a value that is long enough to be one by no accident."""
    return {form[start : start + 10] for form in forms_of(value) for start in range(max(len(form) - 9, 0))}


def test_no_part_of_a_secret_is_left_where_a_text_is_cut(project):
    project.write(main=MAIN)
    set_secret(project, "CANARY", CANARY)
    done = project("run", "main.py", "--json", "--continue-on-step-failure", code=1)
    logs = project("runs", "logs").out
    assert "the rest was dropped" in logs
    assert "00 ***" in logs
    logs = logs.replace("x" * 1000, "")
    told = done.out + done.err + logs + project("runs", "show").out
    assert not [piece for piece in pieces(CANARY) if piece in told]
    with sqlite3.connect(project.home / "records.db") as connection:
        kept = "\n".join(connection.iterdump()).replace("x" * 1000, "")
    connection.close()
    assert not [piece for piece in pieces(CANARY) if piece in kept]
    assert {step["status"] for step in json.loads(done.out)["steps"]} == {"Completed", "Failed"}


# -- records with bytes that changed -----------------------------------------------------------------------------------


def test_pages_of_the_records_that_were_changed_are_told_in_words(tmp_path):
    path = tmp_path / "records.db"
    database = SQLiteDatabase(path)
    with database.transaction():
        for number in range(300):
            database.write_returning("add_experiment", (f"experiment {number}", 0.0))
            database.write("put_document", (f"d{number}", "text " * 50))
    database.close()
    whole = path.read_bytes()
    size = 4096
    chance, told = random.Random(1), []
    for page in range(0, len(whole) // size, 6):
        changed = bytearray(whole)
        for _ in range(60):
            changed[page * size + chance.randrange(100 if page == 0 else 0, size)] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        try:
            database = SQLiteDatabase(path)
            database.read("list_experiments")
            told += database.check()[:1]
            database.close()
        except StorageError as error:
            told.append(error.message)
        assert path.read_bytes() == changed, "nothing is made over it"
    assert len(told) > 3
    assert any(str(path) in words for words in told)


# -- many writers of one blob ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sixteen_writers_of_one_blob_all_succeed(tmp_path):
    script = """
        import sys
        from io import BytesIO
        from pathlib import Path
        from pipelinekit.storage.blobs import FolderBlobs
        store = FolderBlobs(Path(sys.argv[1]))
        print("ready", flush=True)
        for line in sys.stdin:
            print(*store.put(BytesIO(line.strip().encode() * 50_000)), flush=True)
    """
    (tmp_path / "blobs").mkdir()
    with children(script, tmp_path / "blobs", count=16) as processes:
        for word in ("one", "two", "three"):
            for process in processes:
                process.tell(word)
            data = word.encode() * 50_000
            assert {process.says() for process in processes} == {f"{digest_bytes(data)} {len(data)}"}
            assert FolderBlobs(tmp_path / "blobs").read(digest_bytes(data)) == data
        for process in processes:
            process.end()
    assert list((tmp_path / "blobs" / "staging").iterdir()) == []
