"""The audit log of a workspace: who did what, and whether the log is whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelinekit.domain.audit import DONE, START, AuditEvent, AuditRecord, Origin, Verified, broken_links
from pipelinekit.domain.upkeep import StoreFault
from pipelinekit.errors import UsageError
from pipelinekit.ports.audit import AuditRecords
from pipelinekit.workspace.pipelines import user_name


class AuditLog:
    """Rows are added, shown and verified; nothing changes or removes one."""

    def __init__(self, records: AuditRecords) -> None:
        self._records = records

    def note(
        self,
        action: str,
        object: str,  # noqa: A002 - the word of the log
        *,
        by: Origin | None = None,
        outcome: str = DONE,
        reason: str = "",
        before: str = "",
        after: str = "",
    ) -> AuditRecord:
        """Write a row, in the transaction that is open if there is one. Without `by` it was the user of this process.

        `before` and `after` are digests of what was changed.
        """
        return self._records.append(
            AuditEvent(local_origin() if by is None else by, action, object, outcome, reason, before, after)
        )

    def list(self, limit: int = 100, before: int | None = None) -> Sequence[AuditRecord]:
        """The newest rows, newest first; with `before` those whose number is less."""
        if limit < 1:
            raise UsageError(f"{limit} rows of the audit log cannot be shown", hint="ask for 1 or more")
        return self._records.newest(limit, before)

    def all(self) -> Iterator[AuditRecord]:
        """All rows in order."""
        return self._records.all()

    def faults(self) -> Sequence[StoreFault]:
        """Rule I11 of the checks: no row was changed, taken out or put in."""
        hint = "somebody has changed the records by hand; a copy of the records tells what stood there"
        return [StoreFault("I11", "audit log", words, hint) for words in self.verify().faults]

    def verify(self, known: str = START) -> Verified:
        """Look through the whole log, and also for the row of a digest that was `known` before.

        A chain cannot tell that its end was cut off, or that it was written anew as a whole: the known digest of a row,
        kept where nobody who may write to the records can change it, does.
        """
        count, newest = 0, START

        def counted() -> Iterator[AuditRecord]:
            nonlocal count, newest
            for record in self._records.all():
                count, newest = count + 1, record.digest
                yield record

        faults = broken_links(counted())
        if known and self._records.find(known) is None:
            faults.append(f"no row of the audit log has the digest {known}: it was cut off, or written anew")
        return Verified(count, newest, tuple(faults))


def local_origin() -> Origin:
    """Whoever uses this process, on this machine."""
    return Origin(user_name(), source="local")
