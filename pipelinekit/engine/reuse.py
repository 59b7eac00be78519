"""Whether an earlier completion may stand in for an execution: the one decision that plan and run share."""

from __future__ import annotations

from collections.abc import Mapping, Set

from pipelinekit.domain.runs import Completion, Reason


def usable(
    wanted: Mapping[str, str], completions: Mapping[str, Completion], missing: Set[str], oldest: Mapping[str, float]
) -> tuple[dict[str, Completion], dict[str, Reason]]:
    """Split the steps in `wanted` (step to key) into those that may reuse a completion, and refusals with their reason.

    `completions` are accepted, unrevoked ones by key; `missing` holds the keys of those that name a blob which is gone.
    `oldest` says, for steps whose results age, since when (seconds since 1970, UTC) a completion must be.
    Steps in neither answer have no completion under their key: why, is for `explain` to say.
    """
    found: dict[str, Completion] = {}
    refused: dict[str, Reason] = {}
    for step, key in wanted.items():
        completion = completions.get(key)
        if completion is None:
            continue
        if key in missing:
            refused[step] = Reason(
                "missing output",
                f"an output of the equal step {completion.step!r} of run {completion.run} is no longer in the store",
            )
        elif completion.created_at < oldest.get(step, 0.0):
            words = f"the result of run {completion.run} is older than the step's max_age"
            refused[step] = Reason("expired", words)
        else:
            found[step] = completion
    return found, refused
