"""The audit log, as it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.audit import AuditEvent, AuditRecord
else:
    Protocol = object


class AuditRecords(Protocol):
    """Rows of the audit log, which only grows."""

    def append(self, event: AuditEvent) -> AuditRecord:
        """Write an event behind the last row, in the transaction of the caller if there is one."""

    def newest(self, count: int, before: int | None = None) -> Sequence[AuditRecord]:
        """The newest rows, newest first; those whose number is less than `before` only."""

    def all(self) -> Iterator[AuditRecord]:
        """All rows in order, as far as they can be read as such."""

    def find(self, digest: str) -> AuditRecord | None:
        """The row of this digest, if there is one."""
