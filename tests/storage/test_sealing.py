"""Key files: private, never replaced in part, and clear about what is wrong with them."""

import os
import signal
import stat

import pytest
from seams import Child, children, obey_permissions

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


def test_without_the_library_it_is_told_what_to_install(tmp_path):
    script = """
        import sys
        sys.modules["cryptography"] = None
        from pathlib import Path
        from pipelinekit.storage.sealing import KeyFile
        try:
            KeyFile(Path(sys.argv[1])).make()
        except Exception as error:
            print(type(error).__name__, error)
    """
    said = Child(script, tmp_path / "secrets.key").end()
    assert said.startswith("StorageError secrets are sealed by the library cryptography, which is not installed here")
    assert "pip install 'pipelinekit[secrets]'" in said


SETTING = """
    import sys
    from pathlib import Path
    from pipelinekit.storage.sealing import KeyFile
    from pipelinekit.storage.secrets import SQLSecrets
    from pipelinekit.storage.sqlite import SQLiteDatabase
    from pipelinekit.testing.clock import HandClock
    from pipelinekit.workspace.secrets import SecretCollection

    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    records = SQLSecrets(SQLiteDatabase(folder / "records.db"), HandClock())
    secrets = SecretCollection(records, KeyFile(folder / "secrets.key"))
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(10):
        secrets.set(f"S{number}", f"value {number}.{turn}")
        secrets.rotate_key()
"""


def test_secrets_that_are_set_while_keys_are_changed_can_all_be_opened(tmp_path):
    with children(SETTING, tmp_path, count=3) as started:
        for child in started:
            child.tell()
        for child in started:
            child.end()
    records = SQLSecrets(SQLiteDatabase(tmp_path / "records.db"), HandClock())
    found = open_secrets(dict.fromkeys(["S0", "S1", "S2"], 10), records, KeyFile(tmp_path / "secrets.key"))
    assert found == {f"S{number}": f"value {number}.9" for number in range(3)}
    assert len((tmp_path / "secrets.key").read_text().splitlines()) == 2, "a heading and one key"


ROTATE = """
    import os, signal, sys
    from pathlib import Path
    from pipelinekit.storage import sealing
    from pipelinekit.storage.secrets import SQLSecrets
    from pipelinekit.storage.sqlite import SQLiteDatabase
    from pipelinekit.testing.clock import HandClock
    from pipelinekit.workspace.secrets import SecretCollection

    sealing.fernet.Fernet
    folder, wanted, passed = Path(sys.argv[1]), 0, 0

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

    # every durable effect of a rotation: files that are synced and replaced, what is written, transactions that end
    os.fsync, os.replace = around(os.fsync), around(os.replace)
    SQLiteDatabase._end = around(SQLiteDatabase._end)
    SQLiteDatabase.write_many = around(SQLiteDatabase.write_many)
    for line in sys.stdin:
        wanted = int(line)
        process = os.fork()
        if process == 0:
            database = SQLiteDatabase(folder / "records.db")
            SecretCollection(SQLSecrets(database, HandClock()), sealing.KeyFile(folder / "secrets.key")).rotate_key()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


def test_a_rotation_that_is_killed_anywhere_loses_nothing(tmp_path):
    values = {name: f"value of {name}" for name in ("A", "B", "C")}
    records = SQLSecrets(SQLiteDatabase(tmp_path / "records.db"), HandClock())
    keys = KeyFile(tmp_path / KEY_FILE)
    secrets = SecretCollection(records, keys)
    for name, value in values.items():
        secrets.set(name, value)
    killed = 0
    rotating = Child(ROTATE, tmp_path)
    while True:
        rotating.tell(str(killed + 1))
        code = int(rotating.says())
        assert open_secrets(dict.fromkeys(values, 1), records, keys) == values
        if code != -signal.SIGKILL:
            break
        killed += 1
    rotating.end()
    assert code == 0
    assert killed >= 14, "a rotation has many moments to die at"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(f".{KEY_FILE}")], "none is left half-written"
    kept = [line for line in keys.path.read_text().splitlines() if not line.startswith("#")]
    assert len(kept) == 1, "the last rotation retired what those before had left"
    assert secrets.set("A", "another value").version == 2
