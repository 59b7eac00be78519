"""A small process that ends step processes whose supervisor has died, however it died.

It reads `+ID` and `-ID` lines (process groups) from its standard input. When the input ends, every group that is still
listed is killed. Run by its file, with no site packages, so that it starts at once and costs little.
"""

import os
import signal
import sys


def main() -> None:
    """Keep the list until the input ends, then kill what is on it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main()
