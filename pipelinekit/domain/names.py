"""Names and ids: their syntax, and how names that repeat are told apart."""

from __future__ import annotations

from collections.abc import Iterable

from pipelinekit.errors import UsageError

WORKSPACE_FOLDER = ".pipelinekit"
LOCAL, IN_PROCESS = "local", "in-process"  # compute targets that every workspace has
LONGEST = 255
_SIGNS = frozenset("_.- ")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: hard to misread
_DIGITS = frozenset(_ALPHABET)
_RUN_ID_LENGTH = 14


def check_name(kind: str, name: object) -> str:
    """Return `name` if it may name an experiment, a pipeline or a step; raise UsageError otherwise."""
    text = name if isinstance(name, str) else ""
    plain = text.isascii() and 0 < len(text) <= LONGEST and text[0].isalnum()
    if plain and all(letter.isalnum() or letter in _SIGNS for letter in text):
        return text
    raise UsageError(
        f"{kind} name {name!r} is not allowed",
        hint="use 1 to 255 letters, digits, '_', '-', '.' or spaces, the first a letter or digit",
    )


def check_file_name(name: object) -> str:
    """The name, if a file may be kept under it: a path that stays below wherever it is written. Raises UsageError."""
    is_plain = isinstance(name, str) and 0 < len(name) <= LONGEST and name.isprintable() and "\\" not in name
    if not is_plain or not all(part.strip(" ") not in ("", ".", "..") for part in str(name).split("/")):
        raise UsageError(
            f"a file cannot be kept as {name!r}",
            hint=f"give 1 to {LONGEST} printable characters, such as 'plots/loss.png', without '..' and backslashes",
        )
    return str(name)


def is_port_name(name: str) -> bool:
    """Whether `name` may name an input or output of a step: an identifier of ASCII letters."""
    return name.isidentifier() and name.isascii() and len(name) <= LONGEST


def run_id(milliseconds: int, entropy: int) -> str:
    """A run id that sorts by time: 9 characters of milliseconds since 1970 and 5 of entropy (25 bits)."""
    number = (milliseconds << 25) | (entropy & 0x1FFFFFF)
    letters = []
    for _ in range(_RUN_ID_LENGTH):
        number, rest = divmod(number, 32)
        letters.append(_ALPHABET[rest])
    return "".join(reversed(letters))


def is_run_id(text: str) -> bool:
    """Whether `text` is a whole run id."""
    return len(text) == _RUN_ID_LENGTH and _DIGITS.issuperset(text)


class Namer:
    """Tells repeated names apart: `clean`, `clean-2`, `clean-3`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._counts: dict[str, int] = {}

    def take(self, name: str) -> bool:
        """Claim exactly this name; False when it is taken already."""
        if name in self._taken:
            return False
        self._taken.add(name)
        return True

    def next(self, name: str) -> str:
        """Claim this name, or the first free numbered one after it."""
        count = self._counts.get(name, 0)
        while True:
            count += 1
            candidate = f"{name}-{count}" if count > 1 else name
            if candidate not in self._taken:
                self._taken.add(candidate)
                self._counts[name] = count
                return candidate


def element_name(name: str, index: int) -> str:
    """The name of one element of a mapped step."""
    return f"{name}[{index}]"
