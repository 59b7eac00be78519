"""When data that is watched has changed: listings one after the other, and what each means."""

from __future__ import annotations

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.data_changes import Cursor, DataChange, Listing


@frozen
class Change:
    """A change that has settled: the files that are new or other than before, by path; `gone` are those that went."""

    files: tuple[str, ...]
    gone: tuple[str, ...] = ()


def is_time(trigger: DataChange, cursor: Cursor, now: float) -> bool:
    """Whether to look again. While a change settles, that is as soon as it may have."""
    if not cursor.accepted:
        return True
    wait = trigger.poll if cursor.seen == cursor.accepted else min(trigger.poll, max(trigger.settle, 1.0))
    return now - cursor.looked_at >= wait or now < cursor.looked_at


def observe(trigger: DataChange, cursor: Cursor, listing: Listing, now: float) -> tuple[Cursor, Change | None]:
    """The cursor after a look, and the change that has settled with it.

    What is there at the first look is no change. What comes back to what it was has not changed. Files that only went
    are a change, but no file of it counts by itself.
    """
    found = listing.fingerprint
    kept = dict(listing.files) if trigger.each_file else {}
    if not cursor.accepted:
        return Cursor(0, found, found, now, now, kept), None
    if found == cursor.accepted:
        return replace(cursor, seen=found, seen_at=now, looked_at=now), None
    if found != cursor.seen:
        cursor = replace(cursor, seen=found, seen_at=now)
    if now - cursor.seen_at < trigger.settle:
        return replace(cursor, looked_at=now), None
    files = tuple(sorted(path for path, state in listing.files.items() if cursor.files.get(path) != state))
    gone = tuple(sorted(path for path in cursor.files if path not in listing.files))
    return Cursor(cursor.number + 1, found, found, now, now, kept), Change(files, gone)
