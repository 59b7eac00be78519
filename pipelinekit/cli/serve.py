"""`pipelinekit serve`: drive the runs of a workspace as they are queued, and take up those whose drivers died."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from types import FrameType

from pipelinekit.bootstrap import open_services
from pipelinekit.cli.output import time_text
from pipelinekit.errors import UsageError

RUNS_AT_ONCE, WARM, DRAIN_SECONDS = 4, 1, 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `serve`."""
    parser.add_argument(
        "--runs", type=int, default=RUNS_AT_ONCE, metavar="N", help=f"drive so many runs at once ({RUNS_AT_ONCE})"
    )
    parser.add_argument(
        "--warm", type=int, default=WARM, metavar="N", help=f"keep so many processes ready for runs to come ({WARM})"
    )
    parser.add_argument(
        "--drain",
        type=float,
        default=DRAIN_SECONDS,
        metavar="SECONDS",
        help=f"when it is to end, wait so long for runs ({DRAIN_SECONDS:g}); then their own processes go on with them",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes: 0."""
    if arguments.runs < 1 or arguments.warm < 0 or not arguments.drain >= 0:
        words = f"a server cannot have --runs {arguments.runs} --warm {arguments.warm} --drain {arguments.drain:g}"
        raise UsageError(words, hint="--runs is 1 or more, --warm and --drain are 0 or more")
    services = open_services()
    ended, hurried = threading.Event(), threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        (hurried if ended.is_set() else ended).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    _tell(f"serving {services.home.parent}: {arguments.runs} runs at once; ctrl-C to end")
    services.serve(arguments.runs, arguments.warm, ended, hurried, arguments.drain, _tell)
    _tell("ended")
    return 0


def _tell(words: str) -> None:
    print(f"{time_text(time.time())}  {words}", file=sys.stderr, flush=True)
