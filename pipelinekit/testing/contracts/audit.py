"""What records of the audit log must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

from pipelinekit.domain.audit import LONGEST, REFUSED, START, AuditEvent, Origin, broken_links
from pipelinekit.ports.audit import AuditRecords
from pipelinekit.testing.clock import HandClock

ORIGIN = Origin("anna", "id1", "10.0.0.1", "request 1")


def event(number: int) -> AuditEvent:
    """Something that was done to object `number`."""
    return AuditEvent(ORIGIN, "do", f"things/{number}", after=f"xxh3:{number}")


class AuditContract:
    """The suite for records of the audit log."""

    def make(self, clock: HandClock) -> AuditRecords:
        """An empty log."""
        raise NotImplementedError

    def test_there_is_nothing_at_first(self) -> None:
        log = self.make(HandClock())
        assert list(log.newest(10)) == list(log.all()) == []
        assert log.find("") is None

    def test_rows_are_chained_in_the_order_in_which_they_were_written(self) -> None:
        clock = HandClock(10.25)
        log = self.make(clock)
        first = log.append(event(1))
        clock.turn(-1.0)  # a clock may go backward; the log does not
        refused = AuditEvent(Origin(source="10.0.0.9"), "authenticate", "", REFUSED, "unknown", "x", "y")
        second = log.append(refused)
        assert (first.number, first.at, first.previous, first.event) == (1, 10.25, START, event(1))
        assert (second.number, second.at, second.previous, second.event) == (2, 9.25, first.digest, refused)
        assert list(log.all()) == [first, second]
        assert broken_links(log.all()) == []
        assert log.find(first.digest) == first
        assert log.find("sha256:none") is None

    def test_rows_are_shown_from_the_newest_on(self) -> None:
        log = self.make(HandClock())
        rows = [log.append(event(number)) for number in range(1, 6)]
        assert list(log.newest(2)) == [rows[4], rows[3]]
        assert list(log.newest(2, before=4)) == [rows[2], rows[1]]
        assert list(log.newest(10, before=2)) == [rows[0]]
        assert list(log.newest(10, before=1)) == []

    def test_texts_that_nobody_could_keep_are_kept_as_far_as_they_can(self) -> None:
        log = self.make(HandClock())
        odd = log.append(AuditEvent(Origin("a\0b", "\ud800"), "ü" * (LONGEST + 1), "o" * LONGEST))
        assert (odd.event.origin.actor, odd.event.origin.token) == ("a\u2400b", "?")
        assert odd.event.action == "ü" * (LONGEST - 1) + "…"
        assert odd.event.object == "o" * LONGEST
        assert list(log.all()) == [odd]
        assert broken_links(log.all()) == []
