"""Arrival delays of the flights out of New York in 2013: twelve monthly files, one model, one report."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from features import FEATURES, FLIGHT_TYPES, KEY, RULES, flight_columns, plane_columns, weather_columns
from pipelinekit_steps.evaluation import evaluate_regression, measure_importance, predict_table
from pipelinekit_steps.reporting import plot_importance, plot_means, plot_predictions, write_report
from pipelinekit_steps.splitting import split_table
from pipelinekit_steps.tables import read_csv
from pipelinekit_steps.training import train_estimator
from pipelinekit_steps.validation import validate_table

from pipelinekit import File, pipeline, step

TARGET = "arr_delay"
NULLS = ["NA"]
ABOUT = """
Flights that left the three airports of New York City in 2013, and a model that tells how late they arrive from what
is known before they depart: the schedule, the calendar, the route, the plane, and the weather at the hour of
departure.

The test rows are chosen at random among all flights, so that the model has seen other flights of the same hours. It
says how well delays are explained, not how well those of a day to come would be foreseen.
"""


@step
def prepare_month(flights: File) -> pa.Table:
    """The flights of one month that arrived, with what their own rows and the calendar say."""
    columns = list(FLIGHT_TYPES)
    return flight_columns(read_csv(flights, types=FLIGHT_TYPES, columns=columns, null_values=NULLS))


@step
def join_months(months: list[pa.Table], weather: pa.Table, planes: pa.Table) -> pa.Table:
    """All months in one table, with the weather and the planes."""
    return plane_columns(weather_columns(pa.concat_tables(months), weather), planes)


@pipeline
def flight_delays(learning_rate: float = 0.1, iterations: int = 150, test_share: float = 0.2, seed: int = 7) -> Any:
    """Prepare the months, train a model of the arrival delay, and report how good it is."""
    months = prepare_month.map([File(f"data/flights-2013-{month:02}.csv") for month in range(1, 13)])
    weather = read_csv.options(name="read_weather")(File("data/weather.csv"), null_values=NULLS)
    planes = read_csv.options(name="read_planes")(File("data/planes.csv"), null_values=NULLS)
    flights = validate_table(join_months(months, weather, planes), columns=RULES, unique=KEY)
    parts = split_table(flights, test_share=test_share, seed=seed)
    model = train_estimator(
        parts.train,
        estimator="sklearn.ensemble.HistGradientBoostingRegressor",
        parameters={
            "learning_rate": learning_rate,
            "max_iter": iterations,
            "categorical_features": "from_dtype",
        },
        features=FEATURES,
        target=TARGET,
        seed=seed,
    )
    predictions = predict_table(model, parts.test)
    metrics = evaluate_regression(predictions, actual=TARGET)
    importance = measure_importance(model, parts.test, target=TARGET, rows=2000, repeats=3, seed=seed)
    delay = {"value": TARGET, "value_label": "minutes"}
    by_month = plot_means.options(name="plot_months")(flights, "month", title="Mean arrival delay by month", **delay)
    by_hour = plot_means.options(name="plot_hours")(
        flights,
        "departure_hour",
        title="Mean arrival delay by hour",
        group_label="scheduled hour of departure",
        **delay,
    )
    agreement = plot_predictions(predictions, TARGET, title="Arrival delay, predicted and actual", unit="minutes")
    ranking = plot_importance(importance, title="What the model learned from")
    report = write_report(
        "Flight delays out of New York, 2013",
        text=ABOUT,
        numbers={
            "Accuracy (delays in minutes)": metrics,
            "Parameters": {
                "learning_rate": learning_rate,
                "iterations": iterations,
                "test_share": test_share,
                "seed": seed,
            },
        },
        figures=[by_month, by_hour, agreement, ranking],
    )
    return {"model": model, "metrics": metrics, "report": report}
