"""What sending spans must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipelinekit.classes import replace
from pipelinekit.domain.traces import SERVER, Span, TraceContext
from pipelinekit.ports.traces import Tracing

ABOVE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
Sent = Callable[[], Sequence[Mapping[str, Any]]]


class TracingContract:
    """The suite for tracing."""

    def make(self) -> tuple[Tracing, Sent]:
        """A sender of spans, and what has arrived of them, once it was flushed.

        Each has `name`, `trace`, `id`, `parent`, `began`, `ended`, `failed`, `message`, `is_server`, and attributes.
        """
        raise NotImplementedError

    def test_a_new_span_belongs_to_its_parents_trace_or_begins_one(self) -> None:
        tracing, _ = self.make()
        inside, alone, other = tracing.begin(ABOVE), tracing.begin(None), tracing.begin(None)
        assert (inside.trace, inside.sampled) == (ABOVE.trace, True)
        assert len({item.span for item in (ABOVE, inside, alone, other)}) == 4
        assert len({item.trace for item in (ABOVE, alone, other)}) == 3
        assert tracing.begin(replace(ABOVE, sampled=False)).sampled is False

    def test_spans_arrive_as_they_were_with_the_ids_that_they_had(self) -> None:
        tracing, sent = self.make()
        first = tracing.begin(ABOVE)
        second = replace(first, span="00000000000000aa")
        request = Span("GET /x", first, ABOVE.span, 100.0, 101.5, SERVER, {"a": "text", "n": 3, "b": True})
        step = Span("step a", second, first.span, 100.5, 101.0, failed=True, failure="it broke")
        tracing.send([request, step])
        tracing.flush()
        one, two = sorted(sent(), key=lambda item: float(item["began"]))
        assert (one["name"], one["trace"], one["id"], one["parent"]) == ("GET /x", ABOVE.trace, first.span, ABOVE.span)
        assert (one["began"], one["ended"], one["is_server"], one["failed"]) == (100.0, 101.5, True, False)
        assert (one["a"], one["n"], one["b"]) == ("text", 3, True)
        assert (two["id"], two["parent"], two["is_server"]) == (second.span, first.span, False)
        assert (two["failed"], two["message"]) == (True, "it broke")

    def test_the_first_of_a_trace_has_no_parent_and_what_is_not_sampled_does_not_arrive(self) -> None:
        tracing, sent = self.make()
        alone = tracing.begin(None)
        silent = replace(tracing.begin(None), sampled=False)
        tracing.send([Span("one", alone, "", 1.0, 2.0)])
        tracing.send([Span("two", silent, "", 1.0, 2.0), Span("three", silent, silent.span, 1.0, 2.0)])
        tracing.flush()
        assert [(item["name"], item["trace"], item["parent"]) for item in sent()] == [("one", alone.trace, "")]
