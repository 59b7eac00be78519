"""Real processes and real full disks for tests: scripts in processes of their own, and which files this process opens."""

import ctypes
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager

import pytest

PATIENCE = 60  # seconds that a child may take before the test fails


class Child:
    """A Python script in a process of its own, spoken to by lines."""

    def __init__(self, script, *words, prefix=(), **options):
        command = [*prefix, sys.executable, "-P", "-c", textwrap.dedent(script), *map(str, words)]
        self.process = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )  # nothing is read ahead: `communicate` would not look for it

    def says(self):
        """The next line that it writes; a child that is silent for long is ended, and its line is then empty."""
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline().decode().rstrip("\n")
        finally:
            timer.cancel()

    def tell(self, line=""):
        """Send it a line."""
        self.process.stdin.write(line.encode() + b"\n")

    def end(self, code=0, seconds=PATIENCE):
        """Wait for its end, which must be with this code; the rest of what it wrote."""
        out, err = (text.decode() for text in self.process.communicate(timeout=seconds))
        assert self.process.returncode == code, f"exit code {self.process.returncode}\n{out}\n{err}"
        return out

    def kill(self):
        """End it as a power cut would."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def children(script, *words, count):
    """So many children of one script that have each said `ready`; what is left of them is killed at the end."""
    started = [Child(script, *words, number) for number in range(count)]
    try:
        for child in started:
            assert child.says() == "ready", child.process.communicate()[1].decode()
        yield started
    finally:
        for child in started:
            if child.process.poll() is None:
                child.kill()


def small_disk(folder, size):
    """Words before a command, so that `folder` is a disk of that size for it; the test is skipped where that fails."""
    prefix = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size={size} none "{folder}" && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    return prefix


def obey_permissions():
    """For `preexec_fn`: file permissions count for what is executed next, even for root."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (1, 2):  # may read and write anything; may read and search anything
            libc.prctl(24, capability, 0, 0, 0)


_watched = []


def _note(event, arguments):
    if event == "open" and _watched:
        for seen in _watched:
            seen.append(os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes) else str(arguments[0]))


sys.addaudithook(_note)


@contextmanager
def opened():
    """The paths that this process opens meanwhile."""
    seen = []
    _watched.append(seen)
    try:
        yield seen
    finally:
        _watched.remove(seen)
