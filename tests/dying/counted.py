"""A process of ours dies before or after its n-th effect: one of the kind that a file in the folder DYING_AT is named by.

The file `drive`, `keep` or `node` says `NTH before` or `NTH after`: of the effects since it was written. Whoever dies
renames it to `drive.died`, so that nobody dies over it again. Effects are: of a driver and a keeper what they commit, and
blobs that they store; of a node the bundles that it takes, each attempt, and each answer. (What a step's process stores is
cut off at each step of each blob elsewhere.)
"""

import os
import signal
import sys
from pathlib import Path

WORDS = {"drive": "drive", "keep": "keep", "spawn_main": "node"}
AGAIN = 1.0  # seconds after which a server offers a run once more that nobody has taken
BLOBS = ("put", "put_file", "put_files")


def kind_of(line):
    """What this process is, by its command line; None for any other."""
    return next((kind for word, kind in WORDS.items() if word in line), None)


class Counted:
    """Counts the effects of this process."""

    def __init__(self, folder, kind):
        self.file, self.count, self.nested, self.text = folder / kind, 0, False, ""

    def around(self, effect):
        """Do something that counts, and die before or after it, if it is the one."""
        if self.nested:
            return effect()
        number, _, side = self.asked()
        self.count += 1
        self.nested = True
        try:
            if number == str(self.count) and side == "before":
                self.die()
            result = effect()
            if number == str(self.count) and side == "after":
                self.die()
            return result
        finally:
            self.nested = False

    def asked(self):
        try:
            text = self.file.read_text()
        except FileNotFoundError:
            return "", "", ""
        if text != self.text:
            self.text, self.count = text, 0
        return text.partition(" ")

    def die(self):
        try:
            self.file.rename(self.file.with_suffix(".died"))
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()  # not one instruction more

    def wrap(self, kind, name):
        """Have a method count."""
        plain = getattr(kind, name)
        setattr(kind, name, lambda *args, **options: self.around(lambda: plain(*args, **options)))


def instrument(folder):
    """From now on this process dies where it is told."""
    kind = kind_of(" ".join(sys.orig_argv))
    if "serve" in sys.orig_argv:
        from pipelinekit.storage import queueing, recovery

        recovery.TOLD_SECONDS = queueing.TOLD_SECONDS = AGAIN
    if kind is None:
        return
    counted = Counted(folder, kind)
    if kind == "node":
        from pipelinekit.compute.supervisor import Supervisor

        counted.wrap(Supervisor, "_run")
        plain = Supervisor.run_bundle

        def run_bundle(*args, **options):
            counted.around(lambda: None)
            answer = plain(*args, **options)
            counted.around(lambda: None)
            return answer

        Supervisor.run_bundle = run_bundle
        return
    from pipelinekit.storage.blobs import FolderBlobs
    from pipelinekit.storage.sqlite import SQLiteDatabase

    for name in BLOBS:
        counted.wrap(FolderBlobs, name)
    end = SQLiteDatabase._end

    def ending(self, how):
        if self._begun and how == "commit":
            return counted.around(lambda: end(self, how))
        return end(self, how)

    SQLiteDatabase._end = ending


instrument(Path(os.environ["DYING_AT"]))
