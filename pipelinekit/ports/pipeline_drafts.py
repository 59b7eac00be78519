"""Pipeline drafts: pipelines that are worked on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.pipeline_drafts import PipelineDraft
else:
    Protocol = object


class PipelineDraftRecords(Protocol):
    """Pipeline drafts by id."""

    def add(self, draft: PipelineDraft) -> None:
        """Keep a new draft."""

    def get(self, draft: str) -> PipelineDraft:
        """The draft of this id or unique beginning of one. Raises NotFoundError, and UsageError for several."""

    def list(self, *, name: str = "") -> Sequence[PipelineDraft]:
        """All of them, or those of a name; the newest first."""

    def replace(self, draft: PipelineDraft) -> bool:
        """Keep a draft instead of the version before it; False where that is not what is kept."""

    def remove(self, draft: str) -> None:
        """Forget a draft by its id. Raises NotFoundError."""
