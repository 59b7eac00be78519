"""Objects in an object store: put whole, read in parts, listed and removed, with patience for what passes.

The libraries of the stores (s3fs, adlfs, gcsfs) are reached through fsspec, and loaded when a store is first used. An
object appears when its upload is complete, in all of these stores: nobody ever sees half of one.
"""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipelinekit.classes import frozen
from pipelinekit.domain.stores import StoreAddress
from pipelinekit.errors import NotFoundError, StorageError
from pipelinekit.late import late

if TYPE_CHECKING:
    import hashlib

    import fsspec
else:
    fsspec = late("fsspec")
    hashlib = late("hashlib")

PART = 8 * 2**20  # bytes that are sent or asked for at a time
AHEAD = 4  # parts of one object that are asked for before they are needed
AT_ONCE = 16  # requests on their way together
BUFFERED = 2 * AHEAD  # parts that lie in memory together, whatever is read
TRIES = 5
FIRST_PAUSE = 0.2  # seconds; doubled with every try

EXTRAS = {"s3": "s3", "az": "azure", "abfs": "azure", "abfss": "azure", "gs": "gcs", "gcs": "gcs"}
_REFUSED = ("NoCredentialsError", "PartialCredentialsError", "ClientAuthenticationError", "CredentialUnavailableError")

Item = TypeVar("Item")
Result = TypeVar("Result")


@frozen
class ObjectState:
    """An object as the store tells it: its bytes, and when it was last written, by the store's clock."""

    size: int
    modified: float


class ObjectStore:
    """The objects below a bucket's prefix. Errors are StorageErrors that name the store; absence is told as None.

    `pause` waits between tries, `tries` is how often something is tried in all.
    """

    def __init__(
        self, address: StoreAddress, *, pause: Callable[[float], None] = time.sleep, tries: int = TRIES
    ) -> None:
        self.address = address
        self._root = address.url.partition("://")[2]
        if address.scheme.startswith("abfs") and "@" in self._root:  # container@account.dfs.core.windows.net/prefix
            container, _, rest = self._root.partition("@")
            self._root = "/".join([container, rest.partition("/")[2]]).rstrip("/")
        self._pause = pause
        self._tries = tries
        self._create = True  # until the store is found to know no conditional put
        self._buffered = threading.BoundedSemaphore(BUFFERED)

    def __str__(self) -> str:
        return str(self.address)

    # -- one object --------------------------------------------------------------------------------------------------

    def put(self, name: str, path: Path, size: int) -> None:
        """Upload a file, unless an object of its size is there; what is there afterwards has that size.

        A put that fails is looked after: its answer may have been lost when it had been carried out.
        """
        for number in range(self._tries):
            error = self.send(name, path)
            state = self.stat(name)
            if state is not None and state.size == size:
                return
            if error is not None and not _passes(error):
                break
            if state is not None:
                self.set_aside(name)
            self._wait(number)
        else:
            error = error or OSError(errno.EIO, "what was sent did not arrive whole")
        raise self._failure(f"blob {name.replace('/', '')} could not be stored", error)

    def send(self, name: str, path: Path) -> Exception | None:
        """Try once to upload a file where no object is; what failed, if something did."""
        try:
            self._fs.put_file(str(path), self._full(name), mode="create" if self._create else "overwrite", **self._sent)
        except FileExistsError:
            return None
        except OSError as error:
            if error.errno == errno.ENOSYS and self._create:
                self._create = False  # content is its own name: a second put changes nothing
                return self.send(name, path)
            return error
        except Exception as error:  # of the store's library
            return error
        return None

    def send_small(self, name: str, path: Path) -> bool:
        """Try once to upload a small file where no object is; whether the store's answer tells that it has its bytes.

        Where it does not, whatever the reason, the object is to be looked for.
        """
        if self.address.scheme != "s3":
            self.send(name, path)
            return False
        data = path.read_bytes()
        bucket, _, key = self._full(name).partition("/")
        condition = {"IfNoneMatch": "*"} if self._create else {}
        try:
            answer = self._fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
        except Exception:  # of the store's library; what is wrong is told by `put`, which tries again
            return False
        told = str(answer.get("ETag", "")).strip('"')
        return told == hashlib.md5(data, usedforsecurity=False).hexdigest()

    def put_bytes(self, name: str, data: bytes) -> None:
        """Write a small object, over one that is there."""
        what = f"object {name} could not be written"
        try:
            self._call(what, lambda: self._fs.pipe_file(self._full(name), data))
        except FileNotFoundError as error:
            raise self._failure(what, error) from error

    def get(self, name: str) -> bytes | None:
        """The bytes of a small object."""
        return self._asked(f"{name} could not be read", lambda: bytes(self._fs.cat_file(self._full(name))))

    def stat(self, name: str) -> ObjectState | None:
        """What the store tells about an object."""
        found = self._asked(f"{name} could not be looked for", lambda: self._fs.info(self._full(name)))
        return _state(found) if found is not None and found["type"] == "file" else None

    def reader(self, name: str) -> Reader:
        """The bytes of an object, a part at a time. Raises NotFoundError when they are first read."""
        return Reader(self, name, self._parts, self._buffered)

    def part(self, name: str, start: int) -> bytes:
        """One part of an object; empty behind its end. Raises NotFoundError."""

        def ask() -> bytes:
            try:
                return bytes(self._fs.cat_file(self._full(name), start=start, end=start + PART))
            except Exception as error:
                if _is_behind_end(error):
                    return b""
                raise

        found = self._asked(f"blob {name.replace('/', '')} could not be read", ask)
        if found is None:
            raise NotFoundError(f"there is no object {name} in {self}")
        return found

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are not there are removed already."""
        wanted = [self._full(name) for name in names]
        if self.address.scheme == "s3":
            for start in range(0, len(wanted), 1000):
                some = wanted[start : start + 1000]
                self._asked("objects could not be removed", lambda some=some: self._fs.rm(some))  # type: ignore[misc]
        else:
            self.each(self._remove_one, wanted)

    def _remove_one(self, full: str) -> None:
        self._asked("an object could not be removed", lambda: self._fs.rm_file(full))

    def set_aside(self, name: str, target: str = "") -> None:
        """Move an object to where nobody looks for it."""
        aside = self._full(target or "damaged/" + name.replace("/", ""))

        def move() -> None:
            self._fs.cp_file(self._full(name), aside)
            self._fs.rm_file(self._full(name))

        self._asked(f"{name} could not be set aside", move)

    # -- many --------------------------------------------------------------------------------------------------------

    def walk(self, folder: str = "") -> Iterator[tuple[str, ObjectState]]:
        """Every object, or those of a folder, with their names below the root."""
        below = self._full(folder) if folder else self._root
        found = self._asked("objects could not be listed", lambda: self._fs.find(below, detail=True)) or {}
        for full, info in found.items():
            if info["type"] == "file":
                yield full.lstrip("/")[len(self._root) + 1 :], _state(info)

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """What a function gives for each item, several at a time. The first error comes when all have ended."""
        futures = [self._requests.submit(function, item) for item in items]
        errors = [future.exception() for future in futures]
        for error in errors:
            if error is not None:
                raise error
        return [future.result() for future in futures]

    def uploads(self) -> Iterator[tuple[str, str, float]]:
        """Uploads in parts that were begun and not ended: name, number and time of each, where the store tells them."""
        if self.address.scheme != "s3":
            return
        bucket, _, prefix = self._root.partition("/")
        found = self._asked("uploads could not be listed", lambda: self._fs.list_multipart_uploads(bucket)) or ()
        for item in found:
            name = str(item["Key"])
            if name.startswith(prefix + "/" if prefix else ""):
                yield name[len(prefix) + 1 if prefix else 0 :], item["UploadId"], _seconds(item["Initiated"])

    def end_upload(self, name: str, number: str) -> None:
        """Give an upload up."""
        bucket, _, key = self._full(name).partition("/")
        self._asked(
            "an upload could not be ended",
            lambda: self._fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=number),
        )

    # -- patience ----------------------------------------------------------------------------------------------------

    def _asked(self, what: str, action: Callable[[], Result]) -> Result | None:
        """Do something; None where there is no such object."""
        try:
            return self._call(what, action)
        except FileNotFoundError:
            return None

    def _call(self, what: str, action: Callable[[], Result]) -> Result:
        """Do something, again when it fails for what may pass. Raises FileNotFoundError, StorageError."""
        failed: Exception = OSError(errno.EIO, "it was never tried")
        for number in range(self._tries):
            try:
                return action()
            except (FileNotFoundError, StorageError):
                raise
            except Exception as error:  # of the store's library
                failed = error
                if not _passes(error):
                    break
            self._wait(number)
        raise self._failure(what, failed)

    def _wait(self, number: int) -> None:
        if number < self._tries - 1:
            self._pause(FIRST_PAUSE * 2**number * (0.5 + random.random()))  # noqa: S311 - so that not all come at once

    def _failure(self, what: str, error: Exception) -> StorageError:
        words = str(error) or type(error).__name__
        if isinstance(error, FileNotFoundError):
            hint = "is there such a bucket or container? pipelinekit makes none"
        elif isinstance(error, PermissionError) or type(error).__name__ in _REFUSED:
            hint = (
                "give credentials that may list, read, write and remove objects there, as the store's library expects"
            )
        else:
            hint = "try again when the store can be reached; nothing was half-written"
        return StorageError(f"{what} in {self}: {words}", hint=hint)

    # -- the library -------------------------------------------------------------------------------------------------

    @cached_property
    def _fs(self) -> Any:
        scheme = self.address.scheme
        if scheme in ("gs", "gcs"):  # else it asks for the kind of the bucket by another way, for up to a minute
            os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        try:
            made = fsspec.filesystem(scheme, **_options(self.address))
        except ImportError as error:
            raise StorageError(
                f"the blobs are kept in {self}, and what reads such stores is not installed: {error}",
                hint=f"pip install 'pipelinekit[{EXTRAS.get(scheme, scheme)}]'",
            ) from error
        except ValueError as error:
            raise StorageError(
                f"the object store {self} cannot be opened: {error}",
                hint="give account and credentials by the environment, as the library of the store says",
            ) from error
        if scheme == "s3":
            made.retries = 1  # patience is ours
        return made

    @cached_property
    def _sent(self) -> Mapping[str, Any]:
        """What bounds the memory of an upload."""
        if self.address.scheme == "s3":
            return {"chunksize": PART, "max_concurrency": AHEAD}
        if self.address.scheme in ("gs", "gcs"):
            return {"chunksize": PART, "consistency": "md5"}
        return {"max_concurrency": AHEAD} if self.address.scheme in EXTRAS else {}

    @cached_property
    def _requests(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(AT_ONCE, "pipelinekit-object")

    @cached_property
    def _parts(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(BUFFERED, "pipelinekit-part")

    def _full(self, name: str) -> str:
        return f"{self._root}/{name}"


class Reader:
    """Reads an object in order, while its next parts are on their way. Each part is asked for again if it fails."""

    def __init__(
        self, store: ObjectStore, name: str, pool: ThreadPoolExecutor, buffered: threading.BoundedSemaphore
    ) -> None:
        self._store, self._name, self._pool, self._buffered = store, name, pool, buffered
        self._coming: deque[Future[bytes]] = deque()
        self._asked = self._given = 0
        self._size: int | None = None

    def read(self, _: int = -1) -> bytes:
        """The next bytes, as many as come together; empty at the end."""
        if self._given == 0:
            first = self._store.part(self._name, 0)
            self._given = self._asked = max(len(first), 1)
            if len(first) == PART:
                state = self._store.stat(self._name)
                self._size = state.size if state else PART
            return first
        if self._size is None or self._given >= self._size:
            return b""
        self._ask()
        try:
            data = self._coming.popleft().result()
        finally:
            self._buffered.release()
        if not data:
            return b""  # shorter than the store had said: the digest will tell
        self._given += len(data)
        return data

    def _ask(self) -> None:
        assert self._size is not None
        while self._asked < self._size and len(self._coming) < AHEAD:
            if not self._buffered.acquire(blocking=not self._coming):
                return
            self._coming.append(self._pool.submit(self._store.part, self._name, self._asked))
            self._asked += PART

    def close(self) -> None:
        """Let go of what is on its way."""
        while self._coming:
            future = self._coming.popleft()
            if not future.cancel():
                with suppress(Exception):
                    future.result()
            self._buffered.release()


def _options(address: StoreAddress) -> dict[str, Any]:
    common: dict[str, Any] = {"use_listings_cache": False}
    if address.scheme == "s3":
        return {
            **common,
            **({"endpoint_url": address.endpoint} if address.endpoint else {}),
            "client_kwargs": {"region_name": address.region} if address.region else {},
            "config_kwargs": {
                "connect_timeout": 10,
                "read_timeout": 30,
                "retries": {"max_attempts": 2, "mode": "standard"},
                "max_pool_connections": AT_ONCE + BUFFERED,
            },
        }
    if address.scheme in ("gs", "gcs"):
        return {**common, **({"endpoint_url": address.endpoint} if address.endpoint else {})}
    if address.scheme in EXTRAS:
        return {**common, **({"account_host": address.endpoint} if address.endpoint else {})}
    return {}


def _passes(error: Exception) -> bool:
    """Whether another try may succeed."""
    return not isinstance(error, FileNotFoundError | PermissionError | StorageError | ValueError | TypeError) and (
        type(error).__name__ not in _REFUSED
    )


def _is_behind_end(error: Exception) -> bool:
    """Whether a store says that an object has no bytes from there on."""
    words = f"{type(error).__name__} {error}"
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    return status in (416, "416") or "InvalidRange" in words or "not satisfiable" in words


def _state(info: Mapping[str, Any]) -> ObjectState:
    for name in ("LastModified", "last_modified", "updated", "modified", "created"):
        if info.get(name):
            return ObjectState(int(info["size"] or 0), _seconds(info[name]))
    return ObjectState(int(info["size"] or 0), 0.0)


def _seconds(when: Any) -> float:
    if isinstance(when, datetime):
        return when.timestamp()
    if isinstance(when, str):
        return datetime.fromisoformat(when).timestamp()
    return float(when)
