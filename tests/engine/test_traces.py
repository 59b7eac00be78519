"""A run as spans, and the header that says which trace something belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.classes import replace
from pipelinekit.domain.digests import digest
from pipelinekit.domain.runs import TRACEPARENT, Failure, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.traces import TraceContext, is_traced, read_traceparent
from pipelinekit.engine import traces

ABOVE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
RUN = RunRecord("00000000000001", 1, "exp", "pipe", digest("graph"), RunStatus.COMPLETED, 100.0,
                started_at=101.0, ended_at=110.0, details={TRACEPARENT: ABOVE.header})  # fmt: skip


def step(name, status=StepStatus.COMPLETED, **more):
    return StepRecord(RUN.id, name, 0, status, **more)


@pytest.mark.parametrize(
    "header",
    [
        "", "00", "00-nonsense", f"ff-{ABOVE.trace}-{ABOVE.span}-01", f"00-{'0' * 32}-{ABOVE.span}-01",
        f"00-{ABOVE.trace}-{'0' * 16}-01", f"00-{ABOVE.trace.upper()}-{ABOVE.span}-01",
        f"00-{ABOVE.trace}-{ABOVE.span}-01-more", f"00-{ABOVE.trace}-{ABOVE.span}", f"00-{ABOVE.trace}-{ABOVE.span}-zz",
    ],
)  # fmt: skip
def test_a_header_that_says_nothing_is_as_if_it_were_not_there(header):
    assert read_traceparent(header) is None


def test_headers_of_later_versions_are_read_as_far_as_they_are_known():
    assert read_traceparent(f"01-{ABOVE.trace}-{ABOVE.span}-03-more") == ABOVE
    assert read_traceparent(replace(ABOVE, sampled=False).header) == replace(ABOVE, sampled=False)


@given(st.text())
def test_no_header_breaks_anything(text):
    assert read_traceparent(text) is None or text.strip()


def test_a_trace_is_switched_on_by_the_standard_variables():
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here"}
    assert is_traced(where)
    assert is_traced({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://here"})
    for off in ({}, {**where, "OTEL_SDK_DISABLED": "true"}, {**where, "OTEL_TRACES_EXPORTER": "none"}):
        assert not is_traced(off)


def test_phases_lie_in_their_step_and_steps_in_their_run():
    work = step("work", attempt=2, started_at=104.0, ended_at=108.0, seconds=3.0)
    changes = [(102.0, [("work", "Queued")]), (104.5, [("work", "Running")])]
    spans = traces.run_spans(RUN, [work], changes)
    found = [(span.name, span.began, span.ended, span.parent) for span in spans]
    run, _, whole = spans[0], spans[1], spans[2]
    assert found == [
        ("run pipe", 100.0, 110.0, ABOVE.span), ("queued", 100.0, 101.0, run.context.span),
        ("step work", 102.0, 108.0, run.context.span), ("queued", 102.0, 104.0, whole.context.span),
        ("prepare", 104.0, 105.0, whole.context.span), ("run", 105.0, 108.0, whole.context.span),
    ]  # fmt: skip
    assert {span.context.trace for span in spans} == {ABOVE.trace}
    assert len({span.context.span for span in spans}) == len(spans)


def test_who_tells_of_a_run_twice_tells_the_same_and_each_run_has_ids_of_its_own():
    steps = [step("a", attempt=1, started_at=101.0, ended_at=102.0), step("b", StepStatus.REUSED, original_run="0")]
    once, twice = traces.run_spans(RUN, steps, []), traces.run_spans(RUN, steps, [])
    assert once == twice
    other = replace(RUN, id="00000000000002")
    ids = {span.context.span for span in once} | {ABOVE.span}
    assert ids.isdisjoint(
        span.context.span for span in traces.run_spans(other, [replace(s, run=other.id) for s in steps], [])
    )
    alone = traces.run_spans(replace(RUN, details={}), steps, [])
    assert alone[0].parent == ""
    assert alone[0].context.trace != ABOVE.trace
    assert int(alone[0].context.trace, 16) > 0


def test_what_was_executed_is_told_first_where_there_is_too_much(monkeypatch):
    monkeypatch.setattr(traces, "MOST_STEPS", 2)
    many = [step(f"r{n}", StepStatus.REUSED, ended_at=105.0) for n in range(5)]
    spans = traces.run_spans(RUN, [*many, step("mine", attempt=1, started_at=104.0, ended_at=104.0)], [])
    assert [span.name for span in spans if span.name.startswith("step")] == ["step mine", "step r0"]
    assert spans[0].attributes["pipelinekit.steps.untold"] == 4
    assert spans[0].attributes["pipelinekit.steps.reused"] == 5


def test_failures_are_told_and_what_is_not_sampled_stays_so():
    failed = replace(RUN, status=RunStatus.FAILED, failure=Failure("user", "no"),
                     details={TRACEPARENT: replace(ABOVE, sampled=False).header})  # fmt: skip
    bad = step("bad", StepStatus.FAILED, attempt=1, started_at=101.0, ended_at=102.0, failure=Failure("memory", "full"))
    run, *_, whole = [span for span in traces.run_spans(failed, [bad], []) if span.name.startswith(("run ", "step"))]
    assert (run.failed, run.failure, run.context.sampled) == (True, "no", False)
    assert (whole.failed, whole.failure, whole.attributes["pipelinekit.step.failure.kind"]) == (True, "full", "memory")
