"""Secrets in the database: names, versions, and values that were sealed before they came here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pipelinekit.domain.secrets import Sealed, Secret, is_named
from pipelinekit.errors import NotFoundError
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database


class SQLSecrets:
    """Implements `ports.SecretRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def put(self, name: str, by: str, seal: Callable[[int, Mapping[str, Sealed]], str]) -> Secret:
        """Keep a new version; what is sealed meanwhile by others comes before or after it as a whole."""
        with self._database.transaction():
            self._database.lock()
            last = self._database.read("last_secret_version", (name,))
            kept = Secret(name, last[0]["version"] + 1 if last else 1, self._clock.now(), by)
            sealed = seal(kept.version, self.sealed())
            self._database.write("put_secret", (name, kept.version, sealed, kept.updated_at, by))
        return kept

    def delete(self, name: str, by: str) -> None:
        """Drop the value of a secret; its number stays taken."""
        if self._database.write("delete_secret", (self._clock.now(), by, name)) == 0:
            raise NotFoundError(f"there is no secret {name!r}", hint="'pipelinekit secrets list' shows the names")

    def list(self) -> Sequence[Secret]:
        """All secrets by name."""
        return [
            Secret(row["name"], row["version"], row["updated_at"], row["updated_by"])
            for row in self._database.read("list_secrets")
            if is_named(row["name"])
        ]

    def versions(self, names: Iterable[str]) -> Mapping[str, int]:
        """The version of each of these that is there."""
        return {row["name"]: row["version"] for row in self._database.read_keys("secret_versions", names)}

    def sealed(self) -> Mapping[str, Sealed]:
        """The sealed value of every secret."""
        return {row["name"]: Sealed(row["version"], row["sealed"]) for row in self._database.read("sealed_secrets")}

    def reseal(self, change: Callable[[Mapping[str, Sealed]], Mapping[str, str]]) -> None:
        """Put other seals around the same values, all or nothing, while nobody else writes."""
        with self._database.transaction():
            self._database.lock()
            new = change(self.sealed())
            self._database.write_many("reseal_secret", [(text, name) for name, text in new.items()])
