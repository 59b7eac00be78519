"""A server on loopback that takes messages of webhooks, keeps them, and answers as it is told."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
from contextlib import contextmanager


class HookServer(http.server.ThreadingHTTPServer):
    """`answers` holds statuses for the next messages, after which it is 204; `headers` and `body` go with them.

    While `holds` is set, it takes messages and answers nothing.
    """

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers = []
        self.headers = {}
        self.body = b""
        self.got = []
        self.holds = threading.Event()
        self.released = threading.Event()

    @property
    def port(self):
        return self.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def told(self):
        """What it was told, as types with data."""
        return [(item["type"], item["data"]) for item in (json.loads(body) for _, _, body in self.got)]

    def ids(self):
        return [headers["webhook-id"] for _, headers, _ in self.got]

    def check(self, secret):
        """Verify every message as a receiver does, without our code."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        for _, headers, body in self.got:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
            assert f"v1,{wanted}" in headers["webhook-signature"].split(" ")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        if server.holds.is_set():
            server.released.wait(30)
            self.close_connection = True
            return
        self.send_response(server.answers.pop(0) if server.answers else 204)
        for name, value in {"Content-Length": str(len(server.body)), **server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, *_):
        pass


@contextmanager
def hook_server(port=0):
    """A server, until the end of the block."""
    server = HookServer(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
