"""Spans to a collector, by OpenTelemetry's own SDK, which the standard variables set up.

It is loaded where these say that traces are to be sent (`domain.traces.is_traced`), and nowhere else.
"""

from __future__ import annotations

import importlib.metadata
import os
import threading
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision

from pipelinekit.domain.traces import SERVER, Span, TraceContext

PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"
TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
PATIENCE_SECONDS = 3.0  # for a collector that does not answer, unless a variable says otherwise
WAITING_SPANS = 20_000  # that are kept until they are sent; a run has no more
_NANOSECONDS = 1_000_000_000


class Telemetry:
    """Implements `ports.traces.Tracing`."""

    def __init__(self) -> None:
        version = importlib.metadata.version("pipelinekit")
        self._ids = _Ids()
        self._lock = threading.Lock()
        given = any(name in os.environ for name in TIMEOUTS)
        exporter = OTLPSpanExporter(timeout=None if given else PATIENCE_SECONDS)
        self._provider = TracerProvider(resource=_resource(version), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=WAITING_SPANS))
        self._tracer = self._provider.get_tracer("pipelinekit", version)

    def begin(self, parent: TraceContext | None) -> TraceContext:
        """A new span: of the trace of its parent, or of one of its own, if that is sampled."""
        fresh = RandomIdGenerator()
        span = f"{fresh.generate_span_id():016x}"
        if parent is not None:
            return TraceContext(parent.trace, span, parent.sampled)
        identity = fresh.generate_trace_id()
        decision = self._provider.sampler.should_sample(None, identity, "").decision
        return TraceContext(f"{identity:032x}", span, decision is Decision.RECORD_AND_SAMPLE)

    def send(self, spans: Sequence[Span]) -> None:
        """Hand spans to the SDK, which sends them in a thread of its own."""
        known: dict[str, Context] = {}
        with self._lock:
            for span in spans:
                if span.context.sampled:
                    self._hand_over(span, known)

    def flush(self) -> None:
        """Send what is left, unless that takes too long: the SDK's own waiting has no end that could be set."""
        flushing = threading.Thread(target=self._provider.force_flush, name="traces", daemon=True)
        flushing.start()
        flushing.join(2 * PATIENCE_SECONDS)

    def _hand_over(self, span: Span, known: dict[str, Context]) -> None:
        self._ids.next = int(span.context.trace, 16), int(span.context.span, 16)
        made = self._tracer.start_span(
            span.name,
            known.get(span.parent) or _remote(span),
            trace.SpanKind.SERVER if span.kind == SERVER else trace.SpanKind.INTERNAL,
            dict(span.attributes),
            start_time=_nanoseconds(span.began),
        )
        known[span.context.span] = trace.set_span_in_context(made, Context())
        if span.failed:
            made.set_status(trace.Status(trace.StatusCode.ERROR, span.failure))
        made.end(_nanoseconds(span.ended))


class _Ids(IdGenerator):
    """Gives the next span the ids that it has already."""

    def __init__(self) -> None:
        self.next = (1, 1)

    def generate_trace_id(self) -> int:
        """That of the next span."""
        return self.next[0]

    def generate_span_id(self) -> int:
        """That of the next span."""
        return self.next[1]


def _remote(span: Span) -> Context:
    """The parent of a span that another program tells of; none for the first of a trace."""
    if not span.parent:
        return Context()
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    above = trace.SpanContext(int(span.context.trace, 16), int(span.parent, 16), is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(above), Context())


def _resource(version: str) -> Resource:
    """What tells of the program: the variables, and its name where they have none."""
    found = Resource.create({SERVICE_VERSION: version})
    named = str(found.attributes.get(SERVICE_NAME, ""))
    return found.merge(Resource({SERVICE_NAME: "pipelinekit"})) if named.startswith("unknown_service") else found


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)


def other_protocol() -> str:
    """A protocol that the variables ask for and that is not spoken here; empty where there is none."""
    asked = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), HTTP)
    return "" if asked == HTTP else asked
