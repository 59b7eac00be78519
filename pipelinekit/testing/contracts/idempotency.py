"""What records of requests that may be sent twice must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import pytest

from pipelinekit.domain.idempotency import Different, Fresh, InProgress, Replay
from pipelinekit.errors import ConflictError
from pipelinekit.ports.idempotency import IdempotencyRecords
from pipelinekit.testing.clock import HandClock

PLACE = ("anna", "endpoints/nightly", "key 1")
REQUEST = "xxh3:1"


class IdempotencyContract:
    """The suite for records of requests."""

    def make(self, clock: HandClock) -> IdempotencyRecords:
        """Records without a key."""
        raise NotImplementedError

    def test_a_request_that_comes_again_is_answered_as_it_was(self) -> None:
        clock = HandClock()
        records = self.make(clock)
        until = clock.now() + 10
        assert records.begin(*PLACE, REQUEST, until) == Fresh()
        assert records.begin(*PLACE, REQUEST, until) == InProgress()
        records.finish(*PLACE, "run1", '{"é": 1}\n')
        assert records.begin(*PLACE, REQUEST, until) == Replay("run1", '{"é": 1}\n')
        assert records.begin(*PLACE, REQUEST, until + 10) == Replay("run1", '{"é": 1}\n')

    def test_an_answer_may_be_empty(self) -> None:
        records = self.make(HandClock())
        records.begin(*PLACE, REQUEST, 2e9)
        records.finish(*PLACE, "", "")
        assert records.begin(*PLACE, REQUEST, 2e9) == Replay("", "")

    def test_another_request_with_the_same_key_is_told(self) -> None:
        records = self.make(HandClock())
        records.begin(*PLACE, REQUEST, 2e9)
        assert records.begin(*PLACE, "xxh3:2", 2e9) == Different()
        records.finish(*PLACE, "run1", "done")
        assert records.begin(*PLACE, "xxh3:2", 2e9) == Different()

    def test_keys_of_others_and_of_other_scopes_are_other_keys(self) -> None:
        records = self.make(HandClock())
        principal, scope, key = PLACE
        for place in (PLACE, ("bert", scope, key), (principal, "other", key), (principal, scope, "Key 1")):
            assert records.begin(*place, REQUEST, 2e9) == Fresh()
            records.finish(*place, "-".join(place), "done")
        assert records.begin(*PLACE, REQUEST, 2e9) == Replay("-".join(PLACE), "done")

    def test_an_outcome_is_kept_once_and_of_what_was_begun_only(self) -> None:
        records = self.make(HandClock())
        with pytest.raises(ConflictError):
            records.finish(*PLACE, "run1", "done")
        records.begin(*PLACE, REQUEST, 2e9)
        records.finish(*PLACE, "run1", "done")
        with pytest.raises(ConflictError):
            records.finish(*PLACE, "run2", "done again")
        assert records.begin(*PLACE, REQUEST, 2e9) == Replay("run1", "done")

    def test_what_was_given_up_may_begin_anew_and_what_has_an_outcome_stays(self) -> None:
        records = self.make(HandClock())
        records.begin(*PLACE, REQUEST, 2e9)
        records.abandon(*PLACE)
        records.abandon(*PLACE)
        assert records.begin(*PLACE, "xxh3:2", 2e9) == Fresh()
        records.finish(*PLACE, "run1", "done")
        records.abandon(*PLACE)
        assert records.begin(*PLACE, "xxh3:2", 2e9) == Replay("run1", "done")

    def test_keys_expire_whether_they_have_an_outcome_or_not(self) -> None:
        clock = HandClock()
        records = self.make(clock)
        other = ("anna", "other", "key 1")
        records.begin(*PLACE, REQUEST, clock.now() + 10)
        records.finish(*PLACE, "run1", "done")
        records.begin(*other, REQUEST, clock.now() + 10)
        clock.turn(9.5)
        assert records.sweep() == 0
        assert records.begin(*PLACE, REQUEST, clock.now() + 10) == Replay("run1", "done")
        clock.turn(0.5)
        assert records.begin(*PLACE, "xxh3:2", clock.now() + 10) == Fresh()
        with pytest.raises(ConflictError):
            records.finish(*other, "run2", "late")
        clock.turn(10)
        assert records.sweep() == 1
