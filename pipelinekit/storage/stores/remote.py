"""What fsspec reaches as a store: S3, Azure Blob, Google Cloud Storage, SFTP.

A file system is made from the registered URL and options alone; what it names is held to the root, whatever it says.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import fsspec

from pipelinekit.domain.datastores import Datastore, StoreFile, check_path, host_of
from pipelinekit.errors import NotFoundError, PipelinekitError, StorageError, UsageError
from pipelinekit.late import late

if TYPE_CHECKING:
    from pipelinekit.storage.stores import sftp
else:
    sftp = late("pipelinekit.storage.stores.sftp")

# kind of store -> protocol of fsspec, module it needs, extra that installs it
NEEDS = {
    "s3": ("s3", "s3fs", "s3"),
    "azure": ("abfs", "adlfs", "azure"),
    "gcs": ("gcs", "gcsfs", "gcs"),
    "sftp": ("sftp", "paramiko", "sftp"),
}


class RemoteStore:
    """Implements `ports.Store` through fsspec. `secrets` are values by option."""

    def __init__(self, store: Datastore, secrets: Mapping[str, str]) -> None:
        self._name = store.name
        self._secrets = tuple(value for value in secrets.values() if value)
        protocol, module, extra = NEEDS[store.kind]
        if importlib.util.find_spec(module) is None:
            raise UsageError(
                f"datastore {store.name!r} needs {module}, which is not installed",
                hint=f"pip install 'pipelinekit[{extra}]'",
            )
        host, _, path = store.url.partition("://")[2].partition("/")
        self._root = f"/{path}".rstrip("/") if store.kind == "sftp" else f"{host}/{path}".rstrip("/")
        self._bucket = "" if store.kind == "sftp" else host
        with self._told("cannot be reached"):
            options = _OPTIONS[store.kind](store, secrets)
            if self._bucket:
                options["use_listings_cache"] = False
            self._system: Any = fsspec.filesystem(protocol, skip_instance_cache=True, **options)

    def check(self) -> None:
        """Look at the root, which takes credentials and a connection. Below a bucket there may be nothing yet."""
        with self._told("cannot be reached"):
            try:
                self._system.ls(self._root or "/", detail=False)
            except FileNotFoundError:
                if self._bucket and self._bucket != self._root and self._system.exists(self._bucket):
                    return
                raise StorageError(
                    f"datastore {self._name!r}: there is no {self._bucket or self._root}",
                    hint="create it, or correct the URL",
                ) from None

    def files(self, path: str) -> Iterable[StoreFile]:
        """The file at a path, or all below a folder; in the order of their paths."""
        place = self._place(path)
        with self._told(path):
            try:
                state = self._system.info(place)
            except FileNotFoundError:
                return []
            alone = state["type"] == "file" and path
            found = {place: state} if alone else self._system.find(place, detail=True)
        files = [self._file(name, state) for name, state in found.items() if state["type"] == "file"]
        return sorted((item for item in files if item is not None), key=lambda item: item.path)

    def read(self, path: str) -> BinaryIO:
        """The bytes of a file."""
        with self._told(path):
            try:
                return cast("BinaryIO", self._system.open(self._place(check_path(path)), "rb"))
            except (FileNotFoundError, IsADirectoryError):
                raise NotFoundError(f"there is no file {path!r} in datastore {self._name!r}") from None

    def write(self, path: str, source: Path) -> None:
        """Put a local file there."""
        place = self._place(check_path(path))
        with self._told(path):
            self._system.makedirs(place.rpartition("/")[0], exist_ok=True)
            self._system.put_file(str(source), place)

    def local(self, path: str) -> Path | None:  # noqa: ARG002 - the port's
        """Nothing lies on this machine."""
        return None

    def _place(self, path: str) -> str:
        return f"{self._root}/{check_path(path)}" if path else self._root or "/"

    def _file(self, name: str, state: Mapping[str, Any]) -> StoreFile | None:
        """A file that was found; markers of empty folders are none, and what lies outside is refused."""
        prefix = f"{self._root.strip('/')}/" if self._root.strip("/") else ""
        whole = name.strip("/")
        if not whole.startswith(prefix) or name.endswith("/"):
            return None
        marks = [f"{key}={state[key]}" for key in _MARKS if state.get(key)]
        return StoreFile(check_path(whole.removeprefix(prefix)), int(state.get("size") or 0), " ".join(marks))

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Say in words what the library could not do; libraries raise what they like, and may quote what they got."""
        try:
            yield
        except PipelinekitError:
            raise
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            for secret in self._secrets:
                words = words.replace(secret, "***")
            hint = "see its URL, options and secrets: 'pipelinekit datastores list'"
            raise StorageError(f"datastore {self._name!r}: {what}: {words}", hint=hint) from None


_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "VersionId", "LastModified", "last_modified", "mtime")


def _s3(store: Datastore, secrets: Mapping[str, str]) -> dict[str, Any]:
    options, client = store.options, {}
    if "endpoint" in options:
        client["endpoint_url"] = options["endpoint"]
    if "region" in options:
        client["region_name"] = options["region"]
    found: dict[str, Any] = {name: secrets[name] for name in ("key", "secret", "token") if name in secrets}
    return {**found, "anon": _yes(options), "client_kwargs": client}


def _azure(store: Datastore, secrets: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = dict(secrets)
    if "account" in store.options:
        found["account_name"] = store.options["account"]
    if "endpoint" in store.options:
        found["account_host"] = store.options["endpoint"].removeprefix("https://").rstrip("/")
    return {**found, "anon": _yes(store.options)}


def _gcs(store: Datastore, secrets: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"token": "anon"} if _yes(store.options) else dict(secrets)
    if found.get("token", "").lstrip().startswith("{"):  # the key of a service account, which comes as JSON
        found["token"] = json.loads(found["token"])
    if "project" in store.options:
        found["project"] = store.options["project"]
    if "endpoint" in store.options:
        found["endpoint_url"] = store.options["endpoint"]
    return found


def _sftp(store: Datastore, secrets: Mapping[str, str]) -> dict[str, Any]:
    host, port = host_of(store.url)
    found: dict[str, Any] = {"host": host, "port": port or 22}
    if "user" in store.options:
        found["username"] = store.options["user"]
    if "password" in secrets:
        found["password"] = secrets["password"]
    return {**found, "host_key_policy": sftp.KnownHosts(store.name, store.options.get("host_key", ""))}


def _yes(options: Mapping[str, str]) -> bool:
    return options.get("anonymous", "").lower() in ("true", "yes", "1")


_OPTIONS: Mapping[str, Callable[[Datastore, Mapping[str, str]], dict[str, Any]]] = {
    "s3": _s3,
    "azure": _azure,
    "gcs": _gcs,
    "sftp": _sftp,
}
