"""`pipelinekit gc`: clean-up of the workspace; without options only of what nothing refers to."""

from __future__ import annotations

import argparse

from pipelinekit.cli.output import print_json, table
from pipelinekit.cli.servers import open_services
from pipelinekit.domain.steps import parse_size
from pipelinekit.domain.texts import counted, seconds_text, size_text
from pipelinekit.domain.upkeep import GRACE_SECONDS, SHORTEST_GRACE, Collection, Freed, RetentionPolicy
from pipelinekit.errors import UsageError
from pipelinekit.wire.upkeep import clean_up_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gc`."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would go, and what it cost to compute")
    parser.add_argument("--keep-days", type=_number, metavar="DAYS", help="remove runs that are older")
    parser.add_argument(
        "--keep-runs",
        type=int,
        metavar="COUNT",
        help="remove runs beyond the newest of each pipeline; with --keep-days, what either keeps is kept",
    )
    parser.add_argument(
        "--unused-days",
        type=_number,
        metavar="DAYS",
        help="give up reusable results that nobody has used for so long, and no kept run shows",
    )
    parser.add_argument(
        "--max-size",
        type=_size,
        metavar="SIZE",
        help="give up reusable results that no kept run shows until the store is no larger, such as 20GB: first what "
        "is cheap to make again for its size and has not been used for long",
    )
    parser.add_argument(
        "--grace",
        type=_number,
        default=GRACE_SECONDS / 3600,
        metavar="HOURS",
        help="keep files that were used so lately, whatever refers to them (24; at least 1)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Clean up, and say what went."""
    policy = _policy(arguments)
    found = open_services(create=False).clean_up(policy, dry=arguments.dry_run)
    if arguments.json:
        print_json(clean_up_document(found, dry=arguments.dry_run))
    else:
        print("\n".join(_lines(found, policy, dry=arguments.dry_run)))
    return 0


def _policy(arguments: argparse.Namespace) -> RetentionPolicy:
    if arguments.keep_runs is not None and arguments.keep_runs < 0:
        raise UsageError("--keep-runs must not be negative")
    if arguments.grace * 3600 < SHORTEST_GRACE:
        raise UsageError(
            f"--grace must be at least {SHORTEST_GRACE / 3600:g} h",
            hint="a run that is being submitted has stored its inputs, and is not recorded yet",
        )
    return RetentionPolicy(
        arguments.keep_days, arguments.keep_runs, arguments.unused_days, arguments.max_size, arguments.grace * 3600
    )


def _lines(found: Collection, policy: RetentionPolicy, *, dry: bool) -> list[str]:
    rows = [_row(item) for item in found.freed if item.count]
    lines = ["would remove" if dry else "removed", table(rows)] if rows else ["nothing to remove"]
    lines.append(f"kept: {counted(found.kept.count, 'blob')}, {size_text(found.kept.size)}")
    if found.young.count:
        hours = f"{policy.grace / 3600:g} h"
        lines.append(
            f"kept for now: {counted(found.young.count, 'blob')}, {size_text(found.young.size)}, "
            f"which nothing refers to, but used in the last {hours} or since a run that is open began"
        )
    if found.waits_for:
        lines.append(f"run {found.waits_for} has been open for long and keeps what is younger; cancel it if it hangs")
    if found.over:
        lines.append(
            f"the store is {size_text(found.over)} over its budget: the rest belongs to runs that are kept; "
            "let some go with --keep-days or --keep-runs"
        )
    return lines


def _row(item: Freed) -> tuple[str, str, str, str]:
    cost = f"{seconds_text(item.seconds)} to make again" if item.seconds else ""
    return f"  {item.kind}", str(item.count), size_text(item.size) if item.size else "", cost


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of zero or more")
    return value


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except UsageError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 20GB, 512MiB or 1000000") from None
