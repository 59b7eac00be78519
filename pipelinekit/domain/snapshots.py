"""Trees of files told by content: the snapshot of a source folder, and the content of a folder that is data.

A tree is its sorted list of (path, digest, size, executable). Its identity is the digest of its manifest, which is the
canonical JSON text of that list; modification times, owners and the folder's own place never enter it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

from pipelinekit.classes import frozen
from pipelinekit.domain.digests import digest_bytes, is_digest
from pipelinekit.errors import IntegrityError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import unicodedata
else:
    unicodedata = late("unicodedata")

MANIFEST_VERSION = 1


@frozen
class SnapshotLimits:
    """How much a source folder may hold; so much is more often data that was forgotten than code."""

    files: int = 20_000
    size: int = 300 * 2**20

    def __str__(self) -> str:
        return f"{self.size / 2**20:g} MiB, {self.files} files"


@frozen
class TreeEntry:
    """One file of a tree. `path` is relative, with `/` and in Unicode's NFC form; `size` is in bytes."""

    path: str
    digest: str
    size: int
    executable: bool = False


@frozen
class Tree:
    """Files by relative path, in the order of their paths."""

    entries: tuple[TreeEntry, ...]

    @staticmethod
    def of(entries: Iterable[TreeEntry]) -> Tree:
        """A tree of these files, sorted.

        Refuses what could not be restored: unsafe paths, and paths equal in NFC form.
        """
        ordered = tuple(sorted(entries, key=lambda entry: entry.path))
        for entry in ordered:
            if not is_safe_path(entry.path):
                raise IntegrityError(f"a file may not be named {entry.path!r}", hint="rename it, without a backslash")
        for first, second in itertools.pairwise(ordered):
            if first.path == second.path:
                raise IntegrityError(f"two files have the same path {first.path!r} in Unicode's NFC form")
        return Tree(ordered)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.entries)

    def manifest(self) -> bytes:
        """The canonical text that is stored, and whose digest is the tree's identity."""
        rows = [[entry.path, entry.digest, entry.size, int(entry.executable)] for entry in self.entries]
        return json.dumps({"tree": MANIFEST_VERSION, "entries": rows}, separators=(",", ":")).encode()

    def digest(self) -> str:
        """The tree's identity: the digest of its manifest."""
        return digest_bytes(self.manifest())


def normal_path(path: str) -> str:
    """A relative path with `/` in Unicode's NFC form, as trees write it."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def parse_manifest(data: bytes) -> Tree:
    """Read a manifest. Raises IntegrityError when it is not one, or names a path that would leave the folder."""
    try:
        document = json.loads(data)
        if document["tree"] != MANIFEST_VERSION:
            raise IntegrityError(f"a tree manifest of version {document['tree']} cannot be read by this release")
        entries = tuple(TreeEntry(path, digest, size, bool(flag)) for path, digest, size, flag in document["entries"])
        for entry in entries:
            if not is_digest(entry.digest) or not is_safe_path(entry.path):
                raise IntegrityError(f"a tree manifest names an unsafe path or digest: {entry.path!r}")
        if len({entry.path for entry in entries}) < len(entries):
            raise IntegrityError("a tree manifest names one path twice")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"not a tree manifest: {error}") from None
    return Tree(entries)


_UNSAFE_PARTS = frozenset(("", ".", ".."))


def is_safe_path(path: str) -> bool:
    """Whether a relative path stays inside the folder that it is joined to."""
    if not path or path.startswith("/") or "\\" in path or "\0" in path:
        return False
    return _UNSAFE_PARTS.isdisjoint(path.split("/"))
