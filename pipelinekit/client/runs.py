"""How the other nouns of a server come by runs."""

from __future__ import annotations

from typing import Protocol, TypeVar

from pipelinekit.domain.runs import RunRecord


class Called(Protocol):
    """A run. One that was just called knows the secret that signs what its call-back is told."""

    callback_secret: str


RunT = TypeVar("RunT", bound=Called)
RunT_co = TypeVar("RunT_co", bound=Called, covariant=True)


class Runs(Protocol[RunT_co]):
    """The runs of a workspace."""

    def get(self, run: str = ...) -> RunT_co:
        """The run of this id."""

    def handle(self, record: RunRecord) -> RunT_co:
        """A handle on a record."""
