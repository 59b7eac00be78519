"""Using trained estimators on tables, and measuring how good they are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipelinekit import step


@step
def predict_table(model: Any, table: pa.Table, prediction: str = "prediction") -> pa.Table:
    """The table with a column of predictions, made from the columns that the model learned from.

    A classifier that tells probabilities adds one more column for each class: `prediction_<class>`.

    Raises TableError when a column is missing or there already, and EstimatorError when the model does not know the
    names of its columns.
    """
    from pipelinekit_steps.estimators import predict  # noqa: PLC0415 - loads scikit-learn

    return predict(model, table, prediction)


@step
def evaluate_regression(table: pa.Table, actual: str, prediction: str = "prediction") -> dict[str, float]:
    """How far predicted numbers are from actual ones, two columns of a table.

    Gives `rows`, `mean_absolute_error`, `median_absolute_error`, `root_mean_squared_error`, `r2`, `mean_error` (above
    zero when predictions are too high), and `baseline_mean_absolute_error`, that of always predicting the mean.

    Raises TableError when a column is missing or holds nulls.
    """
    from pipelinekit_steps.estimators import regression_metrics, to_values  # noqa: PLC0415 - loads scikit-learn

    return regression_metrics(to_values(table, actual), to_values(table, prediction))


@step
def evaluate_classification(table: pa.Table, actual: str, prediction: str = "prediction") -> dict[str, float]:
    """How often predicted classes are the actual ones, two columns of a table.

    Gives `rows`, `accuracy`, `balanced_accuracy`, `precision`, `recall` and `f1` (each the mean over the classes),
    and `baseline_accuracy`, that of always predicting the most frequent class. With the columns `prediction_<class>`
    that `predict_table` adds, for every class that occurs, also `log_loss` and `roc_auc` (over all classes one
    against the rest).

    Raises TableError when a column is missing or holds nulls.
    """
    from pipelinekit_steps.estimators import classification_metrics, to_values  # noqa: PLC0415 - loads scikit-learn

    prefix = f"{prediction}_"
    shares = {
        name.removeprefix(prefix): table[name].to_numpy() for name in table.column_names if name.startswith(prefix)
    }
    return classification_metrics(to_values(table, actual), to_values(table, prediction), shares)


@step
def measure_importance(
    model: Any,
    table: pa.Table,
    target: str,
    rows: int = 5000,
    repeats: int = 5,
    seed: int = 0,
    scoring: str | None = None,
) -> pa.Table:
    """How much worse the model becomes when the values of one feature are shuffled (permutation importance).

    It is measured on at most `rows` rows chosen at random (0 for all), `repeats` times for each feature. `scoring` is
    a scorer of scikit-learn by name; without it, R² for regressors and accuracy for classifiers.

    Gives a table with the columns `feature`, `importance` (mean loss of score) and `deviation`, the most important
    first. Raises TableError when a column is missing or the target holds nulls.
    """
    from pipelinekit_steps.estimators import importance  # noqa: PLC0415 - loads scikit-learn

    return importance(model, table, target, rows, repeats, seed, scoring)
