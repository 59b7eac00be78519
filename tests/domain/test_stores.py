"""Addresses of object stores, as settings give them."""

import pytest

from pipelinekit.domain.stores import StoreAddress, check_address
from pipelinekit.errors import UsageError


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://bucket/some/prefix/",
        "az://box/prefix",
        "abfs://box@account.dfs.core.windows.net/prefix",
        "gs://bucket/prefix",
    ],
)
def test_addresses(url):
    assert check_address(StoreAddress(url)).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["", "bucket", "http://bucket/prefix", "s3://", "s3:///prefix", "s3://bucket/../x/y", "s3://bucket/x/.."]
)
def test_what_is_no_address_is_told(url):
    with pytest.raises(UsageError, match="is no address of an object store"):
        check_address(StoreAddress(url))


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3://key:secret@bucket/prefix", ""),
        ("s3://secret@bucket/prefix", ""),
        ("abfs://box:secret@account.dfs.core.windows.net/prefix", ""),
        ("s3://bucket/prefix", "https://key:secret@objects.example.org"),
    ],
)
def test_credentials_are_refused_and_not_repeated(url, endpoint):
    with pytest.raises(UsageError, match="holds credentials") as error:
        check_address(StoreAddress(url, endpoint))
    assert "secret" not in str(error.value)
