"""Which figures have become worse since the results of an earlier release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORSE = 1 / 3  # a figure that has grown by more than this share is a regression


def regressions(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """A line for each figure that has grown by more than a third, and for each that is no longer there."""
    earlier = {item["name"]: item["median"] for item in before["figures"]}
    current = {item["name"]: item["median"] for item in now["figures"]}
    found = [
        f"{name}: not measured any more, was {value:.3g}" for name, value in earlier.items() if name not in current
    ]
    for name, value in current.items():
        if (was := earlier.get(name)) and (more := value - was) > WORSE * abs(was):
            found.append(f"{name}: {was:.3g} -> {value:.3g}, {more / abs(was):.0%} more")
    return found
