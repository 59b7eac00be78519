"""The audit log in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelinekit.domain.audit import START, AuditEvent, AuditRecord, chained, event_fields, event_of
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database, Row

ROWS_AT_ONCE = 1000
END = 2**62  # more than any number of a row
_PLAIN = ("actor", "token", "source", "request", "action", "object", "outcome", "reason")


class SQLAudit:
    """Implements `ports.AuditRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def append(self, event: AuditEvent) -> AuditRecord:
        """Write an event behind the last row, which stays the last until then."""
        with self._database.transaction():
            self._database.lock()
            last = self._database.read("last_audit")
            number, previous = (last[0]["number"] + 1, last[0]["digest"]) if last else (1, START)
            record = chained(number, self._clock.now(), event, previous)
            fields = event_fields(record.event)
            texts = (*(fields[name] for name in _PLAIN), fields["before"], fields["after"])
            self._database.send("add_audit", [(number, record.at, *texts, previous, record.digest)])
            self._database.foretell("last_audit", (), [{"number": number, "digest": record.digest}])
        return record

    def newest(self, count: int, before: int | None = None) -> Sequence[AuditRecord]:
        """The newest rows."""
        end = END if before is None else before
        return [_record(row) for row in self._database.read("audit_before", (end, count))]

    def all(self) -> Iterator[AuditRecord]:
        """All rows in order."""
        number = 0
        while rows := self._database.read("audit_after", (number, ROWS_AT_ONCE)):
            yield from map(_record, rows)
            number = rows[-1]["number"]

    def find(self, digest: str) -> AuditRecord | None:
        """The row of this digest."""
        rows = self._database.read("find_audit", (digest,))
        return _record(rows[0]) if rows else None


def _record(row: Row) -> AuditRecord:
    fields = {**row, "before": row["before_digest"], "after": row["after_digest"]}
    return AuditRecord(row["number"], row["at"], event_of(fields), row["previous"], row["digest"])
