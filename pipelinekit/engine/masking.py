"""Masking: texts in which the values of secrets, in whatever form they are usually written, are replaced by `***`.

Line breaks do not count, neither in texts nor in values: base64 is broken into lines, terminals write two characters
for one. A text that comes in pieces is masked as if it came whole: what may be the beginning of a value is held back.
"""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pipelinekit.domain.secrets import SHORTEST

MASK = "***"
LINE = 8  # characters from which on a line of a value of several lines is a secret by itself
SURE = 8  # characters from which on a value is not found in a text by chance

_Span = tuple[int, int]


class Masks:
    """Values that are to be hidden, by the names of their secrets."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._wholes: dict[str, dict[str, set[str]]] = {}  # name -> value -> forms of the whole of it
        self._all: set[str] = set()
        self.forms: list[str] = []
        self.add(values or {})

    def add(self, values: Mapping[str, str]) -> None:
        """Hide these values, too; those that a secret had before stay hidden."""
        for name, value in values.items():
            if value not in self._wholes.get(name, ()):
                self._wholes.setdefault(name, {})[value] = _forms_of_texts([value, value.strip()])
                self._all |= forms_of(value)
        self.forms = sorted(self._all)

    def mask(self, text: str) -> str:
        """A text that is whole, masked."""
        stream = StreamMask(self)
        return stream.feed(text) + stream.end()

    def told_by(self, text: str) -> str:
        """The name of a secret whose value this text is, or contains; empty when it is none.

        What may stand there by chance does not count: a value that is short, but for the very text, and one line of
        several.
        """
        squeezed = _squeezed(text)
        for name, values in self._wholes.items():
            for value, forms in values.items():
                if squeezed == _squeezed(value):
                    return name
                if len(value) >= SURE and any(form in squeezed for form in forms):
                    return name
        return ""


class StreamMask:
    """A text that comes in pieces, masked."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._held = ""
        self._covered = 0  # characters at the beginning of what is held that a mask stands for already

    def feed(self, text: str) -> str:
        """What may be told once this piece has come."""
        if not self._masks.forms:
            return text
        self._held += text
        return self._release(end=False)

    def end(self) -> str:
        """The rest; nothing more comes."""
        return self._release(end=True)

    def _release(self, *, end: bool) -> str:
        text, forms = self._held, self._masks.forms
        squeezed = _squeezed(text)
        spans = _merged(_found(squeezed, forms), self._covered)
        cut = len(squeezed) if end else _beginning(squeezed, forms)
        place = _places(text) if len(squeezed) < len(text) and (spans or cut < len(squeezed)) else int
        limit = place(cut) if cut < len(squeezed) else len(text)
        told: list[str] = []
        position = covered = 0
        for begin, stop in spans:
            is_told = begin == 0 and self._covered > 0
            if begin >= cut and not is_told:
                break
            told.append(text[position : place(begin)])
            if not is_told:
                told.append(MASK)
            position = place(stop - 1) + 1
            covered = max(stop - cut, 0)
        told.append(text[position:limit])
        self._held, self._covered = text[limit:], covered
        return "".join(told)


def _squeezed(text: str) -> str:
    """A text without its line breaks."""
    return text.replace("\n", "").replace("\r", "")


def _places(text: str) -> Callable[[int], int]:
    """Where in a text a letter of it without line breaks stands: as many further as there are breaks before it."""
    before = [match.start() - number for number, match in enumerate(re.finditer("[\r\n]", text))]
    return lambda number: number + bisect_right(before, number)


def _found(text: str, forms: Iterable[str]) -> list[_Span]:
    """Where forms stand in a text."""
    spans = []
    for form in forms:
        position = text.find(form)
        while position >= 0:
            spans.append((position, position + len(form)))
            position = text.find(form, position + 1)
    return spans


def _merged(spans: list[_Span], covered: int) -> list[_Span]:
    """Spans in order, those that overlap as one; what is covered already is one of them."""
    merged: list[_Span] = []
    for begin, stop in sorted([(0, covered), *spans] if covered else spans):
        if merged and begin < merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], stop)
        else:
            merged.append((begin, stop))
    return merged


def _beginning(text: str, forms: Iterable[str]) -> int:
    """Where the longest end of a text begins that is the beginning of a form, but not the whole; else its length."""
    first = len(text)
    for form in forms:
        position = text.find(form[0], max(len(text) - len(form) + 1, 0), first)
        while position >= 0:
            if form.startswith(text[position:]):
                first = position
                break
            position = text.find(form[0], position + 1, first)
    return first


def texts_in(data: Any) -> Iterator[str]:
    """Every text inside plain data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, bytes):
        yield data.decode("utf-8", "replace")
    elif isinstance(data, list | tuple):
        for item in data:
            yield from texts_in(item)
    elif isinstance(data, dict):
        for key, item in data.items():
            yield from texts_in(key)
            yield from texts_in(item)


# -- forms -------------------------------------------------------------------------------------------------------------


def forms_of(value: str) -> set[str]:
    """The ways in which a value may be written, without line breaks."""
    lines = [line.strip() for line in value.splitlines()]
    return _forms_of_texts([value, value.strip(), *(line for line in lines if len(line) >= LINE)])


def _forms_of_texts(texts: Iterable[str]) -> set[str]:
    found = {_squeezed(form) for text in set(texts) for form in _forms(text)}
    return {form for form in found if len(form) >= SHORTEST}


def _forms(text: str) -> Iterator[str]:
    data = text.encode()
    yield text
    for quoted in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield from (quoted, quoted.replace("/", "\\/"))
    yield from (repr(text)[1:-1], ascii(text)[1:-1], repr(data)[2:-1])
    yield from (html.escape(text), html.escape(text, quote=False))
    for quoted in (
        urllib.parse.quote(text),
        urllib.parse.quote(text, safe=""),
        urllib.parse.quote(text, safe="!'()*"),
        urllib.parse.quote_plus(text),
    ):
        yield quoted
        yield _lower_escapes(quoted)
    yield from (data.hex(), data.hex().upper())
    for encoded in _base64(data):
        yield from (encoded, encoded.translate(str.maketrans("+/", "-_")))


def _lower_escapes(quoted: str) -> str:
    first, *rest = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


def _base64(data: bytes) -> Iterator[str]:
    """Bytes as base64, and what is sure to be seen of them in the base64 of something longer."""
    whole = base64.b64encode(data).decode("ascii")
    yield from (whole, whole.rstrip("="))
    for before in (0, 1, 2):
        encoded = base64.b64encode(bytes(before) + data).decode("ascii")
        yield encoded[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
