"""The step that trains, and what it tells of its run: curves, tables, a matrix, a picture, and a child run a fold."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy
import pyarrow as pa

from pipelinekit import Format, get_context, step

POSITIVE = "malignant"
LABELS = ["benign", POSITIVE]


class Trained(NamedTuple):
    """A model, and how good it is on rows that it has not seen."""

    model: Annotated[Any, Format("joblib")]
    metrics: dict[str, float]


@step
def train(
    train_rows: pa.Table, test_rows: pa.Table, features: list[str], learning_rate: float, rounds: int, folds: int
) -> Trained:
    """Train boosted trees, and log how the loss falls; try them on each fold of the training rows as well."""
    run = get_context()
    inputs, targets = to_arrays(train_rows, features)
    for fold in range(folds):
        held_out = numpy.arange(len(targets)) % folds == fold
        with run.child_run(f"fold {fold + 1}", tags={"fold": str(fold + 1)}) as child:
            model = fit(inputs[~held_out], targets[~held_out], learning_rate, rounds)
            child.log_list("loss", losses(model, inputs[held_out], targets[held_out]), range(1, rounds + 1))
            child.log("accuracy", float(model.score(inputs[held_out], targets[held_out])))

    model = fit(inputs, targets, learning_rate, rounds)
    unseen, actual = to_arrays(test_rows, features)
    run.log_list("loss on training rows", losses(model, inputs, targets), range(1, rounds + 1))
    falling = losses(model, unseen, actual)
    run.log_list("loss on test rows", falling, range(1, rounds + 1))
    certainty = model.predict_proba(unseen)[:, 1]
    matrix = [[int(((certainty > 0.5) == told)[actual == truth].sum()) for told in (False, True)] for truth in (0, 1)]
    run.log_confusion_matrix("diagnoses", {"class_labels": LABELS, "matrix": matrix})
    run.log_table("importance", importance(model, features))
    run.log_image("certainty", figure=draw_certainty(certainty, actual))
    right = matrix[0][0] + matrix[1][1]
    metrics = {"loss": falling[-1], "accuracy": right / len(actual), "missed": matrix[1][0]}
    for name, value in metrics.items():
        run.parent.log(name, value)
    return Trained(model, metrics)


def to_arrays(rows: pa.Table, features: list[str]) -> tuple[Any, Any]:
    """The features of rows as one array, and whether each is malignant."""
    inputs = numpy.column_stack([rows[name].to_numpy() for name in features])
    return inputs, numpy.array([diagnosis == POSITIVE for diagnosis in rows["diagnosis"].to_pylist()])


def fit(inputs: Any, targets: Any, learning_rate: float, rounds: int) -> Any:
    """A trained model."""
    from sklearn.ensemble import GradientBoostingClassifier  # noqa: PLC0415 - only where it is used

    model = GradientBoostingClassifier(learning_rate=learning_rate, n_estimators=rounds, max_depth=2, random_state=7)
    return model.fit(inputs, targets)


def losses(model: Any, inputs: Any, targets: Any) -> list[float]:
    """The log loss after each round."""
    certainty = numpy.array([shares[:, 1] for shares in model.staged_predict_proba(inputs)])
    right = numpy.where(targets, certainty, 1 - certainty)
    return [float(loss) for loss in -numpy.log(numpy.maximum(right, 1e-15)).mean(axis=1)]


def importance(model: Any, features: list[str]) -> dict[str, list[Any]]:
    """Columns: features and their shares, the largest first."""
    order = numpy.argsort(-model.feature_importances_)
    return {
        "feature": [features[place] for place in order],
        "share": [round(float(model.feature_importances_[place]), 4) for place in order],
    }


def draw_certainty(certainty: Any, actual: Any) -> Any:
    """How sure the model is, for samples of either kind."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only where it is used

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.hist(
        [certainty[~actual], certainty[actual]], bins=20, range=(0, 1), label=LABELS, color=["#0b6bcb", "#c2410c"]
    )
    axes.set(xlabel="predicted probability of 'malignant'", ylabel="test samples", title="How sure the model is")
    axes.legend(title="actually")
    return figure
