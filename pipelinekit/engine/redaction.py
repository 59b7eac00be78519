"""What a line of a log may say: no credentials, in whatever shape they come, and nothing that a terminal would obey."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipelinekit.domain.tokens import masked
from pipelinekit.engine.masking import MASK, Masks

LONGEST = 16_384  # characters of one text
_HEADERS = re.compile(
    r"(?i)\b((?:proxy-)?authorization|cookie|set-cookie|x-api-key)(['\"]?\s*[:=]\s*['\"]?)(?:(?:bearer|basic|digest)\s+)?[^\s'\",;]+"
)
_SCHEMES = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#'\"]*@")
_MARKS = re.compile(r"pk_|eyJ|@|(?i:authorization|cookie|api-key|bearer|basic)")  # one is in all that is hidden below
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Redaction:
    """The filter of a log: everything that is written goes through it."""

    def __init__(self) -> None:
        self._masks = Masks()

    def register(self, values: Mapping[str, str]) -> None:
        """Hide these values of secrets from now on."""
        self._masks.add(values)

    def clean(self, text: str) -> str:
        """A text as it may be written: without credentials, on one line."""
        text = text[:LONGEST]
        if self._masks.forms:
            text = self._masks.mask(text)
        if text.isprintable() and not _MARKS.search(text):
            return text  # as most are; the rest costs twenty times as much
        text = masked(text)
        text = _HEADERS.sub(rf"\1\2{MASK}", text)
        text = _SCHEMES.sub(rf"\1 {MASK}", text)
        text = _JWT.sub(MASK, text)
        text = _USERINFO.sub(rf"\1{MASK}@", text)
        return _CONTROLS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(found[0], f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
