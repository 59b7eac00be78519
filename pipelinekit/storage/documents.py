"""Documents by digest in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipelinekit.storage.database import Database


class SQLDocuments:
    """Implements `ports.Documents` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, documents: Mapping[str, str]) -> None:
        """Keep documents; those that are there already cost no write."""
        with self._database.transaction():
            self._database.lock()  # what is found to be there must not be removed before the rest is written
            known = {row["digest"] for row in self._database.read_keys("known_documents", documents)}
            new = [(digest, body) for digest, body in documents.items() if digest not in known]
            if new:
                self._database.write_many("put_document", new)

    def get(self, digests: Iterable[str]) -> Mapping[str, str]:
        """The documents that are there."""
        return {row["digest"]: row["body"] for row in self._database.read_keys("get_documents", digests)}
