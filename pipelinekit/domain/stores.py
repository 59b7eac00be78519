"""Where blobs are kept beside the workspace folder: the address of a place in an object store."""

from __future__ import annotations

from pipelinekit.classes import frozen
from pipelinekit.errors import UsageError

SCHEMES = ("s3", "az", "abfs", "abfss", "gs", "gcs")


@frozen
class StoreAddress:
    """An object store: its URL with bucket and prefix, and what else it takes to reach it.

    Credentials are no part of it. They come from where the library of the store looks for them.
    """

    url: str
    endpoint: str = ""
    region: str = ""

    @property
    def scheme(self) -> str:
        """What kind of store it is."""
        return self.url.partition("://")[0]

    def __str__(self) -> str:
        return f"{self.url} at {self.endpoint}" if self.endpoint else self.url


def check_address(address: StoreAddress) -> StoreAddress:
    """The address without a slash at its end. Raises UsageError for what is none, and for credentials inside it."""
    scheme, found, rest = address.url.partition("://")
    if not found or scheme not in SCHEMES:
        raise UsageError(
            f"{_shown(address.url)!r} is no address of an object store",
            hint="write s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or gs://BUCKET/PREFIX",
        )
    bucket, _, prefix = rest.rstrip("/").partition("/")
    for text, of_azure in ((rest.partition("/")[0], scheme.startswith("abfs")), (address.endpoint, False)):
        before, at, _ = text.rpartition("@")
        if at and (":" in before.partition("://")[2] or ":" in before.replace("://", "") or not of_azure):
            raise UsageError(
                f"the address of the object store {_shown(address.url)} holds credentials",
                hint="settings are no place for them; give them by the environment, as the library of the store says",
            )
    if (
        not bucket
        or "?" in rest
        or "#" in rest
        or (prefix and any(part in ("", ".", "..") for part in prefix.split("/")))
    ):
        raise UsageError(f"{address.url!r} is no address of an object store", hint="it needs a bucket, then a prefix")
    return StoreAddress(address.url.rstrip("/"), address.endpoint.rstrip("/"), address.region)


def _shown(url: str) -> str:
    """A URL without what may be credentials."""
    scheme, found, rest = url.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"
