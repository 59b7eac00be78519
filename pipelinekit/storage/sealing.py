"""Keys in a file outside of the records: what a copy of the database alone cannot be read with.

The file has one key on each line, the newest first, and nobody but its owner may read it. It is replaced as a whole,
so that whoever is killed meanwhile leaves the keys of before or those of after. Changes are made under the write lock
of the records, one after the other.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.secrets import KEYS_MARK, Sealed, made_anew
from pipelinekit.errors import StorageError
from pipelinekit.late import late
from pipelinekit.wire.values import dumps, loads

if TYPE_CHECKING:
    from cryptography import fernet
else:
    fernet = late("cryptography.fernet")

KEY_FILE = "secrets.key"
HEADER = f"{KEYS_MARK}, the newest first. Keep this file private, and a copy of it.\n"
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFile:
    """Implements `ports.SecretKeys` with Fernet keys in a file. `shared` says that other workspaces may use it too."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path = path
        self._shared = shared

    def make(self) -> None:
        """Make the first key, if there is no file."""
        if not self.path.exists():
            self._write([_library().Fernet.generate_key().decode()], new=True)

    def seal(self, name: str, version: int, value: str) -> str:
        """A value sealed with the newest key, together with what it is the value of."""
        key = _library().Fernet(self._read()[0])
        return str(key.encrypt(dumps([name, version, value]).encode()).decode())

    def open(self, name: str, sealed: Sealed) -> str:
        """The value that was sealed, by whichever of the keys."""
        library = _library()
        keys = library.MultiFernet([library.Fernet(key) for key in self._read()])
        return self._opened(keys, name, sealed)

    def add(self) -> None:
        """Put a new key before the others."""
        self._write([_library().Fernet.generate_key().decode(), *self._read()])

    def retire(self, sealed: Mapping[str, Sealed]) -> int:
        """Drop the older keys; of a shared file they stay, because nobody here knows what others have sealed."""
        newest, *older = self._read()
        key = _library().Fernet(newest)
        for name, item in sealed.items():
            self._opened(key, name, item)
        if older and not self._shared:
            self._write([newest])
            return 0
        return len(older)

    def _opened(self, keys: Any, name: str, sealed: Sealed) -> str:
        try:
            found = loads(keys.decrypt(sealed.text.encode()))
        except _library().InvalidToken:
            raise StorageError(
                f"the key in {self.path} does not open secret {name!r}: it was sealed with another one, or is damaged",
                hint="put the right key file in its place, or name it in PIPELINEKIT_SECRETS_KEY; if that key is lost, "
                f"the value is too: {made_anew(name)}",
            ) from None
        if found[:2] != [name, sealed.version]:
            raise StorageError(
                f"the records hold the value of another secret or version in place of secret {name!r}",
                hint=f"somebody has changed them by hand; {made_anew(name)}",
            )
        return str(found[2])

    # -- the file ----------------------------------------------------------------------------------------------------

    def _read(self) -> Sequence[str]:
        """The keys in the file. Raises StorageError when it is not there, not private, or no key file."""
        try:
            with self.path.open("rb") as stream:
                self._check_private(os.fstat(stream.fileno()))
                lines = stream.read().decode("ascii").splitlines()
        except FileNotFoundError:
            raise StorageError(
                f"the key file {self.path} is not there, but secrets were sealed with it",
                hint="put it back from where you keep a copy, or name its place in PIPELINEKIT_SECRETS_KEY; if it is "
                "lost, the values are too: delete the secrets and set them anew",
            ) from None
        except OSError as error:
            raise StorageError(f"the key file {self.path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise self._damaged(1) from None
        keys = []
        for number, line in enumerate(lines, 1):
            if line and not line.startswith("#"):
                try:
                    _library().Fernet(line)
                except ValueError:
                    raise self._damaged(number) from None
                keys.append(line)
        if not keys:
            raise self._damaged(len(lines) + 1)
        return keys

    def _damaged(self, line: int) -> StorageError:
        hint = "put it back from where you keep a copy; if that is lost, delete the secrets and set them anew"
        return StorageError(f"the key file {self.path} has no key on line {line}", hint=hint)

    def _check_private(self, state: os.stat_result) -> None:
        if not stat.S_ISREG(state.st_mode):
            raise StorageError(f"the key file {self.path} is no file")
        if state.st_mode & OTHERS:
            raise StorageError(
                f"others may read or change the key file {self.path} (mode {stat.S_IMODE(state.st_mode):04o})",
                hint=f"'chmod 600 {self.path}'; if somebody may have read it, 'pipelinekit secrets rotate-key' as well",
            )
        if state.st_uid not in (os.geteuid(), 0):
            raise StorageError(f"the key file {self.path} belongs to somebody else (user {state.st_uid})")

    def _write(self, keys: Sequence[str], *, new: bool = False) -> None:
        """Put a file with these keys in place; with `new` only where there is none."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._shared:  # then nobody else writes now
                for left in self.path.parent.glob(f".{self.path.name}-*"):
                    left.unlink()
            handle, staged = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")  # of mode 0600
            try:
                with os.fdopen(handle, "w", encoding="ascii") as stream:
                    stream.write(HEADER + "".join(f"{key}\n" for key in keys))
                    stream.flush()
                    os.fsync(stream.fileno())
                if new:
                    with suppress(FileExistsError):  # somebody else was first
                        os.link(staged, self.path)
                else:
                    os.replace(staged, self.path)
                _sync_folder(self.path.parent)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(staged)
        except OSError as error:
            raise StorageError(f"the key file {self.path} cannot be written: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _library() -> Any:
    try:
        fernet.Fernet  # noqa: B018 - loads it
    except ImportError:
        raise StorageError(
            "secrets are sealed by the library cryptography, which is not installed here",
            hint="install the extra: pip install 'pipelinekit[secrets]'",
        ) from None
    return fernet
