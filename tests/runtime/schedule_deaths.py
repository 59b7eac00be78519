"""A ticker that dies before or after one of the effects that it makes durable."""

from contextlib import contextmanager

from pipelinekit.testing.schedules import MemoryTickers

EFFECTS = {"change", "decide", "settle", "submit", "cancel", "failed", "take", "renew"}


class Crash(BaseException):
    """The ticker dies here."""


class Watched:
    """A port that says what is called."""

    def __init__(self, port, call):
        self._port, self._call = port, call

    def __getattr__(self, name):
        method = getattr(self._port, name)
        return lambda *args, **options: self._call(name, lambda: method(*args, **options))


class Effects:
    """Dies before or after the n-th effect."""

    def __init__(self, nth, after):
        self.left, self.after = nth, after

    def call(self, name, act):
        return self.effect(act) if name in EFFECTS else act()

    def effect(self, act):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Crash
        result = act()
        if self.left == 0:
            raise Crash
        return result

    @contextmanager
    def batch(self, batch):
        with batch():
            yield
            self.effect(lambda: None)  # all was written, nothing is committed
        self.effect(lambda: None)


def watched_ticker(site, effects, owner):
    return site.new_ticker(
        owner,
        records=Watched(site.records, effects.call),
        launcher=Watched(site.launcher, effects.call),
        notifier=Watched(site.notifier, effects.call),
        lease=Watched(MemoryTickers(set()), effects.call),
        batch=lambda: effects.batch(site.batch),
    )
