from __future__ import annotations

import numpy
import pyarrow as pa
import pytest
from pipelinekit_steps.columns import TableError
from pipelinekit_steps.estimators import EstimatorError
from pipelinekit_steps.evaluation import (
    evaluate_classification,
    evaluate_regression,
    measure_importance,
    predict_table,
)
from pipelinekit_steps.training import train_estimator

RANDOM = numpy.random.default_rng(1)
X = RANDOM.normal(size=400)
TABLE = pa.table(
    {
        "x": X,
        "noise": RANDOM.normal(size=400),
        "y": 2 * X,
        "pair": numpy.where(X > 0, "up", "down"),
        "three": numpy.digitize(X, [-0.5, 0.5]),
    }
)
FOREST = "sklearn.ensemble.RandomForestClassifier"


def test_predictions_become_a_column() -> None:
    model = train_estimator(TABLE, "sklearn.linear_model.LinearRegression", ["x"], "y")
    predicted = predict_table(model, TABLE.select(["noise", "x"]), prediction="guess")
    assert predicted.column_names == ["noise", "x", "guess"]
    assert numpy.allclose(predicted["guess"].to_numpy(), 2 * X)


def test_texts_unseen_in_training_can_be_predicted() -> None:
    seen = pa.table({"word": ["a", "b"] * 20, "y": [0.0, 1.0] * 20})
    unseen = pa.table({"word": ["b", "c", None]})
    for name, options, texts in (
        ("sklearn.linear_model.LinearRegression", {}, "one-hot"),
        ("sklearn.ensemble.HistGradientBoostingRegressor", {"categorical_features": "from_dtype"}, "category"),
    ):
        model = train_estimator(seen, name, ["word"], "y", options, texts=texts)
        assert predict_table(model, unseen)["prediction"].null_count == 0


def test_predictions_that_cannot_be_made() -> None:
    model = train_estimator(TABLE, "sklearn.linear_model.LinearRegression", ["x"], "y")
    with pytest.raises(TableError, match="the table has a column 'y' already"):
        predict_table(model, TABLE, prediction="y")
    with pytest.raises(TableError, match="the table has no column 'x'"):
        predict_table(model, TABLE.select(["y"]))
    with pytest.raises(EstimatorError, match="a LinearRegression does not know the columns that it learned from"):
        predict_table(type(model)(), TABLE)


def test_metrics_of_a_regression() -> None:
    table = pa.table({"y": [0, 2, 4, 6], "prediction": [1.0, 2.0, 4.0, 9.0]})
    found = evaluate_regression(table, "y")
    assert found == pytest.approx(
        {
            "rows": 4.0,
            "mean_absolute_error": 1.0,
            "median_absolute_error": 0.5,
            "root_mean_squared_error": 2.5**0.5,
            "r2": 0.5,
            "mean_error": 1.0,
            "baseline_mean_absolute_error": 2.0,
        }
    )
    assert all(type(value) is float for value in found.values())


def test_metrics_of_a_classification() -> None:
    table = pa.table({"kind": ["a", "a", "a", "b"], "prediction": ["a", "a", "b", "b"]})
    found = evaluate_classification(table, "kind")
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["baseline_accuracy"] == 0.75
    assert "log_loss" not in found


@pytest.mark.parametrize("target", ["pair", "three"])
def test_probabilities_give_more_metrics(target: str) -> None:
    model = train_estimator(TABLE, FOREST, ["x"], target, {"n_estimators": 10})
    predicted = predict_table(model, TABLE)
    classes = sorted(set(TABLE[target].to_pylist()))
    assert predicted.column_names[-len(classes) :] == [f"prediction_{value}" for value in classes]
    found = evaluate_classification(predicted, target)
    assert found["roc_auc"] > 0.99
    assert 0 < found["log_loss"] < 0.2


def test_columns_to_compare_must_be_whole() -> None:
    table = pa.table({"y": [1.0, None], "prediction": [1.0, 2.0]})
    with pytest.raises(TableError, match="column 'y' is null in 1 of 2 rows"):
        evaluate_regression(table, "y")
    with pytest.raises(TableError, match="the table has no column 'guess'"):
        evaluate_regression(table, "prediction", "guess")


def test_importance_finds_the_feature_that_matters() -> None:
    model = train_estimator(TABLE, "sklearn.linear_model.LinearRegression", ["noise", "x"], "y")
    found = measure_importance(model, TABLE, "y", rows=100, repeats=3, seed=4)
    assert found["feature"].to_pylist() == ["x", "noise"]
    assert found["importance"][0].as_py() > 1
    assert found["importance"][1].as_py() == pytest.approx(0, abs=1e-9)
    assert found.equals(measure_importance(model, TABLE, "y", rows=100, repeats=3, seed=4))
    assert not found.equals(measure_importance(model, TABLE, "y", rows=100, repeats=3, seed=5))
