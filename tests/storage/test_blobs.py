"""Blobs in a folder: whole or not there, whoever dies, whatever is full, however many write at once."""

import os
import stat
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seams import Child, children, obey_permissions, opened, small_disk

from pipelinekit.domain.digests import PREFIX, digest_bytes
from pipelinekit.errors import IntegrityError, StorageError
from pipelinekit.storage.blobs import FolderBlobs

READ_ONLY_FOLDER = 0o500


@pytest.fixture
def store(tmp_path):
    (tmp_path / "blobs").mkdir()
    return FolderBlobs(tmp_path / "blobs")


def place_of(store, digest):
    name = digest.removeprefix(PREFIX)
    return store.folder / name[:2] / name[2:]


def visible(store):
    """Every file of the store that lies where blobs are looked for."""
    return sorted(
        str(path.relative_to(store.folder))
        for path in store.folder.rglob("*")
        if path.is_file() and path.parent.name not in ("staging", "damaged")
    )


def staged(store):
    return list((store.folder / "staging").glob("*"))


def overwrite(place, data):
    os.chmod(place, 0o600)
    place.write_bytes(data)


# -- written whole -----------------------------------------------------------------------------------------------------


SLOW_WRITER = """
    import sys
    from pathlib import Path
    from pipelinekit.storage.blobs import FolderBlobs

    class Slow:
        def __init__(self):
            self.given = 0
        def read(self, size):
            if self.given == 8:
                print("midway", flush=True)
                sys.stdin.readline()
            self.given += 1
            return bytes([self.given]) * size if self.given < 20 else b""

    FolderBlobs(Path(sys.argv[1])).put(Slow())
"""


def test_a_writer_that_is_killed_leaves_no_blob(store):
    writer = Child(SLOW_WRITER, store.folder)
    assert writer.says() == "midway"
    assert visible(store) == []
    writer.kill()
    assert visible(store) == []
    digest, size = store.put(b"afterwards")
    assert size == 10
    assert store.read(digest) == b"afterwards"
    assert len(visible(store)) == 1


def test_a_source_that_fails_midway_leaves_nothing(store):
    class Failing(BytesIO):
        def read(self, size=-1):
            if self.tell() > 600_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(StorageError, match="Input/output error"):
        store.put(Failing(bytes(1_000_000)))
    assert visible(store) == []
    assert staged(store) == []


def test_a_source_that_raises_something_else_leaves_nothing(store):
    class Raising(BytesIO):
        def read(self, size=-1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(Raising())
    assert visible(store) == staged(store) == []


def test_a_file_that_is_not_there_is_told(store, tmp_path):
    for move in (False, True):
        with pytest.raises(StorageError, match="No such file"):
            store.put_file(tmp_path / "absent", move=move)
    assert visible(store) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    script = """
        import sys
        from io import BytesIO
        from pathlib import Path
        from pipelinekit.errors import StorageError
        from pipelinekit.storage.blobs import FolderBlobs
        disk, outside = Path(sys.argv[1]), Path(sys.argv[2])
        store = FolderBlobs(disk)
        kept, _ = store.put(b"kept")
        outside.write_bytes(bytes(range(256)) * 8192)
        for attempt in (
            lambda: store.put(BytesIO(outside.read_bytes())),
            lambda: store.put(outside.read_bytes()),
            lambda: store.put_file(outside),
            lambda: store.put_file(outside, move=True),
        ):
            try:
                attempt()
            except StorageError as error:
                print(error)
            print(len([path for path in disk.rglob("*") if path.is_file()]), "file")
        print(outside.exists(), store.read(kept) == b"kept")
        digest, _ = store.put(b"small")
        print(store.read(digest) == b"small")
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    said = Child(script, disk, tmp_path / "outside", prefix=small_disk(disk, "1m")).end()
    assert said.count("a blob could not be written to") == 4
    assert said.count("No space left on device") == 4
    assert said.count("free space on the disk and try again; nothing was half-written") == 4
    assert said.count("1 file\n") == 4
    assert said.endswith("True True\nTrue\n"), "what was to be moved is still there"


def test_a_file_too_large_for_its_file_system_is_told_and_leaves_nothing(store):
    script = """
        import resource, sys
        from pathlib import Path
        from pipelinekit.errors import StorageError
        from pipelinekit.storage.blobs import FolderBlobs
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            FolderBlobs(Path(sys.argv[1])).put(bytes(1_000_000))
        except StorageError as error:
            print(error)
    """
    said = Child(script, store.folder).end()
    assert "a blob could not be written" in said
    assert "File too large" in said
    assert visible(store) == staged(store) == []


def test_moving_from_another_file_system_copies(tmp_path):
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.storage.blobs import FolderBlobs
        disk, file = Path(sys.argv[1]), Path(sys.argv[2])
        store = FolderBlobs(disk)
        digest, size = store.put_file(file, move=True)
        print(store.read(digest) == b"content", size, file.exists(), oct(store.path(digest).stat().st_mode & 0o777))
    """
    disk, file = tmp_path / "disk", tmp_path / "file"
    disk.mkdir()
    file.write_bytes(b"content")
    assert Child(script, disk, file, prefix=small_disk(disk, "1m")).end() == "True 7 False 0o444\n"


def test_a_store_that_may_not_be_written_to_is_told(store, tmp_path):
    digest, _ = store.put(b"there")
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.errors import StorageError
        from pipelinekit.storage.blobs import FolderBlobs
        store = FolderBlobs(Path(sys.argv[1]))
        try:
            store.put(b"new")
        except StorageError as error:
            print(error)
        print(store.put(b"there")[0], store.read(sys.argv[2]))
    """
    folders = [store.folder, *(folder for folder in store.folder.iterdir() if folder.is_dir())]
    for folder in folders:
        os.chmod(folder, READ_ONLY_FOLDER)
    try:
        said = Child(script, store.folder, digest, preexec_fn=obey_permissions).end()
    finally:
        for folder in folders:
            os.chmod(folder, 0o700)
    assert "a blob could not be written to" in said
    assert "Permission denied" in said
    assert said.endswith(f"{digest} b'there'\n"), "what is there already needs no write"


def test_blobs_may_not_be_written_to(store, tmp_path):
    (tmp_path / "file").write_bytes(b"moved")
    os.chmod(tmp_path / "file", 0o755)
    for digest, _ in (store.put(b"bytes"), store.put_file(tmp_path / "file", move=True)):
        assert stat.S_IMODE(store.path(digest).stat().st_mode) == 0o444
    script = """
        import sys
        try:
            open(sys.argv[1], "r+b")
        except PermissionError:
            print("refused")
    """
    assert Child(script, store.path(digest), preexec_fn=obey_permissions).end() == "refused\n"


# -- many writers ------------------------------------------------------------------------------------------------------


def test_writers_of_the_same_blob_all_succeed_and_it_is_there_once(store, tmp_path):
    script = """
        import sys
        from io import BytesIO
        from pathlib import Path
        from pipelinekit.storage.blobs import FolderBlobs
        store, file = FolderBlobs(Path(sys.argv[1])), Path(sys.argv[2], sys.argv[3])
        print("ready", flush=True)
        for line in sys.stdin:
            data = line.strip().encode() * 100_000
            file.write_bytes(data)
            found = {store.put(BytesIO(data)), store.put_file(file), store.put_file(file, move=True)}
            ((digest, size),) = found
            assert store.read(digest) == data
            print(digest, size, flush=True)
    """
    with children(script, store.folder, tmp_path, count=3) as processes:
        for number in range(6):
            word = f"round {number} "
            for process in processes:
                process.tell(word)
            data = word.strip().encode() * 100_000
            expected = f"{digest_bytes(data)} {len(data)}"
            assert [process.says() for process in processes] == [expected] * 3
            assert len(visible(store)) == number + 1
            assert store.read(digest_bytes(data)) == data
        for process in processes:
            process.end()
    assert staged(store) == []


def test_what_is_there_is_not_written_again(store, tmp_path):
    digest, _ = store.put(b"same")
    before = place_of(store, digest).stat()
    (tmp_path / "same").write_bytes(b"same")
    store.put(BytesIO(b"same"))
    store.put_file(tmp_path / "same")
    store.put_file(tmp_path / "same", move=True)
    after = place_of(store, digest).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


# -- damage ------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=600), choice=st.data())
def test_any_damage_is_noticed(tmp_path_factory, data, choice):
    store = FolderBlobs(tmp_path_factory.mktemp("blobs"))
    digest, _ = store.put(data)
    kind = choice.draw(st.sampled_from(["flip", "truncate", "grow", "empty"]))
    if kind == "flip":
        position = choice.draw(st.integers(0, len(data) - 1))
        changed = bytearray(data)
        changed[position] ^= 1 << choice.draw(st.integers(0, 7))
    elif kind == "truncate":
        changed = data[: choice.draw(st.integers(0, len(data) - 1))]
    else:
        changed = data + b"\0" if kind == "grow" else b""
    overwrite(place_of(store, digest), bytes(changed))
    for reader in (FolderBlobs(store.folder), store):
        if reader is store:
            overwrite_again = place_of(store, digest)
            overwrite_again.parent.mkdir(exist_ok=True)
            overwrite_again.write_bytes(bytes(changed))
        with pytest.raises(IntegrityError) as error:
            reader.read(digest)
        assert error.value.fields["digest"] == digest
        assert reader.missing([digest]) == {digest}
    assert (store.folder / "damaged" / digest.removeprefix(PREFIX)).read_bytes() == bytes(changed)
    store.put(data)
    assert store.read(digest) == data


def test_damage_is_noticed_by_path_as_well_even_with_the_old_time(store):
    digest, _ = store.put(b"precious")
    before = store.path(digest).stat()
    overwrite(place_of(store, digest), b"PRECIOUS")
    os.utime(place_of(store, digest), ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(IntegrityError, match="is damaged"):
        store.path(digest)


def test_the_bytes_of_another_blob_are_damage(store):
    one, _ = store.put(b"one")
    two, _ = store.put(b"two")
    os.replace(place_of(store, one), place_of(store, two))
    with pytest.raises(IntegrityError, match="its bytes have digest"):
        store.read(two)
    assert store.missing([one, two]) == {one, two}


def test_a_blob_is_verified_once_while_its_file_stays_as_it_is(store):
    digest, _ = FolderBlobs(store.folder).put(b"content")
    with opened() as first:
        store.path(digest)
    with opened() as second:
        store.path(digest)
    assert str(place_of(store, digest)) in first
    assert str(place_of(store, digest)) not in second
    os.utime(place_of(store, digest))
    with opened() as third:
        store.path(digest)
    assert str(place_of(store, digest)) in third
