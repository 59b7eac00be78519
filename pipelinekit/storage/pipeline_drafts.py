"""Pipeline drafts in the database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.pipeline_drafts import PipelineDraft
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.storage.database import Database, Row
from pipelinekit.wire.pipeline_drafts import draft_body, draft_fields
from pipelinekit.wire.runs import paths_from_json, paths_to_json
from pipelinekit.wire.values import dumps, loads, values_from_json, values_to_json


class SQLPipelineDrafts:
    """Implements `ports.PipelineDraftRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, draft: PipelineDraft) -> None:
        """Keep a new draft."""
        self._database.write("add_draft", (draft.id, *_content(draft), draft.created_at, draft.updated_at))

    def get(self, draft: str) -> PipelineDraft:
        """The draft of this id or unique beginning of one."""
        rows = self._database.read("draft_like", (draft, draft + "~")) if draft else []
        if not rows:
            raise no_draft(draft)
        if len(rows) > 1 and rows[0]["id"] != draft:
            raise UsageError(f"several pipeline drafts begin with {draft!r}", hint="give more characters of the id")
        return _draft(rows[0])

    def list(self, *, name: str = "") -> Sequence[PipelineDraft]:
        """All of them, or those of a name."""
        found = self._database.read("list_drafts_of", (name,)) if name else self._database.read("list_drafts")
        return [_draft(row) for row in found]

    def replace(self, draft: PipelineDraft) -> bool:
        """Keep a draft instead of the version before it."""
        row = (*_content(draft), draft.updated_at, draft.id, draft.version - 1)
        return self._database.write("replace_draft", row) > 0

    def remove(self, draft: str) -> None:
        """Forget a draft."""
        if not self._database.write("delete_draft", (draft,)):
            raise no_draft(draft)


def no_draft(draft: str) -> NotFoundError:
    """What to say where a draft is not."""
    return NotFoundError(
        f"there is no pipeline draft {draft!r}",
        hint="'pipelinekit pipeline-drafts list' shows them; 'pipelinekit pipeline-drafts create' makes one",
    )


def _content(draft: PipelineDraft) -> tuple[str | int, ...]:
    given, paths = dumps(values_to_json(draft.values)), dumps(paths_to_json(draft.paths))
    return draft.name, draft.graph, given, paths, dumps(draft_body(draft)), draft.version


def _draft(row: Row) -> PipelineDraft:
    return PipelineDraft(
        row["id"],
        row["name"],
        row["graph"],
        values=values_from_json(loads(row["given"])),
        paths=paths_from_json(loads(row["paths"])),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        **draft_fields(loads(row["body"])),
    )
