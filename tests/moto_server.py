"""An S3 server for tests, in a process of its own: moto, and a word to it that lets everything in a bucket grow old.

Prints the number of its port; ends when its standard input does.
"""

import datetime
import os
import sys
import threading
from urllib.parse import parse_qs

from moto.backends import get_backend
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


def aging(application):
    def answer(environ, start_response):
        if environ["PATH_INFO"] != "/age":
            return application(environ, start_response)
        query = parse_qs(environ["QUERY_STRING"])
        by = datetime.timedelta(seconds=float(query["seconds"][0]))
        bucket = get_backend("s3")[ACCOUNT]["aws"].buckets[query["bucket"][0]]
        for key in bucket.keys.values():
            key.last_modified -= by
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    return answer


def main():
    server = make_server(
        "127.0.0.1",
        0,
        aging(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=Quiet,
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


main()
