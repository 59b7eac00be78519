"""Pipeline drafts over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response
from fastapi import Path as InPath

from pipelinekit.bootstrap import Services
from pipelinekit.domain.idempotency import check_idempotency_key
from pipelinekit.domain.limits import READ, TRIGGER
from pipelinekit.domain.tokens import Permission, Principal
from pipelinekit.errors import UsageError
from pipelinekit.rest import bodies, calls, repeats
from pipelinekit.rest.changes import change
from pipelinekit.rest.desk import Asked, Needs
from pipelinekit.rest.parameters import read_parameters
from pipelinekit.rest.routing import Route
from pipelinekit.wire.pipeline_drafts import draft_document
from pipelinekit.workspace.pipeline_drafts import DraftWords
from pipelinekit.workspace.published_pipelines import Call

router = APIRouter(prefix="/pipeline-drafts", tags=["pipeline drafts"], route_class=Route)

Viewing = Annotated[Asked, Depends(Needs(Permission.VIEW, READ))]
Writing = Annotated[Asked, Depends(Needs(Permission.SUBMIT, READ))]
Submitting = Annotated[Asked, Depends(Needs(Permission.SUBMIT, TRIGGER))]
Publishing = Annotated[Asked, Depends(Needs(Permission.PUBLISH, TRIGGER))]
Id = Annotated[str, InPath(description="the id of a pipeline draft", max_length=64)]


@router.get("", operation_id="list_pipeline_drafts")
async def list_drafts(asked: Viewing, name: str = "") -> dict[str, Any]:
    """All of them, or those of a name; the newest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        return {"pipeline_drafts": [draft_document(item.record) for item in services.pipeline_drafts.list(name=name)]}

    return await asked.do(work)


@router.post("", operation_id="create_pipeline_draft", status_code=201, responses=calls.ANSWERS)
async def create_draft(
    asked: Submitting, response: Response, body: bodies.NewDraft, idempotency_key: calls.Key = ""
) -> dict[str, Any]:
    """Make a draft of a run, a published pipeline, a version of an endpoint, a draft, or of what was uploaded."""
    if bool(body.upload) == bool(body.source):
        raise UsageError("one of source and upload is needed", hint="give the one or the other")
    words = DraftWords(
        body.name, body.description, body.experiment, body.compute, body.continue_on_step_failure, body.tags
    )

    def make(services: Services, principal: Principal) -> tuple[str, dict[str, Any]]:
        if body.upload:
            content = services.uploads.get(body.upload).draft(body.compute, body.max_seconds)
        else:
            content = services.pipeline_drafts.content(body.source)
        given = read_parameters(content.graph.parameters, body.parameters)
        made = services.pipeline_drafts.keep(content, words, given, by=principal.name)
        return made.id, made.document()

    return await _once(asked, response, "create", body, idempotency_key, make)


@router.get("/{draft}", operation_id="show_pipeline_draft")
async def show_draft(asked: Viewing, draft: Id) -> dict[str, Any]:
    """One of them, with its parameters and its last run."""
    return await asked.do(lambda services, _: services.pipeline_drafts.get(draft).document())


@router.patch("/{draft}", operation_id="change_pipeline_draft")
async def change_draft(asked: Writing, draft: Id, body: bodies.DraftChange) -> dict[str, Any]:
    """Change what is given; the rest stays, values of other parameters, too."""
    words = body.model_dump(include={"name", "description", "experiment", "tags"})
    call = Call(compute=body.compute, continue_on_step_failure=body.continue_on_step_failure)

    def how(services: Services) -> tuple[str, dict[str, Any]]:
        handle = services.pipeline_drafts.get(draft)
        given = read_parameters(handle.parameters, body.parameters)
        handle.change(given, call, words, body.version)
        return handle.id, draft_document(handle.record)

    return await change(asked, "pipeline-drafts.change", how)


@router.delete("/{draft}", operation_id="delete_pipeline_draft", status_code=204, response_class=Response)
async def delete_draft(asked: Writing, draft: Id) -> None:
    """Forget it; its runs, and what was published of it, stay."""

    def how(services: Services) -> tuple[str, None]:
        found = services.pipeline_drafts.get(draft).id
        services.pipeline_drafts.delete(found)
        return found, None

    await change(asked, "pipeline-drafts.delete", how)


@router.post("/{draft}/publish", operation_id="publish_pipeline_draft", status_code=201, responses=calls.ANSWERS)
async def publish_draft(
    asked: Publishing,
    response: Response,
    draft: Id,
    body: bodies.DraftPublication | None = None,
    idempotency_key: calls.Key = "",
) -> dict[str, Any]:
    """Publish it as it is now; with `endpoint` as a version of it. It stays a draft."""
    said = body or bodies.DraftPublication()

    def make(services: Services, principal: Principal) -> tuple[str, dict[str, Any]]:
        handle = services.pipeline_drafts.get(draft)
        return handle.id, handle.publish_words(said.model_dump(), principal.name)

    return await _once(asked, response, "publish", said, idempotency_key, make)


@router.get("/{draft}/runs", operation_id="list_pipeline_draft_runs")
async def list_runs(
    asked: Viewing, draft: Id, limit: calls.Limit = 50, records: calls.Records = False
) -> dict[str, Any]:
    """Its runs, the newest first."""

    def work(services: Services, _: Principal) -> dict[str, Any]:
        found = services.pipeline_drafts.get(draft).runs(limit=limit)
        return {"runs": [calls.run_shown(run, whole=records) for run in found]}

    return await asked.do(work)


@router.post("/{draft}/runs", operation_id="submit_pipeline_draft", status_code=202, responses=calls.ANSWERS)
async def submit_draft(
    asked: Submitting,
    response: Response,
    draft: Id,
    body: bodies.Call | None = None,
    idempotency_key: calls.Key = "",
    prefer: Annotated[str, Header(max_length=255)] = "",
) -> calls.Called:
    """Have a run of it driven, with what is given for this run. The answer comes before any step starts."""
    call = body or bodies.Call()
    wanted = calls.Wanted(
        lambda services: calls.draft_target(services, draft), call, call.model_dump(), idempotency_key, prefer
    )
    return await calls.call(asked, response, wanted)


async def _once(asked: Asked, response: Response, verb: str, body: bodies.Body, key: str, make: Any) -> dict[str, Any]:
    """What `make` gives, with its row of the audit log, once for each key."""
    if key:
        check_idempotency_key(key)

    def work(services: Services, principal: Principal) -> tuple[dict[str, Any], bool]:
        def made() -> dict[str, Any]:
            name, document = make(services, principal)
            after = document["id"] if document["id"] != name else document["graph"]
            services.audit.note(f"pipeline-drafts.{verb}", name, by=asked.origin(principal), after=after)
            return dict(document)

        return repeats.once(asked, services, principal, key, body.model_dump(), made)

    document, is_new = await asked.do(work)
    if not is_new:
        response.headers["Idempotency-Replayed"] = "true"
    return document
