"""Whether a failed attempt is tried again, and after how long. Pure: the jitter comes from the step's own key.

What the author's code does, what the machine loses, and what takes nodes with it have budgets of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.digests import digest
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.steps import Retry
from pipelinekit.engine.work import Work

LOST_RETRIES = 3  # what the machine loses is not the author's fault and has a budget of its own
LOST_DELAY = 0.5
LOST_KINDS = frozenset({"lost", "node", "storage"})
MOST_DEATHS = 3  # nodes that die while they execute a step, until it is taken for what kills them
OWN_KINDS = frozenset({"user", "timeout", "memory", "output"})


def after_failure(work: Work, failure: Failure, run: str) -> tuple[float | None, Failure]:
    """Count a failed attempt of a step: seconds until the next one, or None, and what the step then fails with."""
    token = (run, work.name, work.attempt)
    delay = retry_delay(work.step.options.retry, failure, work.own_failures, work.lost_failures, token)
    if failure.kind in LOST_KINDS:
        work.lost_failures += 1
    else:
        work.own_failures += 1
    if failure.kind == "node":
        work.deaths = (*work.deaths, failure.message)
        if len(work.deaths) >= MOST_DEATHS:
            words = f"{len(work.deaths)} nodes died while they executed it: {'; '.join(work.deaths)}"
            hint = "look at what it does to its node: memory, disk, processes that it ends"
            return None, Failure("poison", words, hint=hint)
    return delay, failure


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
