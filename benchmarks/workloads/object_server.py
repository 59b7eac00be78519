"""An S3 server in a process of its own, which keeps everything in memory; ends when its standard input does."""

import os
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager

ACCESS = {
    "AWS_ACCESS_KEY_ID": "an-access-key-of-benchmarks",
    "AWS_SECRET_ACCESS_KEY": "a-secret-key-of-benchmarks",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def serving():
    """Serve while the block runs: the server's address and process. The environment says who may use it."""
    os.environ.update(ACCESS)
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
    finally:
        process.stdin.close()
        process.wait(timeout=30)


def make_bucket(endpoint, name):
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{name}", method="PUT"), timeout=30).close()


def serve():
    from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415 - only the server's
    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_):
            pass

    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve()
