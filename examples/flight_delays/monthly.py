"""The mean delay of each month, from a dataset that grows by a file a month; the result is a dataset, too."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pipelinekit_steps.tables import read_csv

from pipelinekit import File, dataset, pipeline, step


@step
def delays_of_month(flights: File) -> pa.Table:
    """One row: the month, its flights, and how late they arrived on average."""
    table = read_csv(flights, columns=["month", "arr_delay"], null_values=["NA"])
    mean = pc.mean(table["arr_delay"]).as_py()
    return pa.table({"month": [table["month"][0].as_py()], "flights": [table.num_rows], "mean_delay": [mean]})


@step(register="monthly_delays")
def all_months(months: list[pa.Table]) -> pa.Table:
    """All months in one table."""
    return pa.concat_tables(months)


@pipeline
def monthly(flights: list[File] = dataset("flights").files) -> pa.Table:
    """One step for each file of the dataset, and one that joins what they gave."""
    return all_months(delays_of_month.map(flights))
