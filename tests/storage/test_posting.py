"""Messages to web servers: each goes where was looked at and nowhere else, and nobody's answer costs much."""

import socket
import ssl
import threading
from contextlib import contextmanager

import pytest
from certificates import Authority
from hook_server import hook_server

from pipelinekit.domain.hosts import read_url
from pipelinekit.storage.posting import MOST_BYTES, HTTPPoster

HEADERS = {"webhook-id": "msg_1"}


@pytest.fixture(scope="module")
def server():
    with hook_server() as made:
        yield made


@pytest.fixture(autouse=True)
def _fresh(server):
    server.got.clear()
    server.answers, server.headers, server.body = [], {}, b""


def resolving(*answers):
    """A resolver that gives these lists of addresses one after the other, and counts how often it was asked."""
    coming = iter(answers)

    def resolve(host, port):
        resolve.asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(coming)]

    resolve.asked = []
    return resolve


def post(url, poster=None, *, private=True, headers=HEADERS):
    return (poster or HTTPPoster()).post(read_url(url, "it"), headers, b'{"a":1}', private=private)


def test_a_message_arrives_as_it_is(server):
    server.body = b"thanks\x1b[2J\n" * 3
    server.answers = [200]
    answer = post(f"http://127.0.0.1:{server.port}/hook?key=x")
    assert (answer.status, answer.good, answer.text) == (200, True, "thanks\\x1b[2J " * 3)
    ((path, headers, body),) = server.got
    assert (path, body) == ("/hook?key=x", b'{"a":1}')
    assert headers == {
        "host": f"127.0.0.1:{server.port}", "user-agent": "pipelinekit", "content-type": "application/json",
        "content-length": "7", "accept-encoding": "identity", "connection": "close", "webhook-id": "msg_1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "localhost", "hook.example"]
)
def test_nothing_is_connected_to_that_is_not_public(server, host):
    poster = HTTPPoster(resolving(["127.0.0.1"])) if host == "hook.example" else HTTPPoster()
    answer = post(f"http://{host}:{server.port}/", poster, private=False)
    assert answer.status == 0
    assert "which is not public" in answer.text
    assert server.got == []


def test_one_address_that_is_not_public_is_enough(server):
    answer = post(f"http://hook.example:{server.port}/", HTTPPoster(resolving(["8.8.8.8", "127.0.0.1"])), private=False)
    assert "127.0.0.1, which is not public" in answer.text
    assert server.got == []


def test_a_name_is_asked_for_once_and_what_it_was_then_is_connected_to(server, monkeypatch):
    """The first answer counts as public here. Who asked again when connecting would go to the second."""
    monkeypatch.setattr("pipelinekit.storage.connections.is_public", lambda address: address == "127.0.0.1")
    resolve = resolving(["127.0.0.1"], ["127.0.0.2"])
    poster = HTTPPoster(resolve)
    url = f"http://hook.example:{server.port}/"
    assert post(url, poster, private=False).status == 204
    assert resolve.asked == ["hook.example"]
    assert server.got[0][1]["host"] == f"hook.example:{server.port}"
    assert "127.0.0.2, which is not public" in post(url, poster, private=False).text
    assert len(server.got) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server, status):
    server.answers = [status]
    server.headers = {"Location": server.url}
    answer = post(server.url)
    assert (answer.status, answer.good) == (status, False)
    assert "not followed" in answer.text
    assert len(server.got) == 1


def test_no_proxy_is_used(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(server.url).status == 204


def test_a_server_may_ask_to_be_left_alone(server):
    server.answers, server.headers = [503, 503], {"Retry-After": "120"}
    assert post(server.url).wait == 120.0
    server.headers = {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}
    assert post(server.url).wait == 0.0


def test_no_header_begins_a_line_of_its_own(server):
    answer = post(server.url, headers={"webhook-id": "x\r\nHost: other"})
    assert "line break" in answer.text
    assert server.got == []


@contextmanager
def raw_server(*chunks, wait=False):
    """A server that sends these bytes whatever it is asked; with `wait` it then says nothing for long."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve():
        made, _ = listener.accept()
        with made:
            made.recv(65536)
            try:
                for chunk in chunks:
                    made.sendall(chunk)
                    over.wait(0.01 if wait else 0)
                if wait:
                    over.wait(30)
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        over.set()
        listener.close()
        thread.join()


@pytest.mark.parametrize("chunks", [(), (b"HTTP/1.1 ",), (b"H",) * 500, (b"HTTP/1.1 100 Continue\r\n\r\n",) * 500])
def test_who_takes_too_long_has_not_answered_however_he_does_it(chunks):
    with raw_server(*chunks, wait=True) as url:
        answer = post(url, HTTPPoster(seconds=0.3))
    assert (answer.status, answer.text) == (0, "there was no answer within 0.3 s")


def test_a_name_that_nobody_answers_for_is_not_waited_for():
    over = threading.Event()

    def resolve(host, port):
        over.wait(30)
        return []

    answer = post("https://hook.example/", HTTPPoster(resolve, seconds=0.2))
    over.set()
    assert "within 0.2 s" in answer.text


def test_once_the_status_is_known_the_rest_does_not_matter():
    for chunks in (
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nshort",),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4 * MOST_BYTES),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense",),
    ):
        with raw_server(*chunks) as url:
            answer = post(url)
        assert answer.good, answer
        assert len(answer.text) <= MOST_BYTES


def test_headers_without_end_are_not_read():
    with raw_server(b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"y" * 8000 + b"\r\n"] * 20) as url:
        answer = post(url)
    assert answer.status == 0
    assert "more than 65536 bytes" in answer.text


def test_what_is_no_answer_is_told():
    with raw_server(b"SSH-2.0-nonsense\r\n") as url:
        assert "BadStatusLine" in post(url).text
    with raw_server() as url:
        assert post(url).status == 0
    assert "refused" in post("http://127.0.0.1:9/").text
    assert "no address" in post("https://hook.example/", HTTPPoster(resolving([]))).text


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """A server with a certificate for one name, what trusts it, and the names that were asked for."""
    folder, authority = tmp_path_factory.mktemp("tls"), Authority("hooks")
    certificate, key = authority.certify("hook.example", "hook.example")
    (folder / "pem").write_text(certificate + key)
    asked = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem")
    context.sni_callback = lambda made, name, _: asked.append(name)
    with hook_server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None
        yield server, lambda: ssl.create_default_context(cadata=authority.ca), asked


def test_a_certificate_is_looked_at_for_the_name_that_was_given(secure):
    server, trusting, asked = secure
    poster = HTTPPoster(resolving(["127.0.0.1"], ["127.0.0.1"]), context=trusting)
    assert post(f"https://hook.example:{server.port}/", poster).status == 204
    assert asked == ["hook.example"]
    answer = post(f"https://other.example:{server.port}/", poster)
    assert "CERTIFICATE_VERIFY_FAILED" in answer.text
    assert len(server.got) == 1


def test_a_certificate_of_nobody_is_not_trusted(secure):
    server, _, _ = secure
    poster = HTTPPoster(resolving(["127.0.0.1"]))
    assert "CERTIFICATE_VERIFY_FAILED" in post(f"https://hook.example:{server.port}/", poster).text
