"""What a route does before its body is read: it knows who asks, and refuses what it has no word for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from pipelinekit.errors import UsageError
from pipelinekit.rest.desk import Needs

DEEPEST = 64  # that bodies are nested
_ODD = (b"\\u0000", b"\\ud", b"\\uD")  # how JSON writes what no text of ours may hold


class Route(APIRoute):
    """A route with exactly one `Needs`. Whoever may not ask is told nothing of what is wrong with the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind the checks."""
        handle = super().get_route_handler()
        needs = needs_of(self)
        known = sorted(field.alias for field in self.dependant.query_params)

        async def guarded(request: Request) -> Response:
            await needs.admit(request)
            _check_parameters(request, known)
            return await handle(_StrictRequest(request.scope, request.receive))

        return guarded


def needs_of(route: APIRoute) -> Needs:
    """What a route needs. Raises TypeError for a route that does not say, or says several things."""
    found = [item.call for item in route.dependant.dependencies if isinstance(item.call, Needs)]
    if len(found) != 1:
        raise TypeError(f"route {route.path} declares {len(found)} permissions; each declares exactly one")
    return found[0]


def _check_parameters(request: Request, known: list[str]) -> None:
    """Refuse parameters of the address that the route does not have. Raises UsageError."""
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        valid = f"there are: {', '.join(known)}" if known else "there are none"
        shown = ", ".join(repr(name[:80]) for name in unknown[:20])
        raise UsageError(f"there is no parameter {shown} at this address", hint=valid)


class _StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """The body as data."""
        return read_json(await self.body())


def read_json(body: bytes) -> Any:
    """JSON data without doubled keys, numbers that are none, odd characters or deep nests.

    Raises json.JSONDecodeError.
    """
    try:
        data = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)
        _check(data, 0, any(mark in body for mark in _ODD))
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError:
        raise json.JSONDecodeError("it is not UTF-8", "", 0) from None
    except RecursionError:
        raise json.JSONDecodeError(f"it is nested more than {DEEPEST} deep", "", 0) from None
    except ValueError as error:
        raise json.JSONDecodeError(str(error)[:200], "", 0) from None
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice[:80]!r} is there more than once")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _check(data: Any, depth: int, texts: bool) -> None:
    if depth > DEEPEST:
        raise RecursionError
    match data:
        case dict():
            for key, value in data.items():
                _check(key, depth + 1, texts)
                _check(value, depth + 1, texts)
        case list():
            for value in data:
                _check(value, depth + 1, texts)
        case float() if data in (float("inf"), float("-inf")):
            raise ValueError("a number is too large")
        case str() if texts and ("\0" in data or any("\ud800" <= letter <= "\udfff" for letter in data)):
            raise ValueError("a text has characters that texts cannot have")
