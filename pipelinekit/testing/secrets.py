"""Secrets in memory, and keys that are only numbers: twins of `storage.secrets` and `storage.sealing`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.secrets import Sealed, Secret, is_named
from pipelinekit.errors import NotFoundError, StorageError
from pipelinekit.ports import Clock
from pipelinekit.wire.values import dumps, loads


class MemorySecrets:
    """Twin of `storage.secrets.SQLSecrets`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secrets: dict[str, Secret] = {}
        self._sealed: dict[str, Sealed] = {}

    def put(self, name: str, by: str, seal: Callable[[int, Mapping[str, Sealed]], str]) -> Secret:
        """Keep a new version."""
        version = self._secrets[name].version + 1 if name in self._secrets else 1
        text = seal(version, self.sealed())
        self._secrets[name] = Secret(name, version, self._clock.now(), by)
        self._sealed[name] = Sealed(version, text)
        return self._secrets[name]

    def delete(self, name: str, by: str) -> None:
        """Drop the value of a secret."""
        if name not in self._sealed:
            raise NotFoundError(f"there is no secret {name!r}")
        del self._sealed[name]
        self._secrets[name] = replace(self._secrets[name], updated_at=self._clock.now(), updated_by=by)

    def list(self) -> Sequence[Secret]:
        """All secrets by name."""
        return [item for name, item in sorted(self._secrets.items()) if name in self._sealed and is_named(name)]

    def versions(self, names: Iterable[str]) -> Mapping[str, int]:
        """The version of each of these that is there."""
        return {name: self._sealed[name].version for name in names if name in self._sealed}

    def sealed(self) -> Mapping[str, Sealed]:
        """The sealed value of every secret."""
        return dict(sorted(self._sealed.items()))

    def reseal(self, change: Callable[[Mapping[str, Sealed]], Mapping[str, str]]) -> None:
        """Put other seals around the same values."""
        new = change(self.sealed())
        self._sealed.update((name, Sealed(self._sealed[name].version, text)) for name, text in new.items())


class MemoryKeys:
    """Twin of `storage.sealing.KeyFile`: what is sealed names its key, and hides nothing from who looks at it."""

    def __init__(self) -> None:
        self._made = 0
        self._keys: list[int] = []

    def make(self) -> None:
        """Make the first key."""
        if not self._keys:
            self._new()

    def seal(self, name: str, version: int, value: str) -> str:
        """A value sealed with the newest key."""
        return dumps([self._known()[0], name, version, value[::-1]])

    def open(self, name: str, sealed: Sealed) -> str:
        """The value that was sealed."""
        return self._opened(self._known(), name, sealed)

    def add(self) -> None:
        """Make a new key."""
        self._known()
        self._new()

    def retire(self, sealed: Mapping[str, Sealed]) -> int:
        """Drop the older keys."""
        newest = self._known()[:1]
        for name, item in sealed.items():
            self._opened(newest, name, item)
        self._keys = newest
        return 0

    def lose(self) -> None:
        """Forget all keys."""
        self._keys = []

    def _new(self) -> None:
        self._made += 1
        self._keys.insert(0, self._made)

    def _known(self) -> list[int]:
        if not self._keys:
            raise StorageError("the key is not there, but secrets were sealed with it")
        return self._keys

    @staticmethod
    def _opened(keys: Sequence[int], name: str, sealed: Sealed) -> str:
        key, *what, backwards = loads(sealed.text)
        if key not in keys or what != [name, sealed.version]:
            raise StorageError(f"the key does not open secret {name!r}")
        return str(backwards[::-1])
