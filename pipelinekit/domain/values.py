"""Stored values: what an input or output is, once it lies in the store, told by content.

A stored value travels in records and messages in place of the data. Its `digest` is the typed content identity that
enters keys; `blob` is the digest of the stored bytes, by which they are found and verified. The two differ where equal
content may have different bytes, as tables do. Small plain data lies `inline`, with no blob at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipelinekit.classes import frozen
from pipelinekit.domain.digests import digest
from pipelinekit.domain.types import date_kind
from pipelinekit.typed import Any

PLAIN = "json"  # the format of plain data: None, bool, int, float, str, bytes, date, datetime, lists and dicts of them
NOTED_SECONDS = 30.0  # a use of a blob so soon after another need not be noted again
SLACK_SECONDS = 2 * NOTED_SECONDS  # by so much a noted use may be older than the use itself; clocks are coarse, too


@frozen
class StoredValue:
    """One value in the store.

    `size` counts stored bytes; `suffix` is the part of a file's name that readers look at.
    """

    digest: str
    format: str = PLAIN
    size: int = 0
    blob: str = ""
    inline: Any = None
    suffix: str = ""
    items: tuple[StoredValue, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def is_inline(self) -> bool:
        """Whether the value itself is at hand in `inline`."""
        return self.format == PLAIN and not self.blob

    @property
    def is_at_hand(self) -> bool:
        """Whether `data` gives the value: it lies inline, or is a list or dict of such."""
        return self.is_inline or (self.format in ("list", "dict") and all(item.is_at_hand for item in self.items))

    def data(self) -> Any:
        """The plain data of a value that is at hand."""
        if self.is_inline:
            return self.inline
        items = [item.data() for item in self.items]
        return items if self.format == "list" else dict(zip(self.keys, items, strict=True))

    def blobs(self) -> Iterator[str]:
        """The blobs that this value needs, those of its items included. A folder names only its manifest."""
        if self.blob:
            yield self.blob
        for item in self.items:
            yield from item.blobs()


def manifests(value: StoredValue) -> Iterator[str]:
    """The manifests of the folders in a value, which name further blobs."""
    if value.format == "folder":
        yield value.blob
    for item in value.items:
        yield from manifests(item)


def plain(value: Any) -> StoredValue:
    """Stored value of plain data, inline. Raises TypeError for anything that is not plain data."""
    return StoredValue(digest(value), inline=value)


def list_of(items: Iterable[StoredValue]) -> StoredValue:
    """A list whose items are stored one by one."""
    items = tuple(items)
    return StoredValue(
        digest(["list", [item.digest for item in items]]), "list", sum(item.size for item in items), items=items
    )


def dict_of(entries: dict[str, StoredValue]) -> StoredValue:
    """A dict whose values are stored one by one, in the order of their keys."""
    keys = tuple(sorted(entries))
    items = tuple(entries[key] for key in keys)
    identity = digest(["dict", {key: entries[key].digest for key in keys}])
    return StoredValue(identity, "dict", sum(item.size for item in items), items=items, keys=keys)


def tabular(files: StoredValue, reading: dict[str, Any]) -> StoredValue:
    """A table that lies in the files of a folder, and how it is read from them."""
    how = plain(reading)
    return StoredValue(
        digest(["tabular", files.digest, how.digest]), "tabular", files.size, items=(files, how), keys=("files", "how")
    )


def file_digest(blob: str, suffix: str) -> str:
    """Content identity of a file: its bytes, and the suffix that readers choose their parser by; never its name."""
    return digest(["file", suffix, blob])


def folder_digest(manifest: str) -> str:
    """Content identity of a folder whose tree has this manifest."""
    return digest(["folder", manifest])


def file_suffix(name: str) -> str:
    """The part of a file name that says how to read it: `.csv`, `.csv.gz`."""
    stem, dot, last = name.rpartition(".")
    if not dot or not stem:
        return ""
    suffix = f".{last}"
    if suffix.lower() in (".gz", ".bz2", ".xz", ".zst", ".zip"):
        inner = file_suffix(stem)
        return inner + suffix if len(inner) <= 8 else suffix
    return suffix


def why_not_plain(value: Any, path: str = "value") -> str:
    """What keeps `value` from being plain data, with the place inside it; empty when nothing does."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str, bytes) or date_kind(kind):
        return ""
    if kind in (list, tuple):
        return next((why for i, item in enumerate(value) if (why := why_not_plain(item, f"{path}[{i}]"))), "")
    if kind is dict:
        for key, item in value.items():
            if type(key) not in (str, int, float, bool, type(None)):
                return f"{path} has a key of type {type(key).__name__}"
            if why := why_not_plain(item, f"{path}[{key!r}]"):
                return why
        return ""
    return f"{path} is a {kind.__module__}.{kind.__qualname__}"
