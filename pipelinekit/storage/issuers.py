"""An issuer of OpenID Connect on the web: its discovery document, and the keys that it names."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.domain.sign_in import check_issuer_address
from pipelinekit.errors import StorageError, UsageError

DISCOVERY = "/.well-known/openid-configuration"
SECONDS = 5.0
MOST_BYTES = 256 << 10
MOST_KEYS = 100


class WebIssuer:
    """Implements `ports.sign_in.Issuer`."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self._url = url
        self._seconds = seconds
        self._opener = urllib.request.build_opener(_NoRedirects())

    def public_keys(self) -> Sequence[Mapping[str, Any]]:
        """Its public keys. It must call itself by the address that it is asked at."""
        about = self._fetch(self._url.rstrip("/") + DISCOVERY)
        if about.get("issuer") != self._url:
            raise self._failed(f"it calls itself {str(about.get('issuer'))[:200]!r}")
        place = about.get("jwks_uri")
        try:
            check_issuer_address(str(place).partition("?")[0])
        except UsageError:
            raise self._failed("it does not say safely where its keys are") from None
        found = self._fetch(str(place)).get("keys")
        if not isinstance(found, list) or len(found) > MOST_KEYS:
            raise self._failed("what it has for keys is no list of them")
        return [key for key in found if isinstance(key, dict)]

    def _fetch(self, url: str) -> Mapping[str, Any]:
        request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "pipelinekit"})  # noqa: S310 - looked at
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                body = answer.read(MOST_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed(str(getattr(error, "reason", error))[:200]) from None
        if len(body) > MOST_BYTES:
            raise self._failed(f"it answers with more than {MOST_BYTES} bytes")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._failed("it answers with something else than JSON")
        return found

    def _failed(self, why: str) -> StorageError:
        return StorageError(
            f"the keys of the issuer {self._url} cannot be had: {why}", hint="try again; see whether it is well"
        )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from where the issuer says that they are, and from nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """None: it is not followed, and so an error."""
