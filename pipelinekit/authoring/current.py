"""Which pipeline function is running: steps ask it when they are called, also in processes that trace nothing."""

from __future__ import annotations

from _thread import _local  # what `threading.local` is, without the rest of `threading`

from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.authoring.tracing import Tracer


class _Current(_local):
    """The tracer of the pipeline function that this thread is in."""

    tracer: Tracer | None = None


current = _Current()
