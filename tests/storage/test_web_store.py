"""A web server as a store: read file by file, and never a door to what only this machine can reach."""

import pytest
from servers import web_server

from pipelinekit.domain.datastores import Datastore
from pipelinekit.domain.hosts import is_public
from pipelinekit.errors import NotFoundError, StorageError, UsageError
from pipelinekit.storage.stores.opening import StoreOpener
from pipelinekit.testing.datastores import MemorySecretValues

SECRETS = MemorySecretValues({"password": "the-very-secret"})


@pytest.fixture
def server():
    with web_server({"/data/a.csv": b"a\n1\n", "/data/b%20c.csv": b"2", "/outside": b"secret"}) as server:
        yield server


def store_of(server, secrets=(), allow_private=True):
    return StoreOpener(lambda: SECRETS)(Datastore("web", f"{server.url}/data", {}, dict(secrets), allow_private))


def test_files_are_found_and_read_by_their_paths(server):
    store = store_of(server)
    store.check()
    (found,) = store.files("a.csv")
    assert (found.path, found.size) == ("a.csv", 4)
    assert found.mark.startswith("ETag=")
    assert list(store.files("nothing.csv")) == []
    with store.read("b c.csv") as stream:
        assert stream.read() == b"2"
    with pytest.raises(NotFoundError, match=r"there is no file 'x' in datastore 'web'"):
        store.read("x")
    assert store.local("a.csv") is None


def test_it_keeps_no_lists_and_takes_no_files(server, tmp_path):
    with pytest.raises(UsageError, match="keeps no lists"):
        store_of(server).files("")
    with pytest.raises(UsageError, match="can only be read"):
        store_of(server).write("a.csv", tmp_path)


@pytest.mark.parametrize("path", ["../outside", "a/../../outside", "/outside", "./a.csv", "a\r\nHost: x"])
def test_no_path_leads_out_of_its_root(server, path):
    for action in (store_of(server).read, store_of(server).files):
        with pytest.raises(UsageError, match="not allowed"):
            action(path)
    assert server.asked == []


def test_an_encoded_way_up_is_a_name_like_any_other(server):
    with pytest.raises(NotFoundError):
        store_of(server).read("%2e%2e/outside")
    assert server.asked[-1][1] == "/data/%252e%252e/outside"


def test_an_address_that_is_not_public_is_refused_unless_that_is_allowed(server):
    with pytest.raises(UsageError, match=r"127\.0\.0\.1, which is not public") as error:
        store_of(server, allow_private=False).check()
    assert "allow_private" in error.value.hint
    assert server.asked == []


def test_a_redirect_is_looked_at_like_the_first_address(server, monkeypatch):
    """The first host counts as public here; where it redirects to does not."""
    server.redirects["/data/away"] = "http://127.0.0.2:1/metadata"
    monkeypatch.setattr("pipelinekit.storage.connections.is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(UsageError, match=r"127\.0\.0\.2, which is not public"):
        store_of(server, allow_private=False).read("away")


def test_redirects_are_followed_without_the_credentials_where_they_lead_elsewhere(server):
    with web_server({"/there": b"found"}) as other:
        server.redirects["/data/away"] = f"{other.url}/there"
        server.redirects["/data/here"] = "/data/a.csv"
        server.password = "the-very-secret"
        store = store_of(server, {"token": "password"})
        with store.read("away") as stream:
            assert stream.read() == b"found"
        with store.read("here") as stream:
            assert stream.read() == b"a\n1\n"
        assert other.asked == [("GET", "/there", "")]


def test_other_protocols_are_not_followed_to(server):
    server.redirects["/data/file"] = "file:///etc/passwd"
    with pytest.raises(StorageError):
        store_of(server).read("file")


def test_redirects_end(server):
    server.redirects["/data/round"] = "/data/round"
    with pytest.raises(StorageError, match="302"):
        store_of(server).read("round")


def test_refused_credentials_are_told_without_being_shown(server):
    server.password = "another"
    with pytest.raises(StorageError, match="401") as error:
        store_of(server, {"token": "password"}).check()
    assert "the-very-secret" not in str(error.value)


def test_an_answer_that_ends_early_is_an_error(server):
    server.cut = 2
    with store_of(server).read("a.csv") as stream, pytest.raises(StorageError, match=r"early|IncompleteRead"):
        stream.read()


def test_a_server_that_is_not_there_is_told():
    record = Datastore("web", "http://127.0.0.1:9/data", {}, {}, allow_private=True)
    with pytest.raises(StorageError, match="cannot be reached"):
        StoreOpener(lambda: SECRETS)(record).check()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_of_this_network_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_open_network_are(address):
    assert is_public(address)
