"""Pipeline drafts: pipelines that are worked on. They are changed, submitted and published, as often as one likes."""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.classes import field, frozen, replace
from pipelinekit.domain.names import check_name
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ConflictError, UsageError
from pipelinekit.typed import Any

PIPELINE_DRAFT = "pipeline_draft"  # property of a run: the id of the draft that it is a run of
DRAFT_VERSION = "draft_version"  # property of a run: how often the draft had been written by then
RUN, PIPELINE, ENDPOINT, DRAFT = "run", "pipeline", "endpoint", "draft"  # what a draft may be a copy of


@frozen
class PipelineDraft:
    """A pipeline that may change, with everything that a run of it needs.

    `graph` is the digest of its document. `values` are values of parameters, `paths` those of the files and folders
    written in the pipeline, `datasets` the versions of datasets among them, by the parameter that named them. `source`
    says what it is a copy of, `details` who made it, where, from which commit. `version` grows by one with every
    change.
    """

    id: str
    name: str
    graph: str
    experiment: str
    description: str = ""
    values: Mapping[str, StoredValue] = field(default_factory=dict)
    paths: Mapping[PathRef, StoredValue] = field(default_factory=dict)
    datasets: tuple[tuple[str, PathRef], ...] = ()
    options: RunOptions = field(default_factory=RunOptions)
    tags: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    created_at: float = 0.0
    updated_at: float = 0.0

    def __post_init__(self) -> None:
        check_name("pipeline draft", self.name)
        check_name("experiment", self.experiment)

    def check_version(self, wanted: int | None) -> None:
        """Raise ConflictError where it is not the version that somebody wants to change; None for any."""
        if wanted not in (None, self.version):
            raise changed_meanwhile(self, f"it is at version {self.version}, not {wanted}")


@frozen
class DraftSource:
    """What a draft is to be a copy of: a run, a published pipeline, an endpoint at a version, or a draft."""

    kind: str
    name: str
    version: int | None = None


def changed(draft: PipelineDraft, now: float, **fields: Any) -> PipelineDraft:
    """The draft with these fields, under the next version; those that are None stay."""
    given = {name: value for name, value in fields.items() if value is not None}
    return replace(draft, version=draft.version + 1, updated_at=now, **given)


def changed_meanwhile(draft: PipelineDraft, why: str) -> ConflictError:
    """What to say where somebody else has changed a draft."""
    return ConflictError(
        f"pipeline draft {draft.id} ({draft.name}) was changed meanwhile: {why}",
        hint=f"'pipelinekit pipeline-drafts show {draft.id}' shows how it is now",
    )


def read_source(text: str) -> DraftSource | None:
    """What `run:ID`, `pipeline:ID`, `endpoint:NAME[@VERSION]` or `draft:ID` names; None for anything else.

    Raises UsageError for what names nothing.
    """
    kind, colon, name = text.partition(":")
    if not colon or kind not in (RUN, PIPELINE, ENDPOINT, DRAFT):
        return None
    version = ""
    if kind == ENDPOINT:
        name, at, version = name.partition("@")
        if at and not (version.isascii() and version.isdigit() and len(version) < 10):
            raise UsageError(f"{version!r} is no version of a pipeline endpoint", hint="give its number")
    if not name:
        raise UsageError(f"{text!r} names nothing", hint=f"write it as {kind}:{'NAME' if kind == ENDPOINT else 'ID'}")
    return DraftSource(kind, name, int(version) if version else None)
