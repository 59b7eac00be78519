"""The one identity: content digests over a canonical encoding.

The encoding is type-tagged, length-framed and sorted, so that `1`, `1.0`, `True` and `"1"` differ and no two splits of
fields collide. Digests are written `xxh3:<32 hex digits>`; the tag lets the algorithm change. This is the only module
that imports a hash. xxh3 is not made against forgery: whoever may write to the workspace's store is trusted by it. What
must stand forgery is no identity of content, and has a `strong_digest`.

Golden vectors in the tests pin the encoding; changing a byte of it is a change of `KEY_SCHEMA` in `engine.fingerprint`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from xxhash import xxh3_64_intdigest, xxh3_128, xxh3_128_hexdigest

from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import hashlib
    import hmac
    import struct
    import zlib
else:
    hashlib = late("hashlib")
    hmac = late("hmac")
    struct = late("struct")
    zlib = late("zlib")

PREFIX = "xxh3:"
STRONG_PREFIX = "sha256:"
DIGEST_LENGTH = len(PREFIX) + 32
CHUNK = 256 * 1024  # bytes read at a time: the fastest size measured for read-and-hash

_NAN = b"\x7f\xf8\0\0\0\0\0\0"  # as a double, whichever one it was
_HEX = frozenset("0123456789abcdef")
_DATES = {("datetime", "datetime"): b"t", ("datetime", "date"): b"d"}  # by their names: hardly a run needs the module


def encode(value: Any) -> bytes:
    """Encode plain data: None, bool, int, float, str, bytes, date, datetime, lists, tuples and dicts of them.

    Tuples encode as lists, because both are stored and read back as lists. Dicts are unordered. Raises TypeError for
    anything else: identity is never taken from `repr`, from pickle bytes or from the memory of an object.
    """
    parts: list[bytes] = []
    _encode(value, parts)
    return b"".join(parts)


def _encode(value: Any, parts: list[bytes]) -> None:
    kind = type(value)
    if kind is str:
        body = value.encode("utf-8", "surrogatepass")
        parts.append(b"s%d:%b" % (len(body), body))
    elif kind is int:
        body = b"%x" % value
        parts.append(b"i%d:%b" % (len(body), body))
    elif value is None:
        parts.append(b"n")
    elif kind is bool:
        parts.append(b"T" if value else b"F")
    elif kind is float:
        parts.append(b"f" + (_packed()(value) if value == value else _NAN))
    elif kind is list or kind is tuple:
        parts.append(b"l%d:" % len(value))
        for item in value:
            _encode(item, parts)
    elif kind is dict:
        parts.append(b"m%d:" % len(value))
        for key, item in sorted((encode(k), v) for k, v in value.items()):
            parts.append(key)
            _encode(item, parts)
    elif kind is bytes:
        parts.append(b"b%d:%b" % (len(value), value))
    elif tag := _DATES.get((kind.__module__, kind.__qualname__)):
        _encode_text(tag, value.isoformat(), parts)
    else:
        raise TypeError(f"{kind.__module__}.{kind.__qualname__} is not plain data and has no canonical encoding")


@cache
def _packed() -> Callable[[float], bytes]:
    """What makes eight bytes of a float, most significant first."""
    return struct.Struct(">d").pack


def _encode_text(tag: bytes, text: str, parts: list[bytes]) -> None:
    body = text.encode()
    parts.append(b"%b%d:%b" % (tag, len(body), body))


def digest(value: Any) -> str:
    """Digest of plain data. Raises TypeError as `encode` does."""
    return PREFIX + xxh3_128_hexdigest(encode(value))


def digest_bytes(data: bytes | bytearray | memoryview) -> str:
    """Digest of raw bytes: the identity of a blob."""
    return PREFIX + xxh3_128_hexdigest(data)


def short_number(data: bytes) -> int:
    """64 bits that stand for bytes where an estimate is enough; never an identity."""
    return xxh3_64_intdigest(data)


def strong_digest(data: bytes) -> str:
    """A digest made against forgery, for what is kept of tokens and of who did what; never a blob's identity."""
    return STRONG_PREFIX + hashlib.sha256(data).hexdigest()


def signature(key: bytes, data: bytes) -> bytes:
    """What proves that whoever knows the key has written the data: HMAC with SHA-256."""
    return hmac.digest(key, data, "sha256")


def are_equal(one: str, other: str) -> bool:
    """Whether two digests are equal, found in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def check_number(data: bytes) -> int:
    """32 bits (CRC-32) that tell a slip of the pen; they protect from nobody."""
    return zlib.crc32(data)


def is_digest(text: str) -> bool:
    """Whether `text` is a well-formed digest."""
    return len(text) == DIGEST_LENGTH and text.startswith(PREFIX) and _HEX.issuperset(text[len(PREFIX) :])


class Hasher:
    """Digest of bytes that arrive in pieces."""

    __slots__ = ("_state", "size")

    def __init__(self) -> None:
        self._state = xxh3_128()
        self.size = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next piece."""
        self._state.update(data)
        self.size += len(data) if not isinstance(data, memoryview) else data.nbytes

    def digest(self) -> str:
        """The digest of all pieces so far."""
        return PREFIX + self._state.hexdigest()


def digest_stream(stream: BinaryIO) -> tuple[str, int]:
    """Digest and size of what is left in a binary stream."""
    hasher = Hasher()
    buffer = memoryview(bytearray(CHUNK))
    readinto = stream.readinto  # type: ignore[attr-defined]
    while count := readinto(buffer):
        hasher.update(buffer[:count])
    return hasher.digest(), hasher.size
