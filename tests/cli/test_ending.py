"""A process that waits for a signal ends when it comes, whatever it does at that moment."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading
from pipelinekit.cli.ending import Ending, on_signals
ended = Ending()
on_signals(ended.set)
other = threading.Thread(target=ended.wait)
other.start()
print("waits", flush=True)
while not ended.wait(0.0):  # begins and ends to wait all the time: where a lock would be held
    pass
assert ended.is_set() and ended.wait() and ended.wait(1.0)
other.join(10)
print("ended" if not other.is_alive() else "hangs")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_whenever_the_signal_comes(number):
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-P", "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "waits\n"
        process.send_signal(number)
        try:
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
        assert (out, process.returncode) == ("ended\n", 0)
