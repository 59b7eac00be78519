"""Whether a failed attempt is tried again, and after how long. Pure: the jitter comes from the step's own key.

What the author's code does, what takes too long, what the machine loses, and inputs that were damaged have budgets of
their own; so do nodes that die while they execute a step.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.digests import digest
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.steps import Retry
from pipelinekit.domain.texts import seconds_text
from pipelinekit.engine.work import Work

USER, TIMEOUT, LOST, DAMAGED = "user", "timeout", "lost", "damaged"
CLASSES = {
    **dict.fromkeys(("user", "memory", "scratch", "output"), USER),
    "timeout": TIMEOUT,
    **dict.fromkeys(("lost", "node", "storage"), LOST),
    "input": DAMAGED,
}
LOST_RETRIES = 3  # what the machine loses is not the author's fault
DAMAGED_RETRIES = 5
LOST_DELAY = 0.5
MOST_DEATHS = 3  # nodes that die while they execute a step, until it is taken for what kills them
_SPENT = {
    USER: "attempts that failed",
    TIMEOUT: "attempts that took too long",
    LOST: "attempts that were lost",
    DAMAGED: "damaged inputs",
}


def after_failure(work: Work, failure: Failure, run: str) -> tuple[float | None, Failure, str]:
    """Count a failed attempt of a step: seconds until the next one, or None; what it then fails with, and a note."""
    policy, token = work.step.options.retry, (run, work.name, work.attempt)
    earlier = count(work, failure)
    delay = retry_delay(policy, failure, earlier, token)
    note_failure(work, failure)
    deaths = [message for kind, message in work.failed if kind == "node"]
    if failure.kind == "node" and len(deaths) >= MOST_DEATHS:
        words = f"{len(deaths)} nodes died while they executed it: {'; '.join(deaths)}"
        hint = "look at what it does to its node: memory, disk, processes that it ends"
        return None, Failure("poison", words, hint=hint), ""
    if delay is not None or not earlier:
        return delay, failure, ""
    retries = f"{earlier} {'retry' if earlier == 1 else 'retries'}"
    return None, failure, f"{retries} after {_SPENT[CLASSES[failure.kind]]} did not help"


def after_damage(work: Work, failure: Failure) -> Failure | None:
    """Count that an input of a step was damaged; what the step fails with when that was made again too often."""
    earlier = count(work, failure)
    note_failure(work, failure)
    if earlier < budget(work.step.options.retry, DAMAGED):
        return None
    words = f"an input was damaged again, after it had been made again {earlier} times: {failure.message}"
    return Failure(failure.kind, words, hint="look at the disk that the store lies on: 'pipelinekit fsck' reads it all")


def never_began(work: Work) -> Failure:
    """The failure of a step that waited for room as long as it might."""
    options = work.step.options
    where = f" on {options.compute!r}" if options.compute else ""
    words = (
        f"attempt {work.attempt} had waited {seconds_text(options.queue_timeout)} for room{where}, as long as it may"
    )
    hint = "there is too little of what it asks for: look at the compute target, or let it wait longer"
    return Failure("queue", words, hint=hint)


def note_failure(work: Work, failure: Failure) -> None:
    """Remember how an attempt failed."""
    work.failed = (*work.failed, (failure.kind, failure.message))


def count(work: Work, failure: Failure) -> int:
    """How many earlier attempts of a step failed for a cause of the same class."""
    wanted = CLASSES.get(failure.kind)
    return sum(CLASSES.get(kind) == wanted for kind, _ in work.failed) if wanted else 0


def budget(policy: Retry, kind: str) -> int:
    """How many retries there are for a class of causes."""
    if kind == TIMEOUT:
        return policy.attempts if policy.timeouts is None else policy.timeouts
    if kind == LOST:
        return LOST_RETRIES if policy.lost is None else policy.lost
    if kind == DAMAGED:
        return DAMAGED_RETRIES if policy.damaged is None else policy.damaged
    return policy.attempts


def retry_delay(policy: Retry, failure: Failure, earlier: int, token: Sequence[str | int]) -> float | None:
    """Seconds until the next attempt, or None when there is none.

    `earlier` counts the earlier failures of its class. `token` names the attempt and seeds the jitter, so that many
    steps that fail together do not come back together.
    """
    kind = CLASSES.get(failure.kind)
    if kind is None or kind == DAMAGED or earlier >= budget(policy, kind):
        return None
    share = int(digest(list(token))[-8:], 16) / 0xFFFFFFFF
    if kind == LOST:
        return float(LOST_DELAY * 2**earlier * (1 - 0.5 * share))
    if not matches(policy, failure) and (kind == USER or policy.timeouts is None):
        return None
    delay = min(policy.delay * policy.backoff**earlier, policy.max_delay)
    return delay * (1 - policy.jitter * share)


def matches(policy: Retry, failure: Failure) -> bool:
    """Whether the policy covers this failure: by the name of its class or of one it derives from."""
    if not policy.on:
        return True
    names = {name for kind in failure.types for name in (kind, kind.rpartition(".")[2])}
    return any(str(wanted) in names for wanted in policy.on)
