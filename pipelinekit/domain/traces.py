"""Traces: what belongs to one piece of work, across programs, as spans of time (W3C Trace Context)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipelinekit.classes import field, frozen

SERVER, INTERNAL = "server", "internal"  # kinds of spans
SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1

Value = str | bool | int | float


@frozen
class TraceContext:
    """A span of a trace, by ids in hexadecimal digits. What is not `sampled` is sent nowhere."""

    trace: str
    span: str
    sampled: bool = True

    @property
    def header(self) -> str:
        """As a header says it."""
        return f"00-{self.trace}-{self.span}-{'01' if self.sampled else '00'}"


@frozen
class Span:
    """One piece of work. Times are seconds since 1970; `parent` is a span of the same trace, empty for the first."""

    name: str
    context: TraceContext
    parent: str
    began: float
    ended: float
    kind: str = INTERNAL
    attributes: Mapping[str, Value] = field(default_factory=dict)
    failed: bool = False
    failure: str = ""


def read_traceparent(text: str) -> TraceContext | None:
    """What a header says; None for one that says nothing that can be used, which is then as if it were not there."""
    found = _HEADER.fullmatch(text.strip())
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    if not int(found[2], 16) or not int(found[3], 16):
        return None
    return TraceContext(found[2], found[3], bool(int(found[4], 16) & _SAMPLED))


def is_traced(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables say that traces are to be sent, and where to."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() not in ("", "otlp"):
        return False
    return any(environment.get(name) for name in SWITCHES)
