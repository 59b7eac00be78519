"""The audit log: who did what to which object, in rows of which each holds the digest of the one before.

A row that was changed, taken out or put in shows when the log is verified. What the chain alone cannot show is an end
that was cut off, or a log that was written anew as a whole: for that keep the digest of a row elsewhere, and have it
looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import frozen
from pipelinekit.domain.digests import encode, strong_digest
from pipelinekit.typed import Any

LONGEST = 1000  # characters of a text in a row
DONE, REFUSED, FAILED = "done", "refused", "failed"  # what came of it
START = ""  # stands for the digest of the row before the first


@frozen
class Origin:
    """Who does something and from where.

    `actor` is the name of a token or of a user of this machine, `token` the id of the token, `source` a network address
    or `local`, `request` the id of the request.
    """

    actor: str = ""
    token: str = ""
    source: str = ""
    request: str = ""


@frozen
class AuditEvent:
    """Something that was done, or refused with a `reason`; of what it changed the digests `before` and `after`."""

    origin: Origin
    action: str
    object: str
    outcome: str = DONE
    reason: str = ""
    before: str = ""
    after: str = ""


@frozen
class AuditRecord:
    """A row of the audit log. Numbers begin with 1 and have no gaps; times are UTC."""

    number: int
    at: float
    event: AuditEvent
    previous: str
    digest: str


@frozen
class Verified:
    """What a look through the whole log found: how many rows, the digest of the newest, and all that is wrong."""

    rows: int
    newest: str
    faults: Sequence[str] = ()


def chained(number: int, at: float, event: AuditEvent, previous: str) -> AuditRecord:
    """The row of an event, behind the row with the digest `previous`. Its texts are cut to what can be kept."""
    kept = AuditEvent(
        Origin(*map(_kept, (event.origin.actor, event.origin.token, event.origin.source, event.origin.request))),
        _kept(event.action),
        _kept(event.object),
        *map(_kept, (event.outcome, event.reason, event.before, event.after)),
    )
    return AuditRecord(number, float(at), kept, previous, row_digest(number, float(at), kept, previous))


def row_digest(number: int, at: float, event: AuditEvent, previous: str) -> str:
    """What the row of an event is told by."""
    return strong_digest(encode([1, number, at, event_fields(event), previous]))


def event_fields(event: AuditEvent) -> dict[str, str]:
    """An event as texts by name."""
    return {
        "actor": event.origin.actor,
        "token": event.origin.token,
        "source": event.origin.source,
        "request": event.origin.request,
        "action": event.action,
        "object": event.object,
        "outcome": event.outcome,
        "reason": event.reason,
        "before": event.before,
        "after": event.after,
    }


def event_of(fields: Mapping[str, Any]) -> AuditEvent:
    """The event that `event_fields` tells."""
    return AuditEvent(
        Origin(fields["actor"], fields["token"], fields["source"], fields["request"]),
        fields["action"],
        fields["object"],
        fields["outcome"],
        fields["reason"],
        fields["before"],
        fields["after"],
    )


def broken_links(records: Iterable[AuditRecord]) -> list[str]:
    """What is wrong with a log, whose rows come in order from the first on; empty where the chain is whole."""
    found: list[str] = []
    number, previous = 0, START
    for record in records:
        if record.number != number + 1:
            found.append(_gap(number, record.number))
        elif record.previous != previous:
            found.append(f"row {record.number} of the audit log does not follow from the row before it")
        if row_digest(record.number, record.at, record.event, record.previous) != record.digest:
            found.append(f"row {record.number} of the audit log is not what was written")
        number, previous = record.number, record.digest
    return found


def _gap(last: int, number: int) -> str:
    if number <= last:
        return f"row {number} of the audit log stands behind row {last}"
    missing = f"row {last + 1} is" if number == last + 2 else f"rows {last + 1} to {number - 1} are"
    return f"{missing} missing from the audit log"


def _kept(text: str) -> str:
    """A text as every database keeps it: no zeros, no halves of letters, and not too long."""
    plain = text.encode("utf-8", "replace").decode().replace("\0", "\u2400")
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"
