"""A web server as a store that can only be read, file by file: web servers keep no lists.

Every connection, redirects included, goes to an address that was looked at: a name may point anywhere, also to machines
that only this one can reach. Proxies are not used, since they would do the looking up.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from pipelinekit.domain.datastores import StoreFile, check_path
from pipelinekit.errors import NotFoundError, StorageError, UsageError
from pipelinekit.storage.connections import NotPublicError, connect, resolve

SECONDS = 30.0
MARKS = ("ETag", "Last-Modified", "Content-MD5")
MOST_REDIRECTS = 5


class WebStore:
    """Implements `ports.Store` on a web server. `secrets` are values by option."""

    def __init__(self, name: str, url: str, secrets: Mapping[str, str], *, allow_private: bool = False) -> None:
        self._name = name
        self._url = url
        self._allow_private = allow_private
        self._headers = {"User-Agent": "pipelinekit", "Accept-Encoding": "identity"}
        if "token" in secrets:
            self._headers["Authorization"] = f"Bearer {secrets['token']}"
        elif "user" in secrets or "password" in secrets:
            pair = f"{secrets.get('user', '')}:{secrets.get('password', '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            _Plain(allow_private),
            _Secure(allow_private),
            _Redirects(urlsplit(url).netloc),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
        ):
            self._opener.add_handler(handler)

    def check(self) -> None:
        """The server answers; what it says of its root does not matter, unless it refuses the credentials."""
        try:
            with self._open("", "HEAD"):
                return
        except NotFoundError:
            return

    def files(self, path: str) -> Iterable[StoreFile]:
        """The file at a path; a folder cannot be listed."""
        if not path:
            raise UsageError(
                f"datastore {self._name!r} is a web server, which keeps no lists", hint="name each file by its path"
            )
        try:
            with self._open(check_path(path), "HEAD") as answer:
                size = answer.headers.get("Content-Length", "")
                mark = " ".join(f"{name}={answer.headers[name]}" for name in MARKS if answer.headers.get(name))
        except NotFoundError:
            return []
        return [StoreFile(path, int(size) if size.isdigit() else 0, mark)]

    def read(self, path: str) -> BinaryIO:
        """The bytes of a file, as they come; an answer that ends early is an error."""
        return io.BufferedReader(_Body(self._open(check_path(path), "GET"), f"{self._name!r}: {path}"), 1 << 18)

    def write(self, path: str, source: Path) -> None:  # noqa: ARG002 - the port's
        """Refused."""
        raise UsageError(
            f"datastore {self._name!r} is a web server, which can only be read", hint="upload to another datastore"
        )

    def local(self, path: str) -> Path | None:  # noqa: ARG002 - the port's
        """Nothing lies on this machine."""
        return None

    def _open(self, path: str, method: str) -> Any:
        target = f"{self._url}/{quote(path)}" if path else self._url
        request = urllib.request.Request(target, headers=self._headers, method=method)  # noqa: S310 - checked
        try:
            return self._opener.open(request, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                raise NotFoundError(f"there is no file {path!r} in datastore {self._name!r}") from None
            hint = "see its secrets: 'pipelinekit datastores list'" if error.code in (401, 403) else ""
            words = f"the server answered {error.code} {error.reason}"
            raise StorageError(f"datastore {self._name!r}: {path or self._url}: {words}", hint=hint) from None
        except urllib.error.URLError as error:
            reason = error.reason
            if isinstance(reason, NotPublicError):
                raise UsageError(
                    f"datastore {self._name!r}: {reason}",
                    hint="register it with allow_private=True (--allow-private) if that is meant",
                ) from None
            raise StorageError(f"datastore {self._name!r} cannot be reached at {target}: {reason}") from None
        except (OSError, http.client.HTTPException) as error:
            words = f"{type(error).__name__}: {error}"
            raise StorageError(f"datastore {self._name!r} cannot be reached at {target}: {words}") from None


class _Body(io.RawIOBase):
    """The body of an answer, which must be as long as it was said to be."""

    def __init__(self, answer: Any, name: str) -> None:
        self._answer = answer
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count: int = self._answer.readinto(buffer)
        except (OSError, http.client.HTTPException) as error:
            raise StorageError(f"datastore {self._name}: {type(error).__name__}: {error}") from None
        if count == 0 and len(buffer) and self._answer.length:
            raise StorageError(f"datastore {self._name}: the answer ended {self._answer.length} bytes early")
        return count

    def close(self) -> None:
        self._answer.close()
        super().close()


# -- connections -------------------------------------------------------------------------------------------------------


def _connect(host: str, port: int, timeout: float | None, *, allow_private: bool) -> socket.socket:
    return connect(host, resolve(host, port), timeout, private=allow_private)


class _PlainConnection(http.client.HTTPConnection):
    allow_private = False

    def connect(self) -> None:
        self.sock = _connect(self.host, self.port, self.timeout, allow_private=self.allow_private)


class _OpenPlainConnection(_PlainConnection):
    allow_private = True


class _SecureConnection(http.client.HTTPSConnection):
    allow_private = False

    def connect(self) -> None:
        plain = _connect(self.host, self.port, self.timeout, allow_private=self.allow_private)
        try:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise


class _OpenSecureConnection(_SecureConnection):
    allow_private = True


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, allow_private: bool) -> None:
        super().__init__()
        self._kind = _OpenPlainConnection if allow_private else _PlainConnection

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._kind, req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, allow_private: bool) -> None:
        super().__init__()
        self._kind = _OpenSecureConnection if allow_private else _SecureConnection

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._kind, req)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects; credentials go to the registered server alone, and never from TLS to plain text."""

    max_redirections = MOST_REDIRECTS

    def __init__(self, home: str) -> None:
        self._home = home

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme != "https"):
            raise urllib.error.URLError(f"it redirects to {new.scheme}://{new.netloc}, which is not followed")
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None:
            made.method = req.get_method()
            if new.netloc != self._home:
                with contextlib.suppress(KeyError):
                    made.remove_header("Authorization")
        return made
