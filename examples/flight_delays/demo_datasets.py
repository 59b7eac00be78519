"""Registers eleven months, runs the pipeline, registers the twelfth, runs it again: one new month, one new step."""

from __future__ import annotations

from pathlib import Path

from get_data import HERE, MONTHS, month_name, write_data
from monthly import monthly

from pipelinekit import Dataset, Workspace


def main() -> None:
    """Go through it."""
    write_data(HERE / "data")
    workspace = Workspace.open(HERE)
    for count in (11, 12):
        paths = [str(Path(HERE, "data", month_name(month))) for month in list(MONTHS)[:count]]
        flights = workspace.datasets.register(
            "flights", Dataset.file(paths), create_new_version=True, exist_ok=True, description=f"{count} months"
        )
        run = workspace.submit(monthly, parameters={"flights": flights.files}).wait()
        executed = [step.name for step in run.steps if step.status == "Completed"]
        print(f"flights@{flights.version}: executed {', '.join(executed) or 'nothing'}")
    delays = workspace.datasets.get("monthly_delays")
    print(f"{delays.record.label}, made by step {delays.record.step} of run {delays.record.run}:")
    print(delays.filter(("mean_delay", ">", 10)).to_pandas().to_string(index=False))


if __name__ == "__main__":
    main()
