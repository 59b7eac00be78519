"""Disks that fail, are full, away, read-only or another machine's: told in words, nothing half-written, nothing made up."""

import os
import subprocess
from io import BytesIO

import pytest
from seams import Child, small_disk

from pipelinekit.domain.digests import PREFIX
from pipelinekit.errors import IntegrityError, StorageError
from pipelinekit.storage import disks
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.storage.sqlite_library import sqlite3


def failing(log, call, how):
    """Words before a command whose system calls of a kind fail, or kill it."""
    return [
        "strace",
        "-f",
        "-qq",
        "-o",
        str(log),
        "-e",
        f"trace={call},link,unlink,rename",
        "-e",
        f"inject={call}:{how}",
    ]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


WRITE = """
    import sys
    from io import BytesIO
    from pathlib import Path
    from pipelinekit.errors import StorageError
    from pipelinekit.storage.blobs import FolderBlobs
    folder, file = Path(sys.argv[1]), Path(sys.argv[2])
    store = FolderBlobs(folder)
    for how in (lambda: store.put(b"bytes"), lambda: store.put(BytesIO(b"stream")), lambda: store.put_file(file, move=True)):
        for attempt in (1, 2):
            try:
                digest, _ = how()
            except StorageError as error:
                print("told", "Input/output error" in str(error), flush=True)
            else:
                print(digest, flush=True)
                break
"""


@pytest.fixture
def blobs(tmp_path):
    folder = tmp_path / "blobs"
    folder.mkdir()
    (tmp_path / "file").write_bytes(b"moved")
    return folder


# -- fsync that fails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, 6))
def test_a_sync_that_fails_means_not_written_and_another_try_writes_anew(blobs, tmp_path, number):
    """Syncs of the file, of its folder, of the folder of that: wherever one fails, nobody finds the blob."""
    said = Child(
        WRITE, blobs, tmp_path / "file", prefix=failing(tmp_path / "log", "fsync", f"error=EIO:when={number}")
    ).end()
    assert said.count("told True") == 1
    digests = [line for line in said.splitlines() if line.startswith(PREFIX)]
    assert len(digests) == 3, "the second try of each went well"
    assert [path for path in files(blobs) if "staging" in path] == []
    store = FolderBlobs(blobs)
    assert [store.read(digest) for digest in digests] == [b"bytes", b"stream", b"moved"]


def test_where_every_sync_fails_nothing_is_there(blobs, tmp_path):
    said = Child(WRITE, blobs, tmp_path / "file", prefix=failing(tmp_path / "log", "fsync", "error=EIO")).end()
    assert said == "told True\n" * 6
    assert files(blobs) == []
    assert (tmp_path / "file").read_bytes() == b"moved"


RECORD = """
    import sys
    from pathlib import Path
    from pipelinekit.errors import StorageError
    from pipelinekit.storage.sqlite import SQLiteDatabase
    database = SQLiteDatabase(Path(sys.argv[1]))
    written = 0
    try:
        while written < 4:
            database.write_returning("add_experiment", (str(written), 0.0))
            written += 1
    except StorageError as error:
        print("disk I/O error" in str(error), "whether the disk is well" in error.hint)
        try:
            database.write_returning("add_experiment", ("afterwards", 0.0))
        except StorageError as error:
            print(error.message.partition(" under ")[0])
        sys.exit(10 + written)
"""


@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_sync_of_the_records_that_fails_ends_the_process_and_what_was_acknowledged_is_there(tmp_path, number):
    path = tmp_path / "records.db"
    SQLiteDatabase(path).close()
    prefix = failing(tmp_path / "log", "fsync,fdatasync", f"error=EIO:when={number}")
    child = Child(RECORD, path, prefix=prefix)
    said = child.process.communicate(timeout=60)
    written = child.process.returncode - 10
    assert said[0] == b"True True\nthe disk failed\n", said
    assert 0 <= written < 4
    connection = sqlite3.connect(path)
    assert [row[0] for row in connection.execute("select name from experiments order by name")] == [
        str(n) for n in range(written)
    ]
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


# -- death at every step of a write ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "number"), [("fsync", n) for n in (1, 2, 3)] + [("link", 1), ("unlink", 1)])
def test_a_writer_that_dies_at_any_step_leaves_a_whole_blob_or_none(blobs, tmp_path, call, number):
    child = Child(WRITE, blobs, tmp_path / "file", prefix=failing(tmp_path / "log", call, f"signal=KILL:when={number}"))
    child.process.communicate(timeout=60)
    assert child.process.returncode != 0
    seen = [path for path in files(blobs) if not path.startswith("staging")]
    store = FolderBlobs(blobs)
    for name in seen:
        store.path(PREFIX + name.replace("/", ""))  # raises where it is not whole
    digest, _ = store.put(b"bytes")
    assert store.read(digest) == b"bytes"


def test_a_blob_is_synced_before_it_has_its_name_and_its_name_before_it_is_told(blobs, tmp_path):
    log = tmp_path / "log"
    trace = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=fsync,link,write"]
    Child(WRITE, blobs, tmp_path / "file", prefix=trace).end()
    calls = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    names = [index for index, call in enumerate(calls) if call.startswith("link(")]
    links = [index for index in names if "/staging/" not in calls[index].split(", ")[1]]
    assert len(links) == 3
    for index in links:
        told = next(i for i in range(index, len(calls)) if calls[i].startswith("write(1"))
        before = max((i for i in range(index) if calls[i].startswith("write(")), default=-1)
        assert any(call.startswith("fsync(") for call in calls[before + 1 : index]), "its bytes"
        assert any(call.startswith("fsync(") for call in calls[index:told]), "its name"


TOGETHER = """
    import sys
    from pathlib import Path
    from pipelinekit.errors import StorageError
    from pipelinekit.storage.blobs import FolderBlobs
    store, paths = FolderBlobs(Path(sys.argv[1])), [Path(name) for name in sys.argv[2:]]
    for attempt in (1, 2):
        try:
            stored = store.put_files(paths, move=True)
        except StorageError as error:
            print("told", "Input/output error" in str(error), flush=True)
        else:
            print(*(digest for digest, _ in stored), flush=True)
            break
"""


@pytest.fixture
def several(tmp_path):
    (tmp_path / "files").mkdir()
    paths = [tmp_path / "files" / str(number) for number in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def test_of_files_that_are_stored_together_none_has_its_name_before_all_are_synced(blobs, tmp_path, several):
    log = tmp_path / "log"
    trace = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=fsync,link,write"]
    Child(TOGETHER, blobs, *several, prefix=trace).end()
    calls = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    kinds = [call.partition("(")[0] for call in calls if "/staging/" not in call.partition(", ")[2]]
    first, last = kinds.index("link"), len(kinds) - 1 - kinds[::-1].index("link")
    told = len(kinds) - 1 - kinds[::-1].index("write")
    assert kinds.count("link") == 3
    assert kinds[:first].count("fsync") == 4, "their bytes, and the folder in which theirs were made"
    assert "fsync" not in kinds[first:last]
    assert kinds[last:told].count("fsync") == len({path.parent for path in blobs.rglob("?" * 30)}), "their names"


@pytest.mark.parametrize("number", range(1, 8))
def test_a_sync_that_fails_means_that_none_of_several_files_is_lost(blobs, tmp_path, several, number):
    prefix = failing(tmp_path / "log", "fsync", f"error=EIO:when={number}")
    said = Child(TOGETHER, blobs, *several, prefix=prefix).end().splitlines()
    assert said[0] == "told True"
    assert [FolderBlobs(blobs).read(digest) for digest in said[1].split()] == [b"0", b"1", b"2"]
    assert [path for path in files(blobs) if "staging" in path] == []


@pytest.mark.parametrize(("call", "number"), [("fsync", n) for n in range(1, 8)] + [("link", n) for n in range(1, 7)])
def test_whoever_dies_while_several_files_are_stored_loses_none(blobs, tmp_path, several, call, number):
    prefix = failing(tmp_path / "log", call, f"signal=KILL:when={number}")
    child = Child(TOGETHER, blobs, *several, prefix=prefix)
    child.process.communicate(timeout=60)
    assert child.process.returncode != 0
    store = FolderBlobs(blobs)
    for name in files(blobs):
        if not name.startswith("staging"):
            store.path(PREFIX + name.replace("/", ""))  # raises where it is not whole
    assert [path.read_bytes() for path in several] == [b"0", b"1", b"2"]


# -- what is there already ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", [b"XYTES", b"byte", b"bytes and more", b""])
@pytest.mark.parametrize("how", ["bytes", "stream", "move"])
def test_bytes_that_are_there_are_compared_before_they_stand_for_others(blobs, tmp_path, harm, how):
    digest, _ = FolderBlobs(blobs).put(b"bytes")
    (place,) = (path for path in blobs.rglob("*") if path.is_file())
    place.chmod(0o600)
    place.write_bytes(harm)
    (tmp_path / "file").write_bytes(b"bytes")
    store = FolderBlobs(blobs)
    if how == "move":
        stored, _ = store.put_file(tmp_path / "file", move=True)
    else:
        stored, _ = store.put(b"bytes" if how == "bytes" else BytesIO(b"bytes"))
    assert stored == digest
    assert FolderBlobs(blobs).read(digest) == b"bytes"
    assert (blobs / "damaged" / digest.removeprefix(PREFIX)).read_bytes() == harm


def test_a_disk_that_cannot_read_a_blob_has_lost_it(blobs, tmp_path):
    digest, _ = FolderBlobs(blobs).put(b"bytes")
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.errors import IntegrityError
        from pipelinekit.storage.blobs import FolderBlobs
        store = FolderBlobs(Path(sys.argv[1]))
        try:
            store.read(sys.argv[2])
        except IntegrityError as error:
            print(error, error.fields["digest"] == sys.argv[2], store.missing([sys.argv[2]]) == {sys.argv[2]})
    """
    place = blobs / digest.removeprefix(PREFIX)[:2] / digest.removeprefix(PREFIX)[2:]
    trace = ["strace", "-f", "-qq", "-o", str(tmp_path / "log"), "-P", str(place), "-e", "trace=read"]
    said = Child(script, blobs, digest, prefix=[*trace, "-e", "inject=read:error=EIO"]).end()
    assert "is damaged: the disk cannot read it True True" in said


# -- network file systems ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "is_network"), [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("tmpfs", False)]
)
def test_records_in_a_file_are_refused_on_a_network_file_system(tmp_path, kind, is_network):
    """The kind that the kernel names is made up; the device is one as network file systems have."""
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.errors import StorageError
        from pipelinekit.storage import disks
        from pipelinekit.storage.cache import FileCache
        from pipelinekit.storage.sqlite import SQLiteDatabase
        folder, kind = Path(sys.argv[1]), sys.argv[2]
        text = disks.MOUNTS.read_text()
        disks.MOUNTS = folder / "mounts"
        disks.MOUNTS.write_text(text.replace(" - tmpfs ", f" - {kind} "))
        try:
            SQLiteDatabase(folder / "records.db").close()
        except StorageError as error:
            print(error)
        cache = FileCache(folder / "cache.db")
        cache.put("space", {"key": "body"})
        print(cache.get("space", ["key"]), sorted(path.name for path in folder.iterdir()))
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    said = Child(script, disk, kind, prefix=small_disk(disk, "1m")).end()
    assert "{'key': 'body'}" in said
    if is_network:
        assert f"would lie on a network file system ({kind}), where the locks of SQLite do not hold" in said
        assert "in PostgreSQL (the setting 'records')" in said
        assert "['mounts']" in said, "no file was made there"
    else:
        assert "'cache.db'" in said
        assert "'records.db'" in said


def test_what_the_kernel_does_not_tell_is_no_network(tmp_path, monkeypatch):
    device = os.stat("/proc").st_dev
    assert disks.network_kind(device) == ""
    for text in ("", "nonsense\n", "1 2 0:1 / / rw\n", f"1 2 0:{os.minor(device)} / /x rw -"):
        monkeypatch.setattr(disks, "MOUNTS", tmp_path / "mounts")
        (tmp_path / "mounts").write_text(text)
        assert disks.network_kind(device) == ""
    monkeypatch.setattr(disks, "MOUNTS", tmp_path / "absent")
    assert disks.network_kind(device) == ""


# -- disks that are away -----------------------------------------------------------------------------------------------

AWAY = """
    import subprocess, sys, threading
    from pathlib import Path
    from pipelinekit.errors import IntegrityError, StorageError
    from pipelinekit.storage import disks
    from pipelinekit.storage.blobs import FolderBlobs
    folder = Path(sys.argv[1])
    disk, blobs = folder / "disk", folder / "home" / "blobs"
    def sh(*words):
        subprocess.run(words, check=True)
    sh("mount", "-t", "tmpfs", "none", disk)
    sh("mount", "--bind", disk, blobs)
    store = FolderBlobs(blobs)
    digest, _ = store.put(b"kept")
    def meanwhile(act, mend):
        found = []
        def attempt():
            try:
                found.append(act())
            except Exception as error:
                found.append(error)
        waiting = threading.Thread(target=attempt)
        waiting.start()
        waiting.join(0.5)
        print("waits", waiting.is_alive(), end=" ")
        mend()
        waiting.join(20)
        return found[0]
    def back():
        sh("mount", "--bind", disk, blobs)
    for act in (lambda: store.missing([digest]), lambda: store.read(digest), lambda: store.put(b"new")[1]):
        sh("umount", blobs)
        fresh = FolderBlobs(blobs)
        print(meanwhile(act, back), fresh.missing([digest]))
    sh("mount", "-o", "remount,ro,bind", blobs)
    print(store.read(digest), store.put(b"kept")[1], end=" ")
    print(meanwhile(lambda: store.put(b"newer")[1], lambda: sh("mount", "-o", "remount,rw,bind", blobs)))
    disks.PATIENCE_SECONDS = 0.3
    sh("mount", "-o", "remount,ro,bind", blobs)
    for act in (lambda: store.put(b"newest"), lambda: store.read(store.put(b"x")[0])):
        try:
            act()
        except StorageError as error:
            print(error)
    sh("umount", blobs)
    for act in (lambda: store.missing([digest]), lambda: store.read(digest), lambda: FolderBlobs(blobs).put(b"lost")):
        try:
            print(act())
        except StorageError as error:
            print(error)
    print([path.name for path in blobs.iterdir()])
    (folder / "home" / "blobs.mounted").unlink()
    print(FolderBlobs(blobs).missing([digest]) == {digest})
"""


def test_a_disk_that_is_away_or_read_only_is_waited_for_and_then_told(tmp_path):
    for name in ("disk", "home", "home/blobs"):
        (tmp_path / name).mkdir()
    small_disk(tmp_path / "disk", "1m")  # says whether that can be done here
    lines = Child(AWAY, tmp_path, prefix=["unshare", "-rm"]).end().splitlines()
    assert lines[:3] == ["waits True set() set()", "waits True b'kept' set()", "waits True 3 set()"]
    assert lines[3] == "b'kept' 4 waits True 5"
    told = "\n".join(lines[4:])
    assert told.count("may only be read: its disk is mounted so") == 2
    assert told.count("is away: its disk is not mounted") == 3
    assert "blobs.mounted, if the blobs are to lie on this disk from now on" in told
    assert lines[-2:] == ["[]", "True"], "nothing was stored where it does not belong"


def test_a_store_that_was_emptied_by_somebody_is_not_away(blobs):
    store = FolderBlobs(blobs)
    digest, _ = store.put(b"bytes")
    subprocess.run(["rm", "-rf", str(blobs)], check=True)
    assert store.missing([digest]) == {digest}
    with pytest.raises(IntegrityError):
        store.read(digest)
    assert store.put(b"bytes")[0] == digest
    subprocess.run(["rm", "-rf", str(blobs.parent)], check=True)
    patience, disks.PATIENCE_SECONDS = disks.PATIENCE_SECONDS, 0.2
    try:
        with pytest.raises(StorageError, match="its folder is no longer there"):
            store.put(b"other")
    finally:
        disks.PATIENCE_SECONDS = patience
    assert not blobs.parent.exists()
