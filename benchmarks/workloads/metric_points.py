"""A million points of one series: told in lists and one by one, and drawn."""

import json
import os
import sys
import time
from pathlib import Path

from pipelinekit import Workspace
from pipelinekit.domain.metrics import downsample

LIST = 1_000
DRAWN = 2_000
count, folder = int(sys.argv[1]), Path(sys.argv[2])
os.chdir(folder)
workspace = Workspace.open(folder)
values = [1.0 / (1 + number) for number in range(count)]


def told(how):
    """CPU seconds until all points are recorded, and the run."""
    began = time.process_time()
    with workspace.experiments.get("points").start_run() as run:
        how(run)
    return time.process_time() - began, workspace.runs.get(run.id)


def in_lists(run):
    for begin in range(0, count, LIST):
        run.log_list("loss", values[begin : begin + LIST], range(begin, begin + LIST))


def one_by_one(run):
    for number, value in enumerate(values):
        run.log("loss", value, step=number)


list_seconds, run = told(in_lists)
single_seconds, _ = told(one_by_one)
began = time.process_time()
series = run.series("loss")
read = time.process_time()
drawn = downsample(series, DRAWN)
ended = time.process_time()
assert len(series.values) == count
assert len(drawn.values) <= DRAWN
assert list(series.values) == values
print(
    json.dumps(
        {
            "list_seconds": list_seconds,
            "single_seconds": single_seconds,
            "read_seconds": read - began,
            "draw_seconds": ended - read,
            "bytes": (folder / ".pipelinekit" / "records.db").stat().st_size,
        }
    )
)
