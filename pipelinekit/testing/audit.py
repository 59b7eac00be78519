"""The audit log in memory: the twin of what `storage` keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelinekit.domain.audit import START, AuditEvent, AuditRecord, chained
from pipelinekit.ports import Clock


class MemoryAudit:
    """Twin of `storage.audit.SQLAudit`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.rows: list[AuditRecord] = []

    def append(self, event: AuditEvent) -> AuditRecord:
        """Write an event behind the last row."""
        previous = self.rows[-1].digest if self.rows else START
        self.rows.append(chained(len(self.rows) + 1, self._clock.now(), event, previous))
        return self.rows[-1]

    def newest(self, count: int, before: int | None = None) -> Sequence[AuditRecord]:
        """The newest rows."""
        return [row for row in reversed(self.rows) if before is None or row.number < before][:count]

    def all(self) -> Iterator[AuditRecord]:
        """All rows in order."""
        yield from self.rows

    def find(self, digest: str) -> AuditRecord | None:
        """The row of this digest."""
        return next((row for row in self.rows if row.digest == digest), None)
