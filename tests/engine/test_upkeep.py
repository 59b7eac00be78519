"""What may go, decided from an inventory."""

import pytest

from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.domain.upkeep import DAY, CompletionEntry, Inventory, RetentionPolicy, RunEntry, StepEntry
from pipelinekit.domain.values import StoredValue
from pipelinekit.engine.upkeep import after, decide, needed_values

NOW = 1000 * DAY


def run(name, *, age=10.0, status=RunStatus.COMPLETED, pipeline="p", **details):
    return RunEntry(name, pipeline, "graph", status, NOW - age * DAY, **details)


def value(blob, size=1):
    return StoredValue(f"content of {blob}", "file", size, blob)


def made(run, step, *blobs, seconds=1.0, unused=10.0, reusable=True, attempt=1, doomed=None):
    outputs = tuple(value(blob) for blob in blobs or (f"{run}-{step}",))
    used = NOW - unused * DAY
    return CompletionEntry(run, step, attempt, f"key {step}", "d", outputs, seconds, used, reusable, doomed)


def shows(run, step, original="", status=None):
    status = status or (StepStatus.REUSED if original else StepStatus.COMPLETED)
    return StepEntry(run, step, status, f"key {step}", (original or run, step))


def inventory(runs, steps=(), completions=(), **details):
    return Inventory({item.id: item for item in runs}, tuple(steps), tuple(completions), **details)


def decided(found, sizes=None, referred=(), **policy):
    return decide(found, RetentionPolicy(**policy), NOW, sizes or {}, StoredValue.blobs, referred)


def places(items):
    return [item.place for item in items]


def test_nothing_goes_without_a_policy():
    found = inventory([run("1")], [shows("1", "a")], [made("1", "a")])
    removal = decided(found)
    assert (removal.removed, removal.erased, removal.revoked, removal.deleted) == ((), (), (), ())


@pytest.mark.parametrize(
    ("policy", "gone"),
    [
        ({"keep_days": 30}, ["1"]),
        ({"keep_days": 5}, ["1", "2", "3", "5"]),
        ({"keep_runs": 1}, ["1", "2", "3"]),
        ({"keep_runs": 0}, ["1", "2", "3", "5"]),
        ({"keep_runs": 1, "keep_days": 30}, ["1"]),
    ],
)
def test_runs_go_by_age_and_number(policy, gone):
    of_one = [run("1", age=60), run("2", age=20), run("3"), run("4", age=90, pinned=True)]
    is_open = [run("6", age=80, status=RunStatus.RUNNING), run("7", age=80, status=RunStatus.QUEUED, pipeline="r")]
    found = inventory([*of_one, run("5", pipeline="q"), *is_open])
    assert list(decided(found, **policy).removed) == gone


def test_a_run_leaves_a_row_for_what_may_still_be_reused():
    found = inventory([run("1")], [shows("1", "a"), shows("1", "b")], [made("1", "a"), made("1", "b", reusable=False)])
    removal = decided(found, keep_runs=0)
    assert (removal.removed, removal.erased, removal.stays) == (("1",), (), {("1", "a")})
    assert places(removal.deleted) == [("1", "b")]
    rest = after(found, removal)
    assert [(step.run, step.step) for step in rest.steps] == [("1", "a")]
    assert rest.runs["1"].removed
    assert [item.blob for item in needed_values(rest)] == ["1-a"]
    assert decided(rest, unused_days=1).erased == ("1",)


def test_what_a_kept_run_shows_stays_however_old():
    found = inventory(
        [run("1"), run("2", age=0)], [shows("1", "a"), shows("2", "a", "1")], [made("1", "a", unused=100)]
    )
    removal = decided(found, keep_runs=1, unused_days=1, max_size=0, sizes={"1-a": 10})
    assert (removal.removed, removal.erased, removal.revoked) == (("1",), (), ())
    assert [item.blob for item in needed_values(after(found, removal))] == ["1-a"]


def test_of_several_attempts_only_the_newest_is_shown():
    found = inventory(
        [run("1"), run("2", age=0)],
        [shows("1", "a"), shows("2", "a", "1")],
        [made("1", "a", "old", reusable=False), made("1", "a", "new", attempt=2, reusable=False)],
    )
    removal = decided(found, keep_runs=1)
    assert [item.attempt for item in removal.deleted] == [1]
    assert [item.blob for item in needed_values(after(found, removal))] == ["new"]


def test_an_open_run_may_look_at_everything_of_its_own():
    found = inventory(
        [run("1", status=RunStatus.RUNNING)], [shows("1", "a", status=StepStatus.QUEUED)], [made("1", "a")]
    )
    removal = decided(found, keep_runs=0, keep_days=0, unused_days=0, max_size=0, sizes={"1-a": 5})
    assert (removal.removed, removal.revoked) == ((), ())
    assert [item.blob for item in needed_values(found)] == ["1-a"]


def test_results_unused_for_long_are_given_up():
    found = inventory([run("1", removed=True)], [], [made("1", "a", unused=50), made("1", "b", unused=10)])
    removal = decided(found, unused_days=30)
    assert places(removal.revoked) == places(removal.deleted) == [("1", "a")]
    assert removal.stays == {("1", "b")}


def test_completions_are_doomed_while_a_run_is_open_that_may_have_found_them():
    early = run("2", age=1, status=RunStatus.RUNNING)
    found = inventory([run("1", removed=True), early], [], [made("1", "a", unused=50)])
    removal = decided(found, unused_days=30)
    assert (places(removal.revoked), places(removal.doomed), removal.deleted) == ([("1", "a")], [("1", "a")], ())
    assert (removal.erased, removal.stays) == ((), {("1", "a")})
    waiting = made("1", "a", reusable=False, doomed=NOW - DAY / 2)
    still = decided(inventory([run("1", removed=True), early], [], [waiting]))
    assert (still.doomed, still.deleted) == ((), ())
    late = run("3", age=0.1, status=RunStatus.RUNNING)
    assert places(decided(inventory([run("1", removed=True), late], [], [waiting])).deleted) == [("1", "a")]
    shown = inventory([run("1", removed=True), run("4")], [shows("4", "a", "1")], [waiting])
    assert decided(shown).deleted == (), "the run that had found it has recorded that it shows it"


def test_a_budget_takes_what_is_cheap_for_its_size_and_long_unused_first():
    items = [
        made("1", "cheap", "c", seconds=1),
        made("1", "dear", "d", seconds=100),
        made("1", "old", "o", seconds=1, unused=100),
        made("1", "small", "s", seconds=1),
    ]
    sizes = {"c": 1000, "d": 1000, "o": 1000, "s": 10, "run": 500}
    found = inventory([run("1", removed=True)], [], items)

    def dropped(limit):
        return [step for _, step in places(decided(found, sizes, ["run"], max_size=limit).revoked)]

    assert dropped(3510) == []
    assert dropped(3509) == ["old"]
    assert dropped(2000) == ["old", "cheap"]
    assert dropped(1510) == ["old", "cheap"]
    assert set(dropped(0)) == {"old", "cheap", "small", "dear"}


def test_a_budget_counts_a_shared_blob_once_and_frees_it_with_its_last_user():
    items = [made("1", "a", "x", "both"), made("1", "b", "y", "both", seconds=2)]
    sizes = {"x": 10, "y": 10, "both": 100}
    found = inventory([run("1", removed=True)], [], items)
    assert decided(found, sizes, max_size=120).revoked == ()
    assert places(decided(found, sizes, max_size=110).revoked) == [("1", "a")]
    assert len(decided(found, sizes, max_size=50).revoked) == 2


def test_what_takes_no_room_is_not_given_up_for_room():
    inline = CompletionEntry("1", "a", 1, "k", "d", (StoredValue("c", inline=3),), 1.0, NOW - DAY, reusable=True)
    found = inventory([run("1", removed=True)], [], [inline])
    assert decided(found, {"other": 100}, ["other"], max_size=0).revoked == ()


def test_old_compiled_graphs_go_with_old_runs():
    found = inventory([], compiled={"old": NOW - 20 * DAY, "new": NOW - DAY})
    assert decided(found, keep_runs=0).graphs == ()
    assert decided(found, keep_days=10).graphs == ("old",)
    assert after(found, decided(found, keep_days=10)).compiled == {"new": NOW - DAY}
