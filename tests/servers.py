"""Servers that tests start: S3 in a process of its own, and a web server in a thread."""

import http.server
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager


class S3Server:
    """moto's server: it takes any credentials, and keeps everything in memory."""

    def __init__(self, url):
        self.url = url

    def make_bucket(self, name):
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT"), timeout=30):
            return


@contextmanager
def s3_server(log):
    """An S3 server, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=stream, stderr=stream
        )
        try:
            deadline = time.monotonic() + 120
            while not _answers(url):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, "the S3 server does not answer"
                time.sleep(0.05)
            yield S3Server(url)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


class WebServer(http.server.ThreadingHTTPServer):
    """A web server with files in a dict, which counts what it is asked; `redirects` lead elsewhere."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(files)
        self.redirects = {}
        self.asked = []
        self.password = ""
        self.cut = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(body=True)

    def do_HEAD(self):
        self.answer(body=False)

    def answer(self, body):
        server = self.server
        server.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
        if server.password and self.headers.get("Authorization") != f"Bearer {server.password}":
            self.send_error(401)
        elif self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path in server.files:
            data = server.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hash(data)}"')
            self.end_headers()
            if body:
                self.wfile.write(data[: len(data) - server.cut])
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


@contextmanager
def web_server(files):
    """A web server, until the end of the block."""
    server = WebServer(files)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
