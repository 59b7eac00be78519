"""What every implementation of metrics and facts must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipelinekit.domain.attempts import Told, attempt_id
from pipelinekit.domain.digests import digest
from pipelinekit.domain.metrics import (
    CHILD,
    END,
    FILE,
    IMAGE,
    LOG,
    MATRIX,
    PARENT,
    PROPERTY,
    ROWS,
    SERIES,
    TAG,
    Entry,
    Metric,
)
from pipelinekit.domain.run_queries import RunQuery, parse_condition
from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.domain.values import StoredValue
from pipelinekit.testing.contracts.records import MadeRecords, change, completion, new_run
from pipelinekit.wire.metrics import numbers_to_json, series_to_json
from pipelinekit.wire.values import value_to_json

RUN = f"{'run':0>14}"
PICTURE = StoredValue(digest("picture"), "file", 3, digest("blob"), suffix=".png")


def series(name: str, *values: Any, steps: list[int] | None = None, place: str = "") -> Entry:
    """Points as a step tells them."""
    body = {"values": numbers_to_json(values), "steps": steps, "at": [5.0] * len(values)}
    return Entry(SERIES, name, body, place, 5.0)


def rows(name: str, columns: Mapping[str, list[Any]]) -> Entry:
    """Rows as a step tells them."""
    return Entry(ROWS, name, {"columns": [[column, values] for column, values in columns.items()]}, "", 5.0)


def by_name(metrics: Any) -> dict[str, Metric]:
    """Metrics by name."""
    return {metric.name: metric for metric in metrics}


class FactsContract:
    """The suite. `make` is called once for every test."""

    def make(self) -> MadeRecords:
        """Records in which nothing is written."""
        raise NotImplementedError

    def test_points_keep_their_order_and_the_summary_is_that_of_all(self) -> None:
        """A series is what was told, chunk after chunk."""
        made = _begun(self.make())
        _tell(made, "a", series("loss", 3.0, 1, steps=[1, 2]))
        _tell(made, "a", series("loss", 2.5, steps=[4]), series("word", "yes"), series("flag", True))
        found = by_name(made.metrics.of_step(RUN, "a"))
        assert found["loss"] == Metric("loss", SERIES, (RUN, "a"), False, 3, 2.5, 2.5, 1.0, 3.0)
        assert (found["word"].last, found["word"].number, found["word"].lowest) == ("yes", None, None)
        assert (found["flag"].last, found["flag"].number) == (True, 1.0)
        points = made.metrics.series(found["loss"])
        assert (list(points.values), points.steps, points.at) == ([3.0, 1, 2.5], [1, 2, 4], [5.0] * 3)
        assert [type(value) for value in points.values] == [float, int, float]
        assert made.metrics.series(found["word"]).steps is None

    def test_points_that_come_packed_are_points_like_others(self) -> None:
        """Their text is kept as it came."""
        made = _begun(self.make())
        times = [5.0, 5.0, 5.0, 5.0, 6.0, 6.0]
        body = series_to_json([3.0, 1, True, 2.5, 2, 1.5], [1, 2, 3, 4, 5, 6], times)
        assert "packed" in body
        _tell(made, "a", Entry(SERIES, "loss", body, "", 6.0), series("loss", 9.0, steps=[7]))
        found = made.metrics.of_step(RUN, "a")[0]
        assert found == Metric("loss", SERIES, (RUN, "a"), False, 7, 9.0, 9.0, 1.0, 9.0)
        points = made.metrics.series(found)
        assert list(points.values) == [3.0, 1, True, 2.5, 2, 1.5, 9.0]
        assert (points.steps, list(points.at)) == ([1, 2, 3, 4, 5, 6, 7], [*times, 5.0])
        for values in ([1.0, math.nan], ["text"], [1e308, 1e308], [10**400]):
            assert "packed" not in series_to_json(values, None, [5.0] * len(values))

    def test_what_a_child_writes_is_its_log(self) -> None:
        """In its order; beside it the step has a log of its own."""
        made = _begun(self.make())
        child = f"{'child':0>14}"
        told = [Entry(LOG, "stdout", "one\n", child, 5.0), Entry(LOG, "stderr", "two\n", child, 5.0)]
        _tell(made, "a", Entry(CHILD, "c", {"parent": ""}, child, 5.0), *told)
        made.facts.tell_run(RUN, [Entry(LOG, "stdout", "own", "", 5.0)])
        assert [(chunk.stream, chunk.text) for _, chunk in made.logs.read(child, "")] == [
            ("stdout", "one\n"),
            ("stderr", "two\n"),
        ]
        assert [chunk.text for _, chunk in made.logs.read(RUN, "")] == ["own"]
        assert made.logs.read(RUN, "a") == []

    def test_what_is_not_finite_is_kept_and_not_compared(self) -> None:
        """NaN and infinities come back."""
        made = _begun(self.make())
        _tell(made, "a", series("loss", 1.0, math.nan, -math.inf))
        found = made.metrics.of_step(RUN, "a")[0]
        assert (found.number, found.lowest, found.highest, found.last) == (None, 1.0, 1.0, -math.inf)
        values = made.metrics.series(found).values
        assert str(values[1]) == "nan"
        assert values[2] == -math.inf

    def test_tables_are_put_together_of_their_rows(self) -> None:
        """Columns that some rows lack are None there."""
        made = _begun(self.make())
        _tell(made, "a", rows("table", {"x": [1, 2]}), rows("table", {"x": [3], "y": ["z"]}))
        found = made.metrics.of_step(RUN, "a")[0]
        assert (found.kind, found.points, found.last) == (ROWS, 3, {"x": 3, "y": "z"})
        assert made.metrics.rows(found) == {"x": [1, 2, 3], "y": [None, None, "z"]}

    def test_changes_of_steps_are_told_with_their_times(self) -> None:
        """In the order in which they were recorded."""
        made = self.make()
        run = made.runs.create(new_run("run"))
        epoch = made.driving.take(run.id, made.alive).epoch
        for status in (StepStatus.QUEUED, StepStatus.RUNNING, StepStatus.COMPLETED):
            made.clock.turn(2)
            made.driving.record(run.id, epoch, [change(run.id, "a", status), change(run.id, "b", status)])
        made.driving.finish(run.id, epoch, RunStatus.COMPLETED, {}, None)
        (first, _), *_ = told = made.runs.changes(run.id)
        assert [at - first for at, _ in told] == [0.0, 2.0, 4.0]
        assert [dict(steps) for _, steps in told] == [
            dict.fromkeys("ab", status) for status in ("Queued", "Running", "Completed")
        ]

    def test_images_and_matrices(self) -> None:
        """An image is a metric and a file."""
        made = _begun(self.make())
        matrix = {"class_labels": ["a", "b"], "matrix": [[1, 0], [0, 2]]}
        _tell(made, "a", Entry(MATRIX, "m", matrix), Entry(IMAGE, "plot", value_to_json(PICTURE)))
        found = by_name(made.metrics.of_step(RUN, "a"))
        assert made.metrics.body(found["m"]) == matrix
        assert made.metrics.body(found["plot"]) == value_to_json(PICTURE)
        assert made.facts.files(RUN, step="a") == {"images/plot": PICTURE}

    def test_what_an_earlier_attempt_told_as_metrics_goes(self) -> None:
        """A step that is tried again begins anew."""
        made = _begun(self.make())
        _tell(made, "a", series("loss", 9.0), series("only then", 1))
        _tell(made, "a", series("loss", 2.0), attempt=2)
        _tell(made, "a", series("loss", 1.0), attempt=2)
        found = by_name(made.metrics.of_step(RUN, "a"))
        assert list(found) == ["loss"]
        assert list(made.metrics.series(found["loss"]).values) == [2.0, 1.0]

    def test_a_run_has_what_its_steps_told_it_and_so_has_one_that_reuses_them(self) -> None:
        """Metrics, tags, properties and files."""
        made = _begun(self.make())
        told = Entry(FILE, "notes", value_to_json(PICTURE), PARENT, 1.0)
        tag, fixed = Entry(TAG, "best", "yes", PARENT), Entry(PROPERTY, "p", "1", PARENT)
        _tell(made, "a", series("score", 0.5, place=PARENT), series("own", 1), told, tag, fixed)
        assert made.facts.tags(RUN) == {"best": "yes"}
        _finish(made)
        other = made.runs.create(new_run("other", at=2.0)).id
        taken = made.driving.take(other, made.alive)
        reused = change(other, "a", StepStatus.REUSED, key="k", original_run=RUN, original_step="a")
        made.driving.record(other, taken.epoch, [reused])
        assert [metric.name for metric in made.metrics.of_run(other)] == ["score"]
        made.driving.finish(other, taken.epoch, RunStatus.COMPLETED, {}, None)
        for run in (RUN, other):
            found = made.metrics.of_run(run)
            assert [(metric.name, metric.last, metric.to_parent) for metric in found] == [("score", 0.5, True)]
            assert list(made.metrics.series(found[0]).values) == [0.5]
            steps = made.metrics.of_steps(run)
            assert [(step, metric.name, metric.place) for step, metric in steps] == [("a", "own", (RUN, "a"))]
            assert made.facts.tags(run) == {"best": "yes"}
            assert made.facts.properties(run) == {"p": "1"}
            assert made.facts.files(run) == {"notes": PICTURE}

    def test_a_run_of_one_step_is_found_by_what_the_step_has(self) -> None:
        """As a script run, or one that reuses it; not if it has another step."""
        made = _begun(self.make())
        _tell(made, "a", series("loss", 0.5), series("score", 1), series("score", 2, place=PARENT))
        _finish(made)
        found = [RUN]
        for name, steps in (("again", "a"), ("two", "ab")):
            taken = made.driving.take(made.runs.create(new_run(name, at=2.0)).id, made.alive)
            reused = [
                change(taken.id, step, StepStatus.REUSED, key="k", original_run=RUN, original_step="a")
                for step in steps
            ]
            made.driving.record(taken.id, taken.epoch, reused)
            made.driving.finish(taken.id, taken.epoch, RunStatus.COMPLETED, {}, None)
            found.append(taken.id)
        listed = [[(metric.name, metric.last) for metric in made.metrics.listed(run)] for run in found]
        assert listed == [[("score", 2), ("loss", 0.5)]] * 2 + [[("score", 2)] * 2]
        for text, runs in (("metric.loss<1", found[:2]), ("metric.score=2", found), ("metric.score=1", [])):
            query = RunQuery(conditions=(parse_condition(text),), ascending=True)
            assert [run.id for run in made.queries.find(query)] == sorted(runs)

    def test_tags_change_and_properties_do_not(self) -> None:
        """Of a run and of a step, each for itself."""
        made = _begun(self.make())
        made.facts.set_tags(RUN, {"a": "1", "b": ""})
        made.facts.set_tags(RUN, {"a": "2"})
        made.facts.set_tags(RUN, {"c": "3"}, step="a")
        made.facts.remove_tags(RUN, ["b", "absent"])
        made.facts.add_properties(RUN, {"p": "1"})
        made.facts.add_properties(RUN, {"p": "2", "q": "3"})
        assert made.facts.tags(RUN) == {"a": "2"}
        assert made.facts.tags(RUN, step="a") == {"c": "3"}
        assert made.facts.properties(RUN) == {"p": "1", "q": "3"}
        assert made.facts.properties(RUN, step="a") == {}

    def test_names_and_files_of_a_run(self) -> None:
        """What is not named stays."""
        made = _begun(self.make())
        made.facts.rename(RUN, display_name="first", description="what it was for")
        made.facts.rename(RUN, display_name="renamed")
        record = made.runs.get(RUN)
        assert (record.display_name, record.description) == ("renamed", "what it was for")
        made.facts.put_file(RUN, "a.png", PICTURE)
        assert made.facts.files(RUN) == {"a.png": PICTURE}

    def test_children_are_runs_below_the_step_that_made_them(self) -> None:
        """With metrics and tags of their own, and children of their own."""
        made = _begun(self.make())
        child, below = f"{'child':0>14}", f"{'deeper':0>14}"
        _tell(made, "a", Entry(CHILD, "fold 1", {"parent": ""}, child, 1.0), series("loss", 1.0, place=child))
        _tell(made, "a", Entry(CHILD, "", {"parent": child}, below, 2.0), Entry(TAG, "k", "v", below))
        _tell(made, "a", Entry(END, "Completed", "", below, 3.0), Entry(END, "Failed", "why", child, 4.0))
        [found] = made.facts.children(RUN)
        assert (found.id, found.kind, found.parent, found.parent_step) == (child, "child", RUN, "a")
        assert (found.display_name, found.status, found.ended_at) == ("fold 1", RunStatus.FAILED, 4.0)
        assert found.failure is not None
        assert found.failure.message == "why"
        assert [run.id for run in made.facts.children(child)] == [below]
        assert made.facts.children(child)[0].status is RunStatus.COMPLETED
        assert made.facts.children(RUN, step="b") == []
        assert made.facts.tags(below) == {"k": "v"}
        assert [metric.name for metric in made.metrics.of_run(child)] == ["loss"]
        assert made.metrics.of_step(RUN, "a") == []

    def test_children_that_nobody_ended_fail(self) -> None:
        """When their step was killed, and when their driver was."""
        made = _begun(self.make())
        left, lost = f"{'left':0>14}", f"{'lost':0>14}"
        _tell(made, "a", Entry(CHILD, "", {"parent": ""}, left, 1.0))
        made.facts.end_children(made.alive)
        assert made.runs.get(left).status is RunStatus.FAILED
        other = made.runs.create(new_run("other", at=2.0)).id
        made.driving.take(other, made.dead)
        made.facts.tell([Told(attempt_id(other, "a", 1), (Entry(CHILD, "", {"parent": ""}, lost, 1.0),))])
        made.driving.recover(30)
        assert {made.runs.get(run).status for run in (other, lost)} == {RunStatus.FAILED}

    def test_a_run_without_steps_tells_of_itself(self) -> None:
        """An interactive run, with children."""
        made = _begun(self.make())
        child = f"{'child':0>14}"
        made.facts.tell_run(RUN, [series("x", 1, 2), Entry(CHILD, "", {"parent": ""}, child, 1.0)])
        made.facts.tell_run(RUN, [series("x", 3), series("y", 4, place=child), Entry(TAG, "t", "")])
        found = made.metrics.of_run(RUN)
        assert [(metric.name, metric.points) for metric in found] == [("x", 3)]
        assert [run.parent_step for run in made.facts.children(RUN)] == [""]
        assert made.facts.tags(RUN) == {"t": ""}


def _begun(made: MadeRecords) -> MadeRecords:
    """Records with a run that is driven, and a step `a` of it."""
    run = made.driving.take(made.runs.create(new_run("run", at=1.0)).id, made.alive)
    made.driving.record(run.id, run.epoch, [change(run.id, "a", StepStatus.QUEUED, key="k")])
    return made


def _tell(made: MadeRecords, step: str, *entries: Entry, attempt: int = 1) -> None:
    made.facts.tell([Told(attempt_id(RUN, step, attempt), entries)])


def _finish(made: MadeRecords) -> None:
    epoch = made.runs.get(RUN).epoch
    made.driving.record(
        RUN, epoch, [change(RUN, "a", StepStatus.COMPLETED, key="k", attempt=1)], [completion(RUN, "a", 1)]
    )
    made.driving.finish(RUN, epoch, RunStatus.COMPLETED, {}, None)
