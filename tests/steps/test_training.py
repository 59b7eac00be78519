from __future__ import annotations

import hashlib
import io

import joblib
import numpy
import pyarrow as pa
import pytest
from pipelinekit_steps.columns import TableError
from pipelinekit_steps.estimators import EstimatorError, to_frame
from pipelinekit_steps.training import train_estimator
from threadpoolctl import threadpool_limits

ROWS = 300
RANDOM = numpy.random.default_rng(0)
WORDS = numpy.array(["red", "green", "blue"])[RANDOM.integers(0, 3, ROWS)]
X = RANDOM.normal(size=ROWS)
TABLE = pa.table(
    {
        "x": X,
        "count": pa.array([None if i % 10 == 0 else i for i in range(ROWS)], pa.int32()),
        "word": pa.array(WORDS).dictionary_encode(),
        "flag": pa.array([i % 2 == 0 for i in range(ROWS)]),
        "y": 3 * X + (WORDS == "red"),
        "kind": numpy.where(X > 0, "up", "down"),
        "at": pa.array(range(ROWS), pa.timestamp("s")),
    }
)
BOOSTING = "sklearn.ensemble.HistGradientBoostingRegressor"


def digest(model: object) -> str:
    stream = io.BytesIO()
    joblib.dump(model, stream)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def test_texts_are_categories_with_their_values_in_order() -> None:
    frame = to_frame(TABLE, ["word", "count", "flag"])
    assert list(frame["word"].cat.categories) == ["blue", "green", "red"]
    assert list(frame["word"].astype(str)) == list(WORDS)
    assert frame["count"].isna().sum() == 30
    assert frame["flag"].dtype == bool


def test_an_estimator_that_takes_categories_and_nulls() -> None:
    model = train_estimator(
        TABLE, BOOSTING, ["x", "word", "count"], "y", {"max_iter": 20, "categorical_features": "from_dtype"}, seed=5
    )
    assert type(model).__name__ == "HistGradientBoostingRegressor"
    assert list(model.feature_names_in_) == ["x", "word", "count"]
    assert model.is_categorical_.tolist() == [False, True, False]
    assert (model.max_iter, model.random_state) == (20, 5)


def test_one_hot_texts_for_an_estimator_that_takes_numbers() -> None:
    model = train_estimator(TABLE, "sklearn.linear_model.LinearRegression", ["x", "word"], "y", texts="one-hot")
    assert list(model.feature_names_in_) == ["x", "word"]
    assert model.score(to_frame(TABLE, ["x", "word"]), TABLE["y"].to_numpy()) > 0.999


def test_given_random_state_wins_over_the_seed() -> None:
    name = "sklearn.tree.DecisionTreeClassifier"
    assert train_estimator(TABLE, name, ["x"], "kind", {"random_state": 1}, seed=2).random_state == 1
    assert train_estimator(TABLE, name, ["x"], "kind", seed=2).random_state == 2


@pytest.mark.parametrize("name", [BOOSTING, "sklearn.ensemble.RandomForestRegressor"])
def test_equal_inputs_give_equal_bytes(name: str) -> None:
    sizes = {"max_iter": 5} if name == BOOSTING else {"n_estimators": 5}
    models = [train_estimator(TABLE, name, ["x", "word"], "y", sizes, texts="one-hot", seed=3) for _ in range(2)]
    assert digest(models[0]) == digest(models[1])


def test_the_cores_of_the_machine_make_no_difference() -> None:
    digests = set()
    for cores in (1, 2, 3):
        with threadpool_limits(limits=cores):
            digests.add(digest(train_estimator(TABLE, BOOSTING, ["x"], "y", {"max_iter": 3})))
    assert len(digests) == 1
    assert digest(train_estimator(TABLE, BOOSTING, ["x"], "y", {"max_iter": 3}, threads=1)) in digests


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        (
            "sklearn.ensemble.RandomForrestRegressor",
            "no classifier or regressor",
            "sklearn.ensemble.RandomForestRegressor",
        ),
        ("sklearn.tree.RandomForestRegressor", "no classifier or regressor", "sklearn.ensemble.RandomForestRegressor"),
        ("sklearn.preprocessing.StandardScaler", "no classifier or regressor", ""),
        ("RandomForestRegressor", "is no estimator of scikit-learn", "step of your own"),
        ("os.system", "is no estimator of scikit-learn", "step of your own"),
    ],
)
def test_an_estimator_that_there_is_not(name: str, words: str, hint: str) -> None:
    with pytest.raises(EstimatorError, match=words) as caught:
        train_estimator(TABLE, name, ["x"], "y")
    assert name in caught.value.message
    assert hint in caught.value.hint


def test_a_parameter_that_there_is_not() -> None:
    with pytest.raises(EstimatorError, match="Ridge has no parameter 'alfa'") as caught:
        train_estimator(TABLE, "sklearn.linear_model.Ridge", ["x"], "y", {"alfa": 1.0})
    assert caught.value.hint == "did you mean 'alpha'?"


def test_a_value_that_the_estimator_refuses() -> None:
    with pytest.raises(EstimatorError, match="Ridge could not be trained: The 'alpha' parameter"):
        train_estimator(TABLE, "sklearn.linear_model.Ridge", ["x"], "y", {"alpha": -1.0})


def test_texts_for_an_estimator_that_takes_none() -> None:
    with pytest.raises(EstimatorError, match="LinearRegression could not be trained") as caught:
        train_estimator(TABLE, "sklearn.linear_model.LinearRegression", ["x", "word"], "y")
    assert "one-hot" in caught.value.hint


def test_columns_that_cannot_be_learned_from() -> None:
    with pytest.raises(TableError, match=r"column 'at' is of type timestamp\[s\], which estimators cannot learn from"):
        train_estimator(TABLE, BOOSTING, ["at"], "y")
    with pytest.raises(TableError, match="the table has no column 'z'"):
        train_estimator(TABLE, BOOSTING, ["x"], "z")
    with pytest.raises(TableError, match="column 'count' is null in 30 of 300 rows"):
        train_estimator(TABLE, BOOSTING, ["x"], "count")
    with pytest.raises(EstimatorError, match="the target 'y' is among the features"):
        train_estimator(TABLE, BOOSTING, ["x", "y"], "y")
