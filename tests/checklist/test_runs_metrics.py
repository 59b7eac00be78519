"""Metrics: everything that can be logged, what is refused, and how it is read."""

import json
import math

import pytest
from checklist.lab import lab  # noqa: F401 - a fixture

from pipelinekit import get_context
from pipelinekit.errors import UsageError

CHARTS = {
    "matrix": {"class_labels": ["no", "yes"], "matrix": [[3, 1], [0, 4]]},
    "accuracy": {
        "class_labels": ["a"],
        "probability_thresholds": [0.0, 1.0],
        "probability_tables": [[[3, 1, 0, 4], [0, 0, 4, 4]]],
        "percentile_thresholds": [0.5],
        "percentile_tables": [[[3, 1, 0, 4]]],
    },
    "residuals": {"bin_edges": [-1, 0, 1], "bin_counts": [3, 4]},
    "predictions": {
        "bin_edges": [0, 1, 2],
        "bin_counts": [3, 4],
        "bin_averages": [0.4, 1.5],
        "bin_errors": [0.0, 0.1],
    },
}


def test_metrics_are_logged_and_read_as_they_were(lab, capsys):  # noqa: F811
    class Figure:
        def savefig(self, path):
            with open(path, "wb") as stream:
                stream.write(b"drawn")

    (lab.folder / "picture.png").write_bytes(b"taken")
    with lab.workspace.experiments.get("metrics").start_run() as run:
        run.log("one", 0.5)
        for step in range(3000):
            run.log("loss", 1 / (step + 1), step=step)
        run.log("words", "first")
        run.log("words", True)
        run.log_list("curve", range(5))
        run.log_list("odd", [1.0, math.nan])
        run.log_row("table", city="Ulm", count=1)
        run.log_table("table", {"city": ["Bonn"], "count": [2]})
        run.log_image("picture", path="picture.png")
        run.log_image("plot", figure=Figure())
        run.log_confusion_matrix("matrix", {"schema_type": "m", "schema_version": "v1", "data": CHARTS["matrix"]})
        run.log_accuracy_table("accuracy", json.dumps(CHARTS["accuracy"]))
        run.log_residuals("residuals", CHARTS["residuals"])
        run.log_predictions("predictions", CHARTS["predictions"])
        run.flush()
        assert run.run.metrics()["one"] == 0.5, "what was flushed is there while the run goes on"
    handle = lab.workspace.runs.get(run.id)
    found = handle.metrics()
    assert (found["one"], found["words"], found["curve"]) == (0.5, ["first", True], [0, 1, 2, 3, 4])
    assert found["table"] == {"city": ["Ulm", "Bonn"], "count": [1, 2]}
    assert (found["picture"].load().read_bytes(), found["plot"].load().read_bytes()) == (b"taken", b"drawn")
    assert {name: found[name] for name in CHARTS} == CHARTS
    assert math.isnan(found["odd"][1])
    series = handle.series("loss")
    assert (list(series.steps), series.values[-1]) == (list(range(3000)), 1 / 3000)
    assert list(series.at) == sorted(series.at)
    assert handle.all_metrics()[""].keys() == found.keys()
    documents = {item["name"]: item for item in lab.cli("runs", "metrics", run.id)["metrics"]}
    assert (documents["loss"]["points"], documents["loss"]["lowest"], documents["loss"]["highest"]) == (
        3000,
        1 / 3000,
        1,
    )
    assert documents["residuals"]["kind"] == "residuals"
    told = lab.cli("runs", "metrics", run.id, "--name", "accuracy")["metrics"][0]
    assert told["value"] == CHARTS["accuracy"]
    with lab.workspace.experiments.get("metrics").start_run("other") as other:
        other.log_list("loss", [1, 2])
    for name in ("curves.html", "curves.png"):
        lab.cli("runs", "compare", run.id, other.id, "--plot", name)
    assert (lab.folder / "curves.html").read_text().count("<figure>") == 4
    assert (lab.folder / "curves.png").read_bytes().startswith(b"\x89PNG")


WRONG = [
    ("run.log('a', [1])", "use log_list"),
    ("run.log('a', (n for n in [1]))", "use log_list"),
    ("run.log('', 1)", "cannot be named"),
    ("run.log('a' * 256, 1)", "cannot be named"),
    ("run.log('s', 1, step=1); run.log('s', 2)", "both with a step and without one"),
    ("run.log_list('a', [1], steps=[1, 2])", "1 values, but 2 steps"),
    ("run.log_row('t', a=[1])", "not one value"),
    ("run.log_table('t', {'a': [1], 'b': []})", "differ in length"),
    ("run.log_table('t', {str(n): [1] for n in range(51)})", "more than 50"),
    ("run.log_image('i')", "neither"),
    ("run.log_image('i', path='a', figure=1)", "both"),
    ("run.log_confusion_matrix('m', {'class_labels': ['a'], 'matrix': [[1], [2]]})", "1 class labels, but 2 rows"),
    ("run.log_confusion_matrix('m', '{')", "no JSON"),
    ("run.log_accuracy_table('m', {'class_labels': ['a']})", "probability_thresholds is missing"),
    ("run.log_residuals('m', {'bin_edges': [1], 'bin_counts': [1]})", "1 bin_edges need 0 bin_counts"),
    ("run.log_predictions('m', {'bin_edges': 'ab'})", "bin_edges is no list"),
]


def test_what_does_not_fit_is_refused_with_advice(lab):  # noqa: F811
    for run in (lab.workspace.experiments.get("faults").start_run(), get_context()):
        for call, words in WRONG:
            if run.id or "step=1" not in call:  # outside of runs there is nothing that it could not fit
                with pytest.raises(UsageError, match=words):
                    exec(call, {"run": run})


def test_what_is_told_to_the_run_is_told_again_when_the_step_is_reused(lab):  # noqa: F811
    flow = lab.module(
        "telling",
        """
        from pipelinekit import get_context, pipeline, step

        @step
        def train(rate: float) -> float:
            run = get_context()
            run.log("own", rate)
            run.parent.log("score", rate)
            run.parent.log_table("rows", {"x": [1, 2]})
            return rate

        @step
        def double(rate: float) -> float:
            return 2 * rate

        @pipeline
        def told(rate: float = 0.5):
            return double(train(rate))
        """,
    )
    runs = [lab.workspace.submit(flow.told).wait() for _ in range(2)]
    assert [str(run.step("train").status) for run in runs] == ["Completed", "Reused"]
    for run in runs:
        assert run.metrics() == {"score": 0.5, "rows": {"x": [1, 2]}}
        assert run.all_metrics() == {"": run.metrics(), "train": {"own": 0.5}}
    assert [run.id for run in lab.workspace.runs.list(where=["metric.score=0.5"])] == [runs[1].id, runs[0].id]
