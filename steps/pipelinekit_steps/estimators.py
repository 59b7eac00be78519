"""scikit-learn behind the steps: tables to frames, estimators by name, fitting, predicting, metrics.

Only this module loads scikit-learn and pandas; the steps import it when they run. They compute with one thread unless
told otherwise: sums, and what some models note of themselves, depend on the number of threads, which by default is that
of the machine's cores; and steps that run side by side would each take all of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy
import pandas
import pyarrow as pa
import pyarrow.compute as pc
from sklearn import metrics
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import all_estimators
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipelinekit import PipelinekitError
from pipelinekit_steps.columns import TableError, is_number, is_text, require_columns


class EstimatorError(PipelinekitError):
    """An estimator that there is not, that takes other parameters, or that cannot learn from what it is given."""

    code = "estimator"


def to_frame(table: pa.Table, columns: Sequence[str]) -> pandas.DataFrame:
    """Columns of a table as scikit-learn takes them: numbers, booleans, and texts as categories in sorted order."""
    require_columns(table, columns)
    return pandas.DataFrame({name: _series(name, table[name]) for name in columns})


def _series(name: str, column: pa.ChunkedArray) -> pandas.Series:
    if is_text(column.type):
        texts = column.cast(pa.string())
        kind = pandas.CategoricalDtype(sorted(pc.unique(texts).drop_null().to_pylist()))
        return texts.to_pandas().astype(kind)
    if pa.types.is_boolean(column.type):
        return column.to_pandas() if not column.null_count else column.cast(pa.uint8()).to_pandas()
    if is_number(column.type):
        plain = column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column
        return plain.to_pandas()
    raise TableError(
        f"column {name!r} is of type {column.type}, which estimators cannot learn from",
        hint="make numbers or texts of it in a step before",
    )


def to_values(table: pa.Table, name: str) -> numpy.ndarray:
    """A column without nulls as an array. Raises TableError when there are nulls."""
    require_columns(table, [name])
    missing = pc.sum(pc.is_null(table[name], nan_is_null=True)).as_py() or 0
    if missing:
        raise TableError(
            f"column {name!r} is null in {missing} of {table.num_rows} rows",
            hint="leave those rows out in a step before",
        )
    column = table[name]
    values: numpy.ndarray = column.cast(pa.string() if is_text(column.type) else column.type).to_numpy()
    return values


# -- estimators --------------------------------------------------------------------------------------------------------


def make_estimator(name: str, parameters: dict[str, Any], seed: int) -> Any:
    """An estimator by its dotted name, such as `sklearn.linear_model.Ridge`. Raises EstimatorError."""
    kind = find_estimator(name)
    known: list[str] = kind._get_param_names()  # noqa: SLF001 - a signature is text, and would have all text count
    for given in parameters:
        if given not in known:
            near = difflib.get_close_matches(given, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(known)}"
            raise EstimatorError(f"{name} has no parameter {given!r}", hint=hint)
    seeded = {"random_state": seed} if "random_state" in known else {}
    return kind(**{**seeded, **parameters})


def find_estimator(name: str) -> type[Any]:
    """The class of a classifier or regressor of scikit-learn. Raises EstimatorError when there is none of that name.

    Classes of other libraries are refused: what is found by a name in a text is not seen by the code analysis, so
    that a new release of such a library would go unnoticed. scikit-learn's does not, because this module imports it.
    """
    kinds: dict[str, type[Any]] = dict(all_estimators(type_filter=["classifier", "regressor"]))
    module, _, class_name = name.rpartition(".")
    kind = kinds.get(class_name)
    if kind is not None and f"{kind.__module__}.".startswith(f"{module}.") and module.startswith("sklearn."):
        return kind
    if not name.startswith("sklearn."):
        raise EstimatorError(
            f"{name!r} is no estimator of scikit-learn",
            hint="train estimators of other libraries in a step of your own",
        )
    near = difflib.get_close_matches(class_name, kinds, n=1)
    public = f"{kinds[near[0]].__module__.partition('._')[0]}.{near[0]}" if near else ""
    raise EstimatorError(
        f"scikit-learn has no classifier or regressor {name!r}", hint=f"did you mean {public!r}?" if near else ""
    )


def fit(
    table: pa.Table, features: Sequence[str], target: str, estimator: Any, *, one_hot: bool, threads: int = 1
) -> Any:
    """Train an estimator; with `one_hot`, behind an encoder of the text columns. Raises EstimatorError."""
    if target in features:
        raise EstimatorError(f"the target {target!r} is among the features")
    frame = to_frame(table, features)
    values = to_values(table, target)
    texts = [name for name in features if is_text(table[name].type)]
    if one_hot and texts:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        columns = make_column_transformer(
            (encoder, texts), remainder="passthrough", verbose_feature_names_out=False, n_jobs=1
        )
        estimator = make_pipeline(columns, estimator)
    try:
        with threadpool_limits(limits=threads):
            return estimator.fit(frame, values)
    except (ValueError, TypeError) as error:
        hint = "texts='one-hot' makes numbers of text columns" if texts and not one_hot else ""
        raise EstimatorError(f"{type(estimator).__name__} could not be trained: {error}", hint=hint) from error


def feature_names(model: Any) -> list[str]:
    """The columns that a model learned from. Raises EstimatorError when it does not know."""
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if not names:
        raise EstimatorError(
            f"a {type(model).__name__} does not know the columns that it learned from",
            hint="train it on a frame with column names, as train_estimator does",
        )
    return names


def predict(model: Any, table: pa.Table, prediction: str) -> pa.Table:
    """The table with the model's predictions, and for a classifier the probability of each class, as columns."""
    frame = to_frame(table, feature_names(model))
    with threadpool_limits(limits=1):
        columns = {prediction: pa.array(model.predict(frame))}
        shares = model.predict_proba(frame) if hasattr(model, "predict_proba") else None
    if shares is not None:
        for position, value in enumerate(model.classes_):
            columns[f"{prediction}_{value}"] = pa.array(numpy.ascontiguousarray(shares[:, position]))
    for name, values in columns.items():
        if name in table.column_names:
            raise TableError(f"the table has a column {name!r} already", hint="choose another name for the prediction")
        table = table.append_column(name, values)
    return table


# -- metrics -----------------------------------------------------------------------------------------------------------


def regression_metrics(actual: numpy.ndarray, predicted: numpy.ndarray) -> dict[str, float]:
    """What `evaluate_regression` says."""
    actual, predicted = actual.astype(numpy.float64), predicted.astype(numpy.float64)
    baseline = numpy.full_like(actual, numpy.mean(actual))
    return {
        "rows": float(len(actual)),
        "mean_absolute_error": float(metrics.mean_absolute_error(actual, predicted)),
        "median_absolute_error": float(metrics.median_absolute_error(actual, predicted)),
        "root_mean_squared_error": float(numpy.sqrt(metrics.mean_squared_error(actual, predicted))),
        "r2": float(metrics.r2_score(actual, predicted)) if len(actual) > 1 else 0.0,
        "mean_error": float(numpy.mean(predicted - actual)),
        "baseline_mean_absolute_error": float(metrics.mean_absolute_error(actual, baseline)),
    }


def classification_metrics(
    actual: numpy.ndarray, predicted: numpy.ndarray, shares: dict[str, numpy.ndarray]
) -> dict[str, float]:
    """What `evaluate_classification` says; `shares` has the probability of each class by its name in words."""
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        actual, predicted, average="macro", zero_division=0
    )
    _, counts = numpy.unique(actual, return_counts=True)
    found = {
        "rows": float(len(actual)),
        "accuracy": float(metrics.accuracy_score(actual, predicted)),
        "balanced_accuracy": float(metrics.recall_score(actual, predicted, average="macro", zero_division=0)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "baseline_accuracy": float(counts.max() / len(actual)),
    }
    names = sorted(shares)
    texts = numpy.array([str(value) for value in actual])
    if len(names) > 1 and set(texts) == set(names):
        table = numpy.column_stack([shares[name] for name in names])
        scores = table[:, 1] if len(names) == 2 else table
        found["log_loss"] = float(metrics.log_loss(texts, table, labels=names))
        found["roc_auc"] = float(metrics.roc_auc_score(texts, scores, multi_class="ovr", labels=names))
    return found


def importance(
    model: Any, table: pa.Table, target: str, rows: int, repeats: int, seed: int, scoring: str | None
) -> pa.Table:
    """What `measure_importance` says."""
    names = feature_names(model)
    if 0 < rows < table.num_rows:
        chosen = numpy.random.default_rng(seed).permutation(table.num_rows)[:rows]
        table = table.take(pa.array(numpy.sort(chosen)))
    frame, values = to_frame(table, names), to_values(table, target)
    with threadpool_limits(limits=1):
        result = permutation_importance(
            model, frame, values, n_repeats=repeats, random_state=seed, scoring=scoring, n_jobs=1
        )
    found = pa.table({"feature": names, "importance": result.importances_mean, "deviation": result.importances_std})
    return found.sort_by([("importance", "descending"), ("feature", "ascending")])
