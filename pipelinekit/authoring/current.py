"""Which pipeline function is running: steps ask it when they are called, also in processes that trace nothing."""

from __future__ import annotations

from contextvars import ContextVar

from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.authoring.tracing import Tracer

current: ContextVar[Tracer | None] = ContextVar("pipelinekit_tracer", default=None)
