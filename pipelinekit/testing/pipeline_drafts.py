"""Pipeline drafts in memory: the twin of what `storage` keeps."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.pipeline_drafts import PipelineDraft
from pipelinekit.errors import NotFoundError, UsageError


class MemoryPipelineDrafts:
    """Twin of `storage.pipeline_drafts.SQLPipelineDrafts`. `kept` is where they are, for clean-up to see them."""

    def __init__(self, kept: dict[str, PipelineDraft]) -> None:
        self._kept = kept

    def add(self, draft: PipelineDraft) -> None:
        """Keep a new draft."""
        self._kept[draft.id] = draft

    def get(self, draft: str) -> PipelineDraft:
        """The draft of this id or unique beginning of one."""
        found = [name for name in self._kept if draft and name.startswith(draft)]
        if not found:
            raise NotFoundError(f"there is no pipeline draft {draft!r}")
        if len(found) > 1 and draft not in found:
            raise UsageError(f"several pipeline drafts begin with {draft!r}")
        return self._kept[draft if draft in found else found[0]]

    def list(self, *, name: str = "") -> Sequence[PipelineDraft]:
        """All of them, or those of a name."""
        found = sorted(self._kept.values(), key=lambda item: item.id, reverse=True)
        return [item for item in found if name in ("", item.name)]

    def replace(self, draft: PipelineDraft) -> bool:
        """Keep a draft instead of the version before it."""
        known = self._kept.get(draft.id)
        if known is None or known.version != draft.version - 1:
            return False
        self._kept[draft.id] = draft
        return True

    def remove(self, draft: str) -> None:
        """Forget a draft."""
        if self._kept.pop(draft, None) is None:
            raise NotFoundError(f"there is no pipeline draft {draft!r}")
