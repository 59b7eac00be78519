"""Datastores in the database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.datastores import Datastore
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.storage.database import Database, Row
from pipelinekit.wire.values import dumps, loads


class SQLDatastores:
    """Implements `ports.DatastoreRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, store: Datastore, *, overwrite: bool = False) -> None:
        """Keep a datastore."""
        folded = store.name.lower()
        with self._database.transaction():
            self._database.lock()
            if not overwrite and (rows := self._database.read("get_datastore", (folded,))):
                raise ConflictError(
                    f"there is a datastore {rows[0]['name']!r} already, at {rows[0]['url']}",
                    hint="choose another name, or overwrite it with overwrite=True (--overwrite)",
                )
            row = (
                folded,
                store.name,
                store.url,
                dumps(dict(store.options)),
                dumps(dict(store.secrets)),
                int(store.allow_private),
                0,
                store.created_at,
            )
            self._database.write("put_datastore", row)
            if store.is_default:
                self._database.write("default_datastore", (folded,))

    def get(self, name: str) -> Datastore:
        """The datastore of that name."""
        rows = self._database.read("get_datastore", (name.lower(),))
        if not rows:
            raise no_datastore(name, [store.name for store in self.list()])
        return _store(rows[0])

    def list(self) -> Sequence[Datastore]:
        """All of them."""
        return [_store(row) for row in self._database.read("list_datastores")]

    def remove(self, name: str) -> None:
        """Forget a datastore."""
        self.get(name)
        self._database.write("delete_datastore", (name.lower(),))

    def set_default(self, name: str) -> None:
        """Make it the default."""
        self.get(name)
        self._database.write("default_datastore", (name.lower(),))


def no_datastore(name: str, known: Sequence[str]) -> NotFoundError:
    """What to say where a datastore is not."""
    hint = f"there are: {', '.join(known)}" if known else "register one with 'pipelinekit datastores register NAME URL'"
    return NotFoundError(f"there is no datastore {name!r}", hint=hint)


def _store(row: Row) -> Datastore:
    return Datastore(
        row["name"],
        row["url"],
        loads(row["options"]),
        loads(row["secrets"]),
        bool(row["allow_private"]),
        bool(row["is_default"]),
        row["created_at"],
    )
