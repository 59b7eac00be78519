"""The command line in a process that stops itself at one point: `stopping.py NTH WHEN LEASE words of the command`.

NTH counts what the driver makes durable: blobs, documents, claims, records, commits, removals; 0 only counts. WHEN is
`before` or `after` the effect. LEASE is the length of its lease in seconds. The last line on standard error is how many
effects there were. Whoever started it kills it, or lets it go on with SIGCONT.
"""

import os
import signal
import sys
from contextlib import contextmanager
from functools import cached_property

from pipelinekit.bootstrap import Services
from pipelinekit.cli.main import main
from pipelinekit.compute import in_process
from pipelinekit.runtime.records import Records
from pipelinekit.storage import leases


class Effects:
    """Counts effects, and stops this process at the n-th."""

    def __init__(self, nth, when):
        self.nth, self.when, self.count = nth, when, 0

    def perform(self, effect):
        self.count += 1
        here = self.count == self.nth
        if here and self.when == "before":
            os.kill(os.getpid(), signal.SIGSTOP)
        result = effect()
        if here and self.when == "after":
            os.kill(os.getpid(), signal.SIGSTOP)
        return result

    @contextmanager
    def batch(self, transaction):
        with transaction():
            yield
        self.perform(lambda: None)


class Counted:
    """A port whose methods of these names are effects."""

    def __init__(self, port, effects, *names):
        self._port, self._effects, self._names = port, effects, names

    def __getattr__(self, name):
        method = getattr(self._port, name)
        if name not in self._names:
            return method
        return lambda *args, **options: self._effects.perform(lambda: method(*args, **options))


def instrument(effects):
    """From now on the services of a workspace count what they do.

    Steps in this process are executed in turns as long as can be, so that the count does not depend on their speed.
    """
    in_process.TURN_SECONDS = 60.0
    plain, blobs = Services.records.func, Services.blobs.func

    def records(services):
        made = plain(services)
        return Records(
            Counted(made.runs, effects, "create"),
            Counted(made.driving, effects, "take", "record", "finish"),
            Counted(made.reuse, effects, "claim", "release", "observe"),
            Counted(made.carrying, effects, "carry"),
            Counted(made.documents, effects, "put"),
            made.logs,
            made.facts,
            lambda: effects.batch(made.batch),
            made.lock,
        )

    for name, made in {
        "records": records,
        "blobs": lambda services: Counted(blobs(services), effects, "put", "put_file", "put_files"),
    }.items():
        found = cached_property(made)
        found.__set_name__(Services, name)
        setattr(Services, name, found)


if __name__ == "__main__":
    effects = Effects(int(sys.argv[1]), sys.argv[2])
    leases.LEASE_SECONDS = float(sys.argv[3])
    instrument(effects)
    code = main(sys.argv[4:])
    print(effects.count, file=sys.stderr)
    sys.exit(code)
