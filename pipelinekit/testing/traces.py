"""Spans in memory."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.traces import Span, TraceContext


class MemoryTracing:
    """Twin of `runtime.telemetry.Telemetry`: it keeps what was sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._ids = itertools.count(1)

    def begin(self, parent: TraceContext | None) -> TraceContext:
        """A new span."""
        number = next(self._ids)
        return replace(parent, span=f"{number:016x}") if parent else TraceContext(f"{number:032x}", f"{number:016x}")

    def send(self, spans: Sequence[Span]) -> None:
        """Keep them."""
        self.spans += [span for span in spans if span.context.sampled]

    def flush(self) -> None:
        """Nothing."""
