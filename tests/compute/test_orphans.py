"""What becomes of an attempt on a node whose driver is gone: waited for, taken over, or ended."""

import threading
from dataclasses import replace

import pytest
from conftest import alive, own_children, wait_for

from pipelinekit.bootstrap import make_supervisor
from pipelinekit.compute import orphans, supervisor
from pipelinekit.domain.attempts import AttemptStarted, LogChunk
from pipelinekit.domain.values import plain
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.testing.contracts.compute import ComputeContract


class Node:
    """A supervisor, with a thread for each bundle that it was given, as a worker has."""

    def __init__(self, home):
        self.supervisor = make_supervisor(home)
        self.gone = set()
        self.events, self.ended = [], {}

    def give(self, attempt):
        """Let the node execute an attempt."""

        def run():
            events, _ = self.supervisor.run_bundle(
                [attempt], self.events.extend, is_gone=lambda: attempt.id in self.gone
            )
            self.events.extend(events)
            self.ended[attempt.id] = events[-1]

        threading.Thread(target=run, daemon=True).start()

    def lose(self, attempt):
        """Its driver is gone."""
        self.gone.add(attempt.id)
        self.supervisor.leave([attempt.id])

    def told(self, attempt, kind):
        return [event for event in self.events if isinstance(event, kind) and event.attempt == attempt.id]


class TestOrphans:
    attempt = ComputeContract.attempt

    @pytest.fixture
    def node(self, tmp_path):
        home = tmp_path / ".pipelinekit"
        for folder in ("blobs", "cache"):
            (home / folder).mkdir(parents=True)
        self.blobs = FolderBlobs(home / "blobs")
        node = Node(home)
        yield node
        node.supervisor.close(now=True)

    def next(self, attempt, number=2, **changes):
        """The next driver's attempt at the same step."""
        return replace(attempt, number=number, continues=True, **changes)

    def first(self, function="sleep", value=60, **details):
        return replace(self.attempt("long", function, value, **details), outlives=True)

    def begun(self, node, attempt):
        """Give an attempt to a node; its process, once the attempt has told something."""
        node.give(attempt)
        wait_for(lambda: node.told(attempt, LogChunk))
        return own_children()

    def test_it_goes_on_as_the_next_attempt_which_tells_all_again(self, node):
        first = self.first(value=1.5)
        second = self.next(first)
        self.begun(node, first)
        node.lose(first)
        assert node.supervisor.claim([second.id]) == [second.id]
        node.give(second)
        wait_for(lambda: second.id in node.ended)
        assert node.ended[second.id].outputs == {"output": plain(1.5)}
        assert node.ended[first.id].failure.kind == "lost"
        (began,) = node.told(second, AttemptStarted)
        assert began.at == node.told(first, AttemptStarted)[0].at
        assert [chunk.text for chunk in node.told(second, LogChunk)] == ["sleeping\n"]

    def test_how_it_ended_is_given_to_the_next_attempt_once(self, node):
        first = self.first("double", 4)
        node.gone.add(first.id)
        node.give(first)
        wait_for(lambda: first.id in node.ended)
        assert node.supervisor.claim(["other/long/2", "run/other/2", "run/long/1"]) == []
        assert node.supervisor.claim(["run/long/2"]) == ["run/long/2"]
        assert node.supervisor.claim(["run/long/3"]) == [], "what has ended is given to the very next attempt"
        for number in (2, 3):
            node.give(self.next(first, number))
            wait_for(lambda number=number: f"run/long/{number}" in node.ended)
        began = [node.told(replace(first, number=number), AttemptStarted)[0].at for number in (1, 2, 3)]
        assert began[0] == began[1] < began[2]

    def test_one_that_is_tried_again_by_the_same_driver_is_executed_again(self, node):
        first = self.first("double", 4)
        node.gone.add(first.id)
        second = replace(first, number=2)
        for attempt in (first, second):
            node.give(attempt)
            wait_for(lambda attempt=attempt: attempt.id in node.ended)
        assert node.told(first, AttemptStarted)[0].at < node.told(second, AttemptStarted)[0].at

    def test_one_that_failed_is_executed_again(self, node):
        first = self.first("fail", 4)
        node.gone.add(first.id)
        for attempt in (first, self.next(first)):
            node.give(attempt)
            wait_for(lambda attempt=attempt: attempt.id in node.ended)
            assert node.ended[attempt.id].failure.kind == "user"
        began = [node.told(attempt, AttemptStarted)[0].at for attempt in (first, self.next(first))]
        assert began[0] < began[1]

    def test_one_that_nobody_comes_for_is_ended(self, node, monkeypatch):
        monkeypatch.setattr(supervisor, "PATIENCE_SECONDS", 0.3)
        first = self.first()
        processes = self.begun(node, first)
        node.lose(first)
        wait_for(lambda: first.id in node.ended)
        assert node.ended[first.id].failure.kind == "canceled"
        assert node.supervisor.claim(["run/long/2"]) == []
        assert [pid for pid in processes if not alive(pid)]

    def test_one_that_was_asked_for_and_not_taken_is_ended(self, node, monkeypatch):
        monkeypatch.setattr(supervisor, "PATIENCE_SECONDS", 1.0)
        first = self.first()
        processes = self.begun(node, first)
        node.lose(first)
        assert node.supervisor.claim(["run/long/2"]) == ["run/long/2"]
        wait_for(lambda: first.id in node.ended)
        assert node.ended[first.id].failure.kind == "lost", "its slot is free for the one that goes on with it"
        wait_for(lambda: [pid for pid in processes if not alive(pid)], 10)

    def test_one_of_another_task_is_ended_and_the_new_one_executed(self, node):
        first = self.first(value=60)
        processes = self.begun(node, first)
        node.lose(first)
        node.supervisor.claim(["run/long/2"])
        other = self.next(first, inputs={"x": plain(0)})
        node.give(other)
        wait_for(lambda: other.id in node.ended)
        assert node.ended[other.id].outputs == {"output": plain(0)}
        assert [pid for pid in processes if not alive(pid)]

    def test_one_that_does_not_outlive_its_driver_is_stopped_at_once(self, node):
        first = replace(self.first(), outlives=False)
        self.begun(node, first)
        assert node.supervisor.claim(["run/long/2"]) == []
        node.lose(first)
        wait_for(lambda: first.id in node.ended)
        assert node.ended[first.id].failure.kind == "canceled"

    def test_one_that_has_told_more_than_is_kept_does_not_change_hands(self, node, monkeypatch):
        monkeypatch.setattr(orphans, "MOST_CHARACTERS", 5)
        first = self.first()
        self.begun(node, first)
        assert node.supervisor.claim(["run/long/2"]) == []
        node.lose(first)
        wait_for(lambda: first.id in node.ended)

    def test_who_is_stopped_before_it_goes_on_takes_what_it_would_have_taken_with_it(self, node):
        first = self.first()
        processes = self.begun(node, first)
        node.lose(first)
        node.supervisor.claim(["run/long/2"])
        wait_for(lambda: first.id in node.ended)
        node.supervisor.cancel([first.id])
        assert node.supervisor.claim(["run/long/2"]) == ["run/long/2"], "an earlier driver has no say any more"
        node.supervisor.cancel([replace(first, number=2).id])
        assert node.supervisor.claim(["run/long/2"]) == []
        assert [pid for pid in processes if not alive(pid)]

    @pytest.mark.parametrize("state", ["with its driver", "left", "asked for"])
    def test_when_its_run_has_ended_it_is_gone_and_no_other_of_that_run_begins(self, node, state):
        first = self.first()
        processes = self.begun(node, first)
        if state != "with its driver":
            node.lose(first)
        if state == "asked for":
            node.supervisor.claim(["run/long/2"])
            wait_for(lambda: first.id in node.ended)
        node.supervisor.end_run("run", for_good=True)
        assert [pid for pid in processes if not alive(pid)], "when that returns"
        assert node.supervisor.claim(["run/long/2"]) == []
        late, other = replace(self.first("double", 4), step="late"), replace(self.first("double", 4), run="another")
        for attempt in (late, other):
            node.give(attempt)
            wait_for(lambda attempt=attempt: attempt.id in node.ended)
        assert node.ended[late.id].failure.kind == "canceled"
        assert node.ended[other.id].outputs == {"output": plain(8)}

    def test_what_stops_but_may_be_begun_again_is_begun_again(self, node):
        first = self.first()
        processes = self.begun(node, first)
        node.supervisor.end_run("run", for_good=False)
        assert [pid for pid in processes if not alive(pid)]
        again = self.next(self.first("double", 4))
        node.give(again)
        wait_for(lambda: again.id in node.ended)
        assert node.ended[again.id].outputs == {"output": plain(8)}
