"""`pipelinekit reuse`: what reuse saved, and why steps ran."""

from __future__ import annotations

import argparse
import datetime
import re
from collections.abc import Callable
from dataclasses import asdict

from pipelinekit.bootstrap import Services, open_services
from pipelinekit.cli.output import print_json, table
from pipelinekit.domain.texts import counted, seconds_text
from pipelinekit.workspace.reuse import Account, ReuseStatistics, statistics

BAR = 30  # characters of the longest bar
RUNS = 5  # newest runs that are shown
_SPAN = re.compile(r"(\d+)([dw])")
_SPAN_DAYS = {"d": 1, "w": 7}

Verb = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace, Services], int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `reuse`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (text, add, _) in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--json", action="store_true", help="one JSON document on standard output")
        add(verb)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=False))


def _stats_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since",
        type=_since,
        default="12w",
        metavar="WHEN",
        help="runs since then: days or weeks back such as 30d or 12w (the default), or a date such as 2026-01-31",
    )


def _since(text: str) -> float:
    """A time in seconds since 1970: so many days or weeks ago, or the beginning of a day."""
    today = datetime.datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if found := _SPAN.fullmatch(text):
            return (today - datetime.timedelta(days=int(found[1]) * _SPAN_DAYS[found[2]])).timestamp()
        return datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give 30d, 12w or 2026-01-31") from None


def _stats(arguments: argparse.Namespace, services: Services) -> int:
    found = statistics(services.accounts.uses(arguments.since))
    if arguments.json:
        print_json({"since": arguments.since, **asdict(found)})
    else:
        print("\n".join(_lines(found)))
    return 0


def _lines(found: ReuseStatistics) -> list[str]:
    total = found.total
    if not found.runs:
        return ["no steps ran in this time"]
    reused = f"{counted(total.reused, 'step')} reused, which saved {seconds_text(total.saved)}"
    executed = f"{total.executed} executed in {seconds_text(total.spent)}"
    lines = [
        f"{counted(len(found.runs), 'run')}: {reused}; {executed}",
        "\nsaved by week",
        *_bars(found.weeks),
        "\nnewest runs",
        table(
            [
                (f"  {run.name}", run.pipeline, str(run.reused), str(run.executed), *_seconds(run))
                for run in found.runs[:RUNS]
            ],
            ("  run", "pipeline", "reused", "executed", "saved", "spent"),
        ),
    ]
    if found.causes:
        rows = [(f"  {item.cause}", str(item.steps), seconds_text(item.seconds)) for item in found.causes]
        lines += ["\nwhy steps ran", table(rows, ("  cause", "steps", "took"))]
    return lines


def _bars(weeks: tuple[Account, ...]) -> list[str]:
    most = max(week.saved for week in weeks)
    width = max(len(seconds_text(week.saved)) for week in weeks)
    return [
        f"  {week.name}  {seconds_text(week.saved):>{width}}  {'█' * _length(week.saved, most)}".rstrip()
        for week in weeks
    ]


def _length(saved: float, most: float) -> int:
    return max(round(BAR * saved / most), 1) if saved else 0


def _seconds(account: Account) -> tuple[str, str]:
    return seconds_text(account.saved), seconds_text(account.spent)


VERBS: dict[str, Verb] = {
    "stats": ("what reuse saved by run and by week, and why steps ran", _stats_arguments, _stats),
}
