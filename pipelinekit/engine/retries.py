"""Whether a failed attempt is tried again, and after how long. Pure: the jitter comes from the step's own key."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.digests import digest
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.steps import Retry

LOST_RETRIES = 3  # what the machine loses is not the author's fault and has a budget of its own
LOST_DELAY = 0.5
LOST_KINDS = frozenset({"lost", "storage"})
OWN_KINDS = frozenset({"user", "timeout", "memory", "output"})


def retry_delay(policy: Retry, failure: Failure, own: int, lost: int, token: Sequence[str | int]) -> float | None:
    """Seconds until the next attempt, or None when there is none.

    `own` and `lost` count the earlier failures of the step's own making and of the machine's. `token` names the attempt
    and seeds the jitter, so that many steps that fail together do not come back together.
    """
    share = int(digest(list(token))[-8:], 16) / 0xFFFFFFFF
    if failure.kind in LOST_KINDS:
        return LOST_DELAY * 2**lost * (1 - 0.5 * share) if lost < LOST_RETRIES else None
    if failure.kind not in OWN_KINDS or own >= policy.attempts or not matches(policy, failure):
        return None
    delay = min(policy.delay * policy.backoff**own, policy.max_delay)
    return delay * (1 - policy.jitter * share)


def matches(policy: Retry, failure: Failure) -> bool:
    """Whether the policy covers this failure: by the name of its class or of one it derives from."""
    if not policy.on:
        return True
    names = {name for kind in failure.types for name in (kind, kind.rpartition(".")[2])}
    return any(str(wanted) in names for wanted in policy.on)
