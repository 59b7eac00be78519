"""Laws of what becomes of messages: they arrive or are given up after so many tries, and nobody waits for a slow one."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from pipelinekit.classes import replace
from pipelinekit.domain.webhooks import Answer, Delivery, DeliveryState, EventKind
from pipelinekit.engine.delivering import (
    AT_ONCE_TO_ONE,
    LONGEST_SECONDS,
    LONGEST_WAIT,
    MOST_TRIES,
    SPREAD,
    chosen,
    pause,
    settled,
)

MESSAGE = Delivery("msg_1", "w1", "https://h/", EventKind.RUN_FAILED, "{}", 0.0)
SHARES = some.floats(0, 1, exclude_max=True)
ANSWERS = some.builds(
    Answer,
    status=some.sampled_from([0, 200, 204, 299, 301, 400, 404, 410, 429, 500, 503]),
    text=some.text(max_size=300),
    refused=some.booleans(),
    wait=some.floats(0, 1e9),
)


@given(some.integers(1, MOST_TRIES - 1), SHARES, SHARES)
def test_pauses_grow_up_to_a_bound_and_differ(tries, one, other):
    assert 0 < pause(tries, one) <= LONGEST_SECONDS * (1 + SPREAD)
    assert pause(tries, 0.0) <= pause(tries, one) <= pause(tries, 1.0)
    assert pause(tries, 0.5) <= pause(tries + 1, 0.5) <= LONGEST_SECONDS
    assert pause(tries, one) < pause(tries + 1, other) or pause(tries + 1, 0.5) == LONGEST_SECONDS
    assert one > other or pause(tries, one) <= pause(tries, other)


def test_all_tries_together_take_hours_and_no_week():
    total = sum(pause(tries, 0.5) for tries in range(1, MOST_TRIES))
    assert pause(1, 0.5) == 2.0
    assert 6 * 3600 < total < 2 * 86400


@given(some.lists(some.tuples(ANSWERS, SHARES), min_size=MOST_TRIES, max_size=MOST_TRIES))
def test_a_message_ends_after_so_many_tries_at_the_latest_and_stays_the_same_one(answers):
    item, now = MESSAGE, 100.0
    for answer, share in answers:
        assert item.state is DeliveryState.PENDING
        after = settled(item, answer, now, share)
        same = {"state": item.state, "tries": 0, "next_at": 0, "tried_at": 0, "ended_at": 0, "status": 0, "answer": ""}
        assert replace(after, **same) == replace(item, **same)
        assert (after.tries, after.status, after.tried_at) == (item.tries + 1, answer.status, now)
        assert len(after.answer) <= 200
        assert after.state.final == (after.ended_at is not None)
        if after.state.final:
            assert after.state is (DeliveryState.DELIVERED if 200 <= answer.status < 300 else DeliveryState.FAILED)
            assert answer.good or answer.refused or answer.gone or after.tries == MOST_TRIES
            return
        assert not answer.good
        assert now < after.next_at <= now + max(LONGEST_SECONDS * (1 + SPREAD), LONGEST_WAIT)
        assert after.next_at - now >= min(answer.wait, LONGEST_WAIT) * (1 - 1e-9)
        item, now = after, after.next_at
    raise AssertionError("it was tried too often")


@given(
    some.lists(some.integers(0, 3), max_size=30),
    some.integers(0, 10),
    some.dictionaries(some.integers(0, 3), some.integers(0, 3), max_size=4),
)
def test_the_first_that_are_due_are_sent_and_few_at_once_to_one_address(urls, most, under_way):
    due = [replace(MESSAGE, id=f"msg_{number}", url=f"https://{url}/") for number, url in enumerate(urls)]
    busy = {f"https://{url}/": count for url, count in under_way.items()}
    found = list(chosen(due, most, busy))
    assert len(found) <= most
    assert found == [item for item in due if item in found]
    counts = Counter(item.url for item in found)
    assert all(count + busy.get(url, 0) <= AT_ONCE_TO_ONE for url, count in counts.items())
    left = [item for item in due if item not in found]
    for item in left:  # what is left has to wait: for its address, or because enough are sent
        before = [other for other in found if due.index(other) < due.index(item)]
        to_one = sum(other.url == item.url for other in before) + busy.get(item.url, 0)
        assert to_one >= AT_ONCE_TO_ONE or len(before) == most
