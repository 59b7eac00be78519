"""Training scikit-learn estimators."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pyarrow as pa

from pipelinekit import Format, step


@step
def train_estimator(
    table: pa.Table,
    estimator: str,
    features: list[str],
    target: str,
    parameters: dict[str, Any] | None = None,
    texts: Literal["category", "one-hot"] = "category",
    seed: int = 0,
    threads: int = 1,
) -> Annotated[Any, Format("joblib")]:
    """Train a classifier or regressor of scikit-learn on columns of a table.

    `estimator` is the dotted name of its class, as in `sklearn.ensemble.HistGradientBoostingRegressor`, `parameters`
    are what its constructor takes. `features` are columns of numbers, booleans or texts, and `target` is the column
    to learn, which may hold no nulls. `seed` becomes the estimator's `random_state`, if it has one that `parameters`
    do not give.

    Text columns are given to the estimator as pandas categories, which those that know categories use as they are
    (`HistGradientBoosting…` with `categorical_features="from_dtype"`), or with `texts="one-hot"` as one column of
    zeros and ones for each text, made by an encoder that becomes part of the model.

    `threads` is how many threads the estimator's numerical libraries may use (processes and threads of its own it
    takes by its parameter `n_jobs`). The number is an input because the model's bytes may depend on it.

    Gives the trained estimator, stored by joblib, which runs code when it is read: read models of your own only.

    Raises EstimatorError for an estimator or parameter that there is not, or when it cannot be trained, and
    TableError when a column is missing, of a type that nothing can be learned from, or, if it is the target, holds
    nulls.
    """
    from pipelinekit_steps.estimators import fit, make_estimator  # noqa: PLC0415 - loads scikit-learn

    learner = make_estimator(estimator, parameters or {}, seed)
    return fit(table, features, target, learner, one_hot=texts == "one-hot", threads=threads)
