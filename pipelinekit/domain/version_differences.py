"""In what two published pipelines differ: steps, parameters and options, files of their snapshots."""

from __future__ import annotations

from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.runs import Reason


@frozen
class StepDifference:
    """A step that only one of two graphs has, or that is something else in each: then `reasons` say what."""

    name: str
    what: str
    reasons: tuple[Reason, ...] = ()


@frozen
class ValueDifference:
    """A parameter or option that is not the same; None where one of the two has none."""

    kind: str
    name: str
    before: Any
    after: Any


@frozen
class FileDifference:
    """A file of the snapshots that is not the same; `lines` are a unified diff, where both are texts."""

    path: str
    what: str
    lines: tuple[str, ...] = ()


@frozen
class VersionDifference:
    """Everything in which two published pipelines differ; that their files do need not change any step."""

    steps: tuple[StepDifference, ...]
    values: tuple[ValueDifference, ...]
    files: tuple[FileDifference, ...]
