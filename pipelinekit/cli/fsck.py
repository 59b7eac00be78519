"""`pipelinekit fsck`: checks of records and store, and their repair."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from pipelinekit.cli.output import print_json
from pipelinekit.cli.servers import open_services
from pipelinekit.domain.texts import counted, size_text
from pipelinekit.domain.upkeep import StoreFault
from pipelinekit.wire.upkeep import faults_document

EVERY_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `fsck`."""
    parser.add_argument("--quick", action="store_true", help="look whether blobs are there, without reading them")
    parser.add_argument(
        "--repair",
        action="store_true",
        help="set damaged blobs aside, no longer reuse what needs them, end claims that nobody holds",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Check, and print what is wrong; 0 when nothing is, or all of it was repaired."""
    services = open_services(create=False)
    shown = _Progress() if sys.stderr.isatty() and not arguments.json else None
    found = services.check(quick=arguments.quick, repair=arguments.repair, progress=shown)
    if shown:
        shown.clear()
    document = faults_document(found, repaired=arguments.repair)
    if arguments.json:
        print_json(document)
    else:
        print("\n".join(_lines(found, repaired=arguments.repair)))
    return 0 if document["clean"] else 1


def _lines(found: Sequence[StoreFault], *, repaired: bool) -> list[str]:
    lines = []
    for item in found:
        lines.append(f"{item.rule}  {item.object}: {item.message}" + ("  (no fault)" if item.note else ""))
        if item.repair and repaired:
            lines.append(f"     repaired: {item.repair}")
        elif item.repair:
            lines.append(f"     --repair: {item.repair}")
        elif item.hint:
            lines.append(f"     {item.hint}")
    faults = [item for item in found if not item.note]
    if not faults:
        return [*lines, "no faults"]
    mended = sum(bool(item.repair) for item in faults)
    ending = f"{counted(mended, 'fault')} {'repaired' if repaired else 'can be repaired'}"
    return [*lines, f"{counted(len(faults), 'fault')}, {ending}"]


class _Progress:
    """One line on standard error that is written over."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def __call__(self, number: int, read: int, count: int) -> None:
        if time.monotonic() - self._at > EVERY_SECONDS:
            self._at = time.monotonic()
            sys.stderr.write(f"\r\033[Kread {number} of {counted(count, 'blob')}, {size_text(read)}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()
