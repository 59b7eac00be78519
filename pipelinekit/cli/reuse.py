"""`pipelinekit reuse`: what reuse saved, why steps ran, and results that shall not be reused any more."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.cli.times import parse_when
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.steps import parse_duration
from pipelinekit.domain.texts import counted, seconds_text
from pipelinekit.workspace.reuse import Account, Criteria, ReuseStatistics, statistics

BAR = 30  # characters of the longest bar
RUNS = 5  # newest runs that are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `reuse`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=False))


def _stats_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since",
        type=parse_when,
        default="12w",
        metavar="WHEN",
        help="runs since then: days or weeks back such as 30d or 12w (the default), or a date such as 2026-01-31",
    )


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


# -- invalidate --------------------------------------------------------------------------------------------------------


def _invalidate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--step", default="", metavar="PATTERN", help="results of steps whose names match")
    parser.add_argument("--pipeline", default="", metavar="PATTERN", help="results of pipelines whose names match")
    parser.add_argument("--run", default="", help="results that this run made")
    parser.add_argument("--older-than", default="", metavar="AGE", help="results older than this, such as 12h or 7d")
    parser.add_argument("--cause", default="", help="results of steps that ran for this cause, such as package or code")
    parser.add_argument(
        "--why", default="it was invalidated by hand", help="a text that is told when the step runs again"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say which")


def _invalidate(arguments: argparse.Namespace, services: Services) -> int:
    run = services.records.runs.get(arguments.run).id if arguments.run else ""
    before = services.clock.now() - parse_duration(arguments.older_than) if arguments.older_than else 0.0
    criteria = Criteria(arguments.step, arguments.pipeline, run, before, arguments.cause)
    found = services.invalidate(criteria, arguments.why, dry_run=arguments.dry_run)
    if arguments.json:
        print_json({"dry_run": arguments.dry_run, "results": [asdict(kept) for kept in found]})
        return 0
    if found:
        rows = [(kept.step, kept.pipeline, kept.run, time_text(kept.created_at)) for kept in found]
        print(table(rows, ("step", "pipeline", "run", "made")) + "\n")
    words = "would no longer be reused" if arguments.dry_run else "will no longer be reused"
    print(f"{counted(len(found), 'result')} {words}")
    return 0


VERBS: dict[str, Verb] = {
    "invalidate": ("make results unusable, so that their steps run again", _invalidate_arguments, _invalidate),
    "stats": ("what reuse saved by run and by week, and why steps ran", _stats_arguments, _stats),
}
