"""Whether an earlier completion may stand in for an execution: the one decision that plan and run share."""

from __future__ import annotations

from collections.abc import Mapping, Set

from pipelinekit.domain.runs import Completion, Reason


def usable(
    wanted: Mapping[str, str], completions: Mapping[str, Completion], missing: Set[str]
) -> tuple[dict[str, Completion], dict[str, Reason]]:
    """Split the steps in `wanted` (step to key) into those that may reuse a completion, and refusals with their reason.

    `completions` are accepted, unrevoked ones by key; `missing` holds the keys of those that name a blob which is gone.
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
        else:
            found[step] = completion
    return found, refused
