"""A small process that ends step processes whose supervisor has died, however it died.

It reads lines from its standard input: `+ID MARK` (a process group, and what stands in the environment of the processes
below it) and `-ID`. When the input ends, every group that is still listed is killed, with who has left it. Run by its
file, with no site packages, so that it starts at once and costs little.
"""

import os
import signal
import sys

MARK = "PIPELINEKIT_PROCESS"  # the variable that names the step process which a process is below
MOST_LOOKS = 20  # at all processes, for those that were begun meanwhile


def end_marked(marks: set[str]) -> None:
    """Kill all processes that have one of these marks, wherever they have gone: into other groups and sessions."""
    wanted = {f"{MARK}={mark}".encode() for mark in marks}
    for _ in range(MOST_LOOKS):
        found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if wanted & _environment(pid)]
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if not found:
            return


def _environment(pid: int) -> set[bytes]:
    """The variables that a process began with; none of one that has ended, or is somebody else's."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return set(stream.read().split(b"\0"))
    except OSError:
        return set()


def main() -> None:
    """Keep the list until the input ends, then kill what is on it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, str] = {}
    for line in sys.stdin:
        group, _, mark = line[1:].strip().partition(" ")
        if line[0] == "+":
            groups[int(group)] = mark
        else:
            groups.pop(int(group), None)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    if groups:
        end_marked(set(groups.values()))


if __name__ == "__main__":
    main()
