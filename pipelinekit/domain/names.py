"""Names and ids: their syntax, and how names that repeat are told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipelinekit.errors import UsageError

WORKSPACE_FOLDER = ".pipelinekit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\- ]{0,254}")
_PORT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: hard to misread
_RUN_ID = re.compile(f"[{_ALPHABET}]{{14}}")


def check_name(kind: str, name: str) -> str:
    """Return `name` if it may name an experiment, a pipeline or a step; raise UsageError otherwise."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{kind} name {name!r} is not allowed",
            hint="use 1 to 255 letters, digits, '_', '-', '.' or spaces, the first a letter or digit",
        )
    return name


def is_port_name(name: str) -> bool:
    """Whether `name` may name an input or output of a step: an identifier of ASCII letters."""
    return _PORT.fullmatch(name) is not None


def run_id(milliseconds: int, entropy: int) -> str:
    """A run id that sorts by time: 9 characters of milliseconds since 1970 and 5 of entropy (25 bits)."""
    number = (milliseconds << 25) | (entropy & 0x1FFFFFF)
    letters = []
    for _ in range(14):
        number, rest = divmod(number, 32)
        letters.append(_ALPHABET[rest])
    return "".join(reversed(letters))


def is_run_id(text: str) -> bool:
    """Whether `text` is a whole run id."""
    return _RUN_ID.fullmatch(text) is not None


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
        if self.take(name):
            self._counts.setdefault(name, 1)
            return name
        count = self._counts.get(name, 1)
        while True:
            count += 1
            candidate = f"{name}-{count}"
            if self.take(candidate):
                self._counts[name] = count
                return candidate


def element_name(name: str, index: int) -> str:
    """The name of one element of a mapped step."""
    return f"{name}[{index}]"
