"""Something large from one step to the next."""

import os
from pathlib import Path

import bodies
import numpy
import pyarrow

from pipelinekit import Folder, pipeline, step

MEGABYTE = 1_000_000


@step
def make_table() -> pyarrow.Table:
    rows = 500 * MEGABYTE // 40
    return pyarrow.table({f"c{i}": numpy.arange(rows, dtype="f8") + i for i in range(5)})


@step
def count_rows(table: pyarrow.Table) -> int:
    return table.num_rows


@step
def make_array() -> numpy.ndarray:
    return numpy.arange(2000 * MEGABYTE // 8, dtype="f8")


@step
def sum_some(array: numpy.ndarray) -> float:
    return float(array[::4096].sum())


@step
def make_folder(change: int) -> Folder:
    folder = Path("made")
    folder.mkdir()
    for i in range(1000):
        seed = bodies.extras(1000, change)[i] + i
        (folder / f"{i:04}.bin").write_bytes(seed.to_bytes(8, "big") * (MEGABYTE // 8))
    return Folder(folder)


@step
def count_files(folder: Folder) -> int:
    return len(os.listdir(folder))


@step
def nothing() -> int:
    return 1


@pipeline
def table():
    return count_rows(make_table())


@pipeline
def array():
    return sum_some(make_array())


@pipeline
def folder(change: int = 0):
    return count_files(make_folder(change))


@pipeline
def empty():
    return nothing()
