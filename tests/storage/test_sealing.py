"""Key files: private, never replaced in part, and clear about what is wrong with them."""

import os
import signal
import stat

import pytest
from seams import Child, obey_permissions

from pipelinekit.domain.secrets import Sealed
from pipelinekit.errors import StorageError
from pipelinekit.storage.sealing import KEY_FILE, KeyFile
from pipelinekit.storage.secrets import SQLSecrets
from pipelinekit.storage.sqlite import SQLiteDatabase
from pipelinekit.testing.clock import HandClock
from pipelinekit.workspace.secrets import SecretCollection, open_secrets


@pytest.fixture
def keys(tmp_path):
    made = KeyFile(tmp_path / "secrets.key")
    made.make()
    return made


def test_the_key_file_is_made_for_its_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        KeyFile(tmp_path / "deep" / "secrets.key").make()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "deep" / "secrets.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700
    assert os.listdir(tmp_path / "deep") == ["secrets.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_key_file_that_others_can_read_or_change_is_refused(keys, mode):
    sealed = Sealed(1, keys.seal("A", 1, "correct horse"))
    keys.path.chmod(mode)
    for action in (lambda: keys.seal("A", 1, "x"), lambda: keys.open("A", sealed), keys.add):
        with pytest.raises(StorageError, match=rf"others may read .*\(mode {mode:04o}\)") as error:
            action()
        assert f"chmod 600 {keys.path}" in error.value.hint
    keys.path.chmod(0o400)
    assert keys.open("A", sealed) == "correct horse"


def test_a_missing_key_is_told_with_what_to_do(keys):
    keys.path.unlink()
    with pytest.raises(StorageError, match="is not there, but secrets were sealed with it") as error:
        keys.seal("A", 1, "x")
    assert "PIPELINEKIT_SECRETS_KEY" in error.value.hint
    assert "if it is lost, the values are too" in error.value.hint


def test_a_wrong_key_is_told_with_what_to_do(keys, tmp_path):
    other = KeyFile(tmp_path / "other.key")
    other.make()
    with pytest.raises(StorageError, match=r"other\.key does not open secret 'A'") as error:
        other.open("A", Sealed(1, keys.seal("A", 1, "correct horse")))
    assert "secrets delete A" in error.value.hint


@pytest.mark.parametrize(
    ("text", "line"), [("", 1), ("# nothing\n", 2), ("# one\nabc\n", 2), ("A" * 44 + "!\n", 1), ("\xff\n", 1)]
)
def test_a_damaged_key_file_is_told_with_its_line(keys, text, line):
    keys.path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match=f"has no key on line {line}"):
        keys.seal("A", 1, "x")


def test_what_is_no_file_and_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(StorageError, match=r"cannot be read|is no file"):
        KeyFile(tmp_path / "folder").seal("A", 1, "x")
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.storage.sealing import KeyFile
        for action in (lambda keys: keys.seal("A", 1, "x"), KeyFile.add):
            try:
                action(KeyFile(Path(sys.argv[1])))
            except Exception as error:
                print(type(error).__name__, error.message)
    """
    path = tmp_path / "closed.key"
    KeyFile(path).make()
    path.chmod(0o000)
    said = Child(script, path, preexec_fn=obey_permissions).end()
    assert said.count(f"StorageError the key file {path} cannot be read: Permission denied") == 2


def test_a_file_that_other_workspaces_may_use_keeps_its_older_keys(tmp_path):
    shared = KeyFile(tmp_path / "shared.key", shared=True)
    shared.make()
    theirs = Sealed(1, shared.seal("B", 1, "battery staple"))
    shared.add()
    assert shared.retire({}) == 1
    assert shared.open("B", theirs) == "battery staple"


def test_no_key_stands_in_the_records(keys, tmp_path):
    secrets = SecretCollection(SQLSecrets(SQLiteDatabase(tmp_path / "records.db"), HandClock()), keys)
    secrets.set("A", "correct horse")
    key = keys.path.read_text().splitlines()[-1]
    kept = (tmp_path / "records.db").read_bytes()
    assert key.encode() not in kept
    assert b"correct horse" not in kept


ROTATE = """
    import os, signal, sys
    from pathlib import Path
    from pipelinekit.storage import sealing
    from pipelinekit.storage.secrets import SQLSecrets
    from pipelinekit.storage.sqlite import SQLiteDatabase
    from pipelinekit.testing.clock import HandClock
    from pipelinekit.workspace.secrets import SecretCollection

    folder, wanted, passed = Path(sys.argv[1]), int(sys.argv[2]), 0

    def point(*_):
        global passed
        passed += 1
        if passed == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function):
        def call(*words, **options):
            point()
            result = function(*words, **options)
            point()
            return result
        return call

    # every durable effect of a rotation: files that are synced, linked and replaced, transactions that end
    os.fsync, os.replace = around(os.fsync), around(os.replace)
    SQLiteDatabase._end = around(SQLiteDatabase._end)
    SQLiteDatabase.write_many = around(SQLiteDatabase.write_many)
    database = SQLiteDatabase(folder / "records.db")
    SecretCollection(SQLSecrets(database, HandClock()), sealing.KeyFile(folder / "secrets.key")).rotate_key()
    print("rotated after", passed, "points")
"""


def test_a_rotation_that_is_killed_anywhere_loses_nothing(tmp_path):
    values = {name: f"value of {name}" for name in ("A", "B", "C")}

    def opened():
        records = SQLSecrets(SQLiteDatabase(tmp_path / "records.db"), HandClock())
        keys = KeyFile(tmp_path / "secrets.key")
        return SecretCollection(records, keys), open_secrets(dict.fromkeys(values, 1), records, keys)

    records = SQLSecrets(SQLiteDatabase(tmp_path / "records.db"), HandClock())
    secrets = SecretCollection(records, KeyFile(tmp_path / "secrets.key"))
    for name, value in values.items():
        secrets.set(name, value)
    killed = 0
    while True:
        child = Child(ROTATE, tmp_path, killed + 1)
        child.process.wait(timeout=60)
        assert opened()[1] == values
        if child.process.returncode != -signal.SIGKILL:
            break
        child.process.communicate()
        killed += 1
    assert "rotated" in child.end()
    assert killed >= 14, "a rotation has many moments to die at"
    keys = [line for line in (tmp_path / "secrets.key").read_text().splitlines() if not line.startswith("#")]
    assert not [name for name in os.listdir(tmp_path) if name.startswith(f".{KEY_FILE}")], "none is left half-written"
    assert len(keys) == 1, "the last rotation retired what those before had left"
    secrets, _ = opened()
    assert secrets.set("A", "another value").version == 2
