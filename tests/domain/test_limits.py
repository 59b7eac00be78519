"""Laws of token buckets."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.limits import TRIGGER, Bucket, Limit
from pipelinekit.errors import UsageError

LIMITS = st.builds(Limit, st.floats(0.01, 1e4), st.floats(1, 1e4))
START = st.floats(0, 2e9)
PAUSES = st.lists(st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 1e4)), max_size=60)


def served(limit, times, amount=1.0):
    """Which of these times were served."""
    bucket, found = Bucket(limit), []
    for now in times:
        bucket, possible = bucket.take(now, amount)
        if possible <= now:
            found.append(now)
    return found


def times_of(start, pauses):
    times = [start]
    for pause in pauses:
        times.append(times[-1] + pause)
    return times


@given(LIMITS, START, PAUSES)
def test_in_no_stretch_of_time_more_is_served_than_is_allowed(limit, start, pauses):
    found = served(limit, times_of(start, pauses))
    for first in range(len(found)):
        for last in range(first, len(found)):
            allowed = limit.burst + limit.rate * (found[last] - found[first])
            assert last - first + 1 <= allowed + 1e-6 * (1 + limit.rate)


@given(LIMITS, START, PAUSES, st.data())
def test_who_is_refused_and_comes_again_when_told_is_served(limit, start, pauses, data):
    bucket = Bucket(limit)
    amount = data.draw(st.one_of(st.just(limit.burst), st.floats(limit.burst / 100, limit.burst)))
    for now in times_of(start, pauses):
        bucket, possible = bucket.take(now, amount)
        if possible > now:
            again, at = bucket.take(possible, amount)
            assert at == possible, "served"
            assert again != bucket


@given(LIMITS, START, PAUSES)
def test_nobody_waits_longer_than_an_empty_bucket_takes(limit, start, pauses):
    bucket = Bucket(limit)
    for now in times_of(start, pauses):
        bucket, possible = bucket.take(now)
        assert now <= possible <= now + limit.window + math.ulp(now + limit.window) * 4


@given(LIMITS, START)
def test_a_new_bucket_serves_its_burst_at_once_and_no_more(limit, start):
    limit = Limit(limit.rate, float(math.floor(limit.burst)))
    bucket = Bucket(limit)
    bucket, possible = bucket.take(start, limit.burst)
    assert possible == start
    assert bucket.level(start) == pytest.approx(0, abs=1e-6 * (1 + limit.rate))
    _, possible = bucket.take(start, limit.burst / 2)
    assert possible > start


@given(LIMITS, START, st.floats(0, 1e9))
def test_a_clock_that_goes_backward_fills_nothing_and_keeps_nobody_out(limit, start, back):
    bucket, _ = Bucket(limit).take(start + back, limit.burst)
    bucket, possible = bucket.take(start)
    assert possible > start
    assert possible <= start + limit.window + math.ulp(start + limit.window) * 4
    _, at = bucket.take(possible)
    assert at == possible


@given(LIMITS, START, PAUSES)
def test_what_is_in_a_bucket_is_between_nothing_and_all(limit, start, pauses):
    bucket = Bucket(limit)
    assert bucket.is_full(start)
    for now in times_of(start, pauses):
        bucket, _ = bucket.take(now)
        assert 0 <= bucket.level(now) <= limit.burst
        assert bucket.is_full(bucket.full_at)


@given(LIMITS, START)
def test_what_never_fits_is_refused(limit, start):
    for amount in (0.0, -1.0, limit.burst * 1.01, math.nan):
        with pytest.raises(UsageError, match="can never be taken"):
            Bucket(limit).take(start, amount)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1), (math.inf, 1), (1, math.nan)])
def test_what_is_no_limit_is_refused(rate, burst):
    with pytest.raises(UsageError, match="cannot be"):
        Limit(rate, burst)


def test_the_usual_limits_are_there():
    assert served(Limit(5 / 60, 5), [0.0] * 9) == [0.0] * 5
    assert len(served(TRIGGER, [0.0] * 200)) == 100
