"""Where spans go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.traces import Span, TraceContext
else:
    Protocol = object


class Tracing(Protocol):
    """Spans to whoever collects them. That nobody does holds nothing up, and fails nothing."""

    def begin(self, parent: TraceContext | None) -> TraceContext:
        """A new span: of the trace of its parent, or of one of its own."""

    def send(self, spans: Sequence[Span]) -> None:
        """Send spans that have ended, each behind its parent; some time later, and those that are sampled only."""

    def flush(self) -> None:
        """Send what is left; for a few seconds at most."""
