"""Connections to a server that listens: who is slow, silent or does not read is not waited for."""

import json
import socket
import ssl
import time
from contextlib import contextmanager

import httpx
import pytest
from certificates import Authority
from conftest import wait_for

from pipelinekit import Workspace
from pipelinekit.errors import StorageError
from pipelinekit.rest import connections, guard
from pipelinekit.rest.server import Address, HTTPServer

HEAD = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n"
SOON = 0.3


@pytest.fixture(scope="module")
def listening(service, tmp_path_factory):
    """A server in this process."""
    made = HTTPServer(service.services, Address(port=0), tmp_path_factory.mktemp("log") / "server.log", "0")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def hurry(monkeypatch):
    """What is waited for is waited for shortly."""
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "STALL_SECONDS"):
        monkeypatch.setattr(connections, name, SOON)


@contextmanager
def connected(server, **options):
    with socket.socket() as made:
        made.settimeout(30)
        for option, value in options.items():
            made.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        made.connect(server._socket.getsockname())
        yield made


def trickle(connection, byte=b"a"):
    """Send a byte now and then until the server has had enough of it; all that it said."""
    said = b""
    connection.settimeout(0.05)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            connection.sendall(byte)
            part = connection.recv(1 << 16)
        except TimeoutError:
            continue
        except OSError:
            return said
        if not part:
            return said
        said += part
    raise AssertionError("it was waited for")


def test_who_says_nothing_is_not_waited_for(listening, hurry):
    with connected(listening) as silent:
        assert silent.recv(10) == b""


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(listening, hurry):
    with connected(listening) as slow:
        slow.sendall(HEAD + b"x-slow: ")
        said = trickle(slow)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["status"] == 408


def test_nor_is_a_second_one_on_a_connection_that_was_good(listening, hurry):
    with connected(listening) as slow:
        slow.sendall(HEAD + b"\r\n")
        said = b""
        while b"alive" not in said:
            said += slow.recv(1 << 16)
        slow.sendall(HEAD + b"x-slow: ")
        assert trickle(slow).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("length", [b"content-length: 100000", b"transfer-encoding: chunked"])
def test_a_body_that_nobody_reads_is_not_waited_for(listening, hurry, length):
    """Whoever is refused before the body is read cannot keep the connection by going on with it."""
    with connected(listening) as slow:
        head = b"POST /api/v1/pipelines/x/runs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        slow.sendall(head + length + b"\r\n\r\n")
        said = trickle(slow, b" " if b"content" in length else b"1\r\n \r\n")
    assert said.startswith(b"HTTP/1.1 401 ")


def test_who_is_quick_is_served_meanwhile(listening, hurry, service):
    with httpx.Client(base_url=listening.url, headers={"authorization": f"Bearer {service.owner}"}) as client:
        until = time.monotonic() + 3 * SOON
        while time.monotonic() < until:  # one connection, for longer than any part of a request may take
            assert client.get("/api/v1/runs").status_code == 200
            assert client.post("/api/v1/pipeline-endpoints/other/runs", json={}).status_code in (202, 429)


def test_an_answer_that_takes_longer_than_its_request_may_is_given(listening, hurry, service):
    headers = {"authorization": f"Bearer {service.owner}", "prefer": "wait=1"}

    def asked():
        answer = httpx.post(f"{listening.url}/api/v1/pipeline-endpoints/other/runs", json={}, headers=headers)
        return None if answer.status_code == 429 else answer  # whoever was quick has left little of what may be asked

    answer = wait_for(asked)
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=1")


def is_ended(deaf):
    """Send one request more, and take no answer; whether the connection has ended."""
    deaf.settimeout(SOON / 10)
    try:
        deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def test_who_does_not_read_answers_loses_the_connection_and_costs_no_more_memory(listening, hurry):
    """Requests are sent on and on, and no answer is taken: then nothing more is read, and the connection ends."""
    with connected(listening, SO_RCVBUF=4096) as deaf:
        wait_for(lambda: is_ended(deaf), 30)


def test_who_does_not_read_a_stream_loses_it(listening, hurry, service, monkeypatch):
    monkeypatch.setattr("pipelinekit.rest.run_events._text", lambda *_: "data: " + "x" * 100_000 + "\n\n")
    run = service("POST", "/api/v1/pipeline-endpoints/other/runs", json={}).json()["id"]
    token = service.token("deaf", role="reader")
    desk = listening._desk
    path = f"/api/v1/runs/{run}/events"
    head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n".encode()
    with connected(listening, SO_RCVBUF=4096) as deaf:
        deaf.sendall(head)
        wait_for(lambda: desk.streams._open.total() == 1)
        for number in range(200):
            service("PATCH", f"/api/v1/runs/{run}/tags", json={"set": {"n": str(number)}})
        service("POST", f"/api/v1/runs/{run}/cancel")
        wait_for(lambda: desk.streams._open.total() == 0)


def test_over_tls_it_is_the_same(service, tmp_path, hurry):
    authority = Authority("office")
    for name, text in zip(
        ("ca", "cert", "key"), (authority.ca, *authority.certify("server", "127.0.0.1")), strict=True
    ):
        (tmp_path / name).write_text(text)
    address = Address(port=0, certificate=str(tmp_path / "cert"), key=str(tmp_path / "key"))
    server = HTTPServer(service.services, address, tmp_path / "server.log", "0")
    server.start()
    try:
        assert server.url.startswith("https://127.0.0.1:")
        runs = Workspace.connect(server.url, service.owner, certificate=str(tmp_path / "ca")).runs.list(limit=1)
        assert len(runs) <= 1
        with pytest.raises(StorageError, match="certificate"):
            Workspace.connect(server.url, service.owner).runs.list()
        context = ssl.create_default_context(cafile=str(tmp_path / "ca"))
        with connected(server) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as slow:
            slow.sendall(HEAD + b"x-slow: ")
            assert trickle(slow).startswith(b"HTTP/1.1 408 ")
        with connected(server) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as silent:
            assert silent.recv(10) == b""
        assert len(httpx.get(f"{server.url}/openapi.json", verify=context).json()["paths"]) > 20
        with (
            connected(server, SO_RCVBUF=4096) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as deaf,
        ):
            wait_for(lambda: is_ended(deaf), 30)
        with connected(server) as plain:
            plain.sendall(HEAD + b"\r\n")
            assert b"200" not in plain.recv(1 << 16)
    finally:
        server.stop()


# -- forms of requests that two servers may read in two ways ---------------------------------------------------------------


def said_to(server, sent):
    """What is answered until the connection is closed."""
    with connected(server) as made:
        made.sendall(sent)
        found = b""
        while part := made.recv(1 << 16):
            found += part
    return found


POST = b"POST /api/v1/pipelines/x/runs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
SECOND = b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b"content-length: 0\r\ncontent-length: 44\r\n\r\n",
        b"content-length: +0\r\n\r\n",
        b"content-length: 0x2\r\n\r\n{}",
        b"content-length: 0\r\n x-folded: 1\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n0000000000000000000000000000000002\r\n{}\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_a_request_whose_end_may_be_taken_for_another_is_refused_and_nothing_behind_it_is_read(listening, hurry, head):
    said = said_to(listening, POST + head + SECOND)
    statuses = [part.split(b" ", 1)[0] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"400"], said


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: 127.0.0.1\r\n",
        b"GET http://127.0.0.1/health HTTP/1.1\r\nhost: evil.example\r\n",
        b"GET /health HTTP/1.1\r\nhost: 127.0.0.1@evil.example\r\n",
        b"GET /health HTTP/1.1\r\nhost: evil.example#127.0.0.1\r\n",
        b"GET /health HTTP/1.1\r\nhost: evil.example:127.0.0.1\r\n",
        b"GET /health HTTP/1.0\r\n",
    ],
)
def test_no_other_header_stands_for_the_name_of_the_host(listening, head):
    assert said_to(listening, head + b"connection: close\r\n\r\n").startswith(b"HTTP/1.1 421 ")


def test_a_large_head_is_refused_before_it_is_whole(listening):
    with connected(listening) as large:
        refused = b""
        try:
            for _ in range(200):
                large.sendall(b"GET /health HTTP/1.1\r\nx: " + b"a" * 10_000)
            refused = large.recv(1 << 16)
        except ConnectionError:
            refused = b"HTTP/1.1 400 "
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert guard.HEADER_BYTES < 1 << 16
