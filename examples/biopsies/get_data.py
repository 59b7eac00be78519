"""Write the data of the example into `data/`: three files of measurements, and one of diagnoses.

It comes with scikit-learn, whose file is read without importing it. Patients have no numbers there, and all are in
one file: numbers and the division into three files are made here, in the order of the rows.
"""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path

from features import FEATURES

HERE = Path(__file__).parent
PARTS = ("2021", "2022", "2023")
FIRST_NUMBER = 84001
DIAGNOSES = ("malignant", "benign")


def main() -> None:
    """Write the files."""
    written = write_data(HERE / "data")
    print("\n".join(f"wrote {path.relative_to(HERE)}: {rows} rows" for path, rows in written.items()))


def write_data(folder: Path) -> dict[Path, int]:
    """Write the files; how many rows each has."""
    rows = read_rows()
    numbered = [(f"P{FIRST_NUMBER + place}", row) for place, row in enumerate(rows)]
    written = {}
    size = -(-len(rows) // len(PARTS))
    for place, part in enumerate(PARTS):
        cells = [(number, *row[:-1]) for number, row in numbered[place * size : (place + 1) * size]]
        path = folder / "cells" / f"cells-{part}.csv"
        written[path] = write_table(path, ("patient", *FEATURES), cells)
    path = folder / "diagnoses.csv"
    known = [(number, DIAGNOSES[int(row[-1])]) for number, row in numbered]
    written[path] = write_table(path, ("patient", "diagnosis"), known)
    return written


def read_rows() -> list[list[str]]:
    """The rows as they are in scikit-learn: thirty measurements, and the class."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise SystemExit("the data comes with scikit-learn: pip install 'pipelinekit[steps,environments,secrets]'")
    with (Path(spec.origin).parent / "datasets" / "data" / "breast_cancer.csv").open(newline="") as file:
        _, *rows = csv.reader(file)
    return rows


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a file of CSV; how many rows it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([header, *written])
    return len(written)


if __name__ == "__main__":
    main()
