"""How often something may be asked for: token buckets that take the time as an argument.

A bucket holds up to `burst` and is filled with `rate` each second. It is kept as the one time at which it will be full
again, which is all there is to know of it: a bucket that nobody asked for is full and needs not be kept.
"""

from __future__ import annotations

import math

from pipelinekit.classes import frozen, replace
from pipelinekit.errors import UsageError


@frozen
class Limit:
    """So many a second in the long run, and so many at once."""

    rate: float
    burst: float

    def __post_init__(self) -> None:
        if not (0 < self.rate < math.inf and 0 < self.burst < math.inf):
            raise UsageError(f"a limit of {self.rate:g} a second and {self.burst:g} at once cannot be", hint="both > 0")

    @property
    def window(self) -> float:
        """Seconds in which an empty bucket is filled."""
        return self.burst / self.rate


TRIGGER = Limit(20, 100)
READ = Limit(100, 200)


@frozen
class Bucket:
    """A bucket, which is full from `full_at` on (seconds since 1970). A new one is full."""

    limit: Limit
    full_at: float = 0.0

    def is_full(self, now: float) -> bool:
        """Whether it is as good as new."""
        return self.full_at <= now

    def level(self, now: float) -> float:
        """How much is in it."""
        return min(self.limit.burst, max(self.limit.burst - (self.full_at - now) * self.limit.rate, 0.0))

    def take(self, now: float, amount: float = 1.0) -> tuple[Bucket, float]:
        """Take so much out: the bucket as it is then, and when that is, or would be, possible.

        Where that time is not after `now` it was taken; else nothing was, and who asks again at that time, if nobody
        else does meanwhile, is served. A clock that goes backward fills nothing, and keeps nobody waiting for longer
        than an empty bucket would. Raises UsageError for more than ever is in it.
        """
        if not 0 < amount <= self.limit.burst:
            raise UsageError(f"{amount:g} can never be taken out of a bucket for {self.limit.burst:g}")
        begun = min(max(self.full_at, now), now + self.limit.window)
        full_at = begun + amount / self.limit.rate
        if full_at <= now + self.limit.window:
            return replace(self, full_at=full_at), now
        possible = full_at - self.limit.window
        while full_at > possible + self.limit.window:  # rounding must not make whoever asks then come too early
            possible += math.ulp(full_at)
        return replace(self, full_at=begun), possible
