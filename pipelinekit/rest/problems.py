"""Errors as answers: problem documents (RFC 9457) with a status, what happened, and what to do next."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from pipelinekit.errors import (
    ComputeError,
    ConflictError,
    FaultyError,
    ForbiddenError,
    IntegrityError,
    NotFoundError,
    PipelinekitError,
    StorageError,
    UnauthenticatedError,
    UnreachableError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
UNSHOWN = "/api/v1/secrets"  # where nothing of a body is repeated
MOST_FAULTS = 100  # that one answer tells of
LONGEST_VALUE = 100  # characters that an answer repeats of what was sent

_STATUSES: tuple[tuple[type[PipelinekitError], int], ...] = (
    (UnauthenticatedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (UsageError, 400),
    (FaultyError, 400),
    (ComputeError, 409),
    (IntegrityError, 409),
    (UnreachableError, 409),
    (StorageError, 503),
)
_log = logging.getLogger("pipelinekit.rest")


class BusyError(PipelinekitError):
    """There are too many requests; `seconds` says when to ask again."""

    code = "busy"

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, hint=f"ask again in {max(seconds, 0.001):.3g} s", seconds=seconds)
        self.seconds = seconds


class ProblemFault(BaseModel):
    """One of several things that are wrong."""

    message: str
    hint: str = ""


class Problem(BaseModel):
    """Why a request was not carried out."""

    type: str = Field(description="`pipelinekit:` and the kind of the error")
    title: str
    status: int
    detail: str = Field(description="what happened, to which object")
    hint: str = Field("", description="what to do next")
    faults: list[ProblemFault] = Field([], description="everything that is wrong, where that is several things")
    request_id: str = Field("", description="what the server's log calls this request")


ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words, "content": {MEDIA_TYPE: {}}}
    for status, words in (
        (400, "something in the request cannot be used"),
        (401, "there is no valid access token"),
        (403, "the token's role does not permit it"),
        (404, "there is no such object"),
        (409, "it does not fit what is there"),
        (429, "there are too many requests"),
        (503, "the records cannot be reached at present"),
    )
}


def problem(
    request: Request,
    status: int,
    code: str,
    title: str,
    detail: str,
    hint: str = "",
    faults: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The answer for an error."""
    body = {
        "type": f"pipelinekit:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "hint": hint,
        "faults": (faults or [])[:MOST_FAULTS],
        "request_id": getattr(request.state, "id", ""),
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def status_of(error: PipelinekitError) -> int:
    """The status that an error of ours is told with."""
    if isinstance(error, BusyError):
        return 429
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def install(app: FastAPI) -> None:
    """Have an application answer errors so."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, PipelinekitError)
        status = status_of(error)
        if status == 500:
            return await unexpected(request, error)
        headers = {}
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, BusyError):
            headers["Retry-After"] = str(max(1, round(error.seconds)))
        if status == 503:
            headers["Retry-After"] = "1"
        faults = [
            {"message": fault.message, "hint": fault.hint}
            for fault in (error.faults if isinstance(error, FaultyError) else ())
        ]
        title = error.code.replace("_", " ")
        return problem(request, status, error.code, title, error.message, error.hint, faults, headers)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        is_shown = not request.url.path.startswith(UNSHOWN)
        faults = [{"message": _words(item, is_shown=is_shown), "hint": _hint(item)} for item in error.errors()]
        return problem(request, 400, "request", "request", "the request cannot be read as it was sent", "", faults)

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        words = {404: "there is nothing at this address", 405: "this method is not for this address"}
        detail = words.get(error.status_code, str(error.detail))
        hint = "/openapi.json says what there is" if error.status_code in words else ""
        headers = dict(error.headers or {})
        return problem(request, error.status_code, "http", "http", detail, hint, None, headers)

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        _log.error("request %s failed", getattr(request.state, "id", ""), exc_info=error)
        detail = "the server failed; its log says more under the request's id"
        return problem(request, 500, "internal", "internal", detail)

    app.add_exception_handler(PipelinekitError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unexpected)


def _words(item: dict[str, Any], *, is_shown: bool) -> str:
    place = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
    if item["type"] == "extra_forbidden":
        return f"there is no key {place!r}"
    if item["type"] == "json_invalid":
        return f"the body cannot be read as JSON: {item['ctx']['error']}"
    shown = repr(item.get("input"))
    given = f", got {shown[:LONGEST_VALUE]}" if item["type"] != "missing" and is_shown else ""
    return f"{place}: {item['msg'][:1].lower()}{item['msg'][1:]}{given}"


def _hint(item: dict[str, Any]) -> str:
    return str(item.get("ctx", {}).get("valid", ""))
