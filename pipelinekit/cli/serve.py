"""`pipelinekit serve`: a workspace over HTTP; queued runs are driven, schedules fire, what the dead left goes on."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING

import pipelinekit
from pipelinekit.bootstrap import Services, open_services
from pipelinekit.cli.output import time_text
from pipelinekit.errors import UsageError
from pipelinekit.late import late

if TYPE_CHECKING:
    from pipelinekit.rest import server
else:
    server = late("pipelinekit.rest.server")  # an extra, which takes most of a second

RUNS_AT_ONCE, WARM, DRAIN_SECONDS = 4, 1, 30.0
TICKER_SECONDS = 10.0  # that a server waits for what its schedules are doing when it ends
SENDER_SECONDS = 6.0  # and for messages that are under way
HOST, PORT = "127.0.0.1", 8470


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `serve`."""
    parser.add_argument(
        "--runs", type=int, default=RUNS_AT_ONCE, metavar="N", help=f"drive so many runs at once ({RUNS_AT_ONCE})"
    )
    parser.add_argument(
        "--warm", type=int, default=WARM, metavar="N", help=f"keep so many processes ready for runs to come ({WARM})"
    )
    parser.add_argument(
        "--drain",
        type=float,
        default=DRAIN_SECONDS,
        metavar="SECONDS",
        help=f"when it is to end, wait so long for runs ({DRAIN_SECONDS:g}); then their own processes go on with them",
    )
    parser.add_argument("--no-schedules", action="store_true", help="leave schedules to others")
    parser.add_argument("--no-webhooks", action="store_true", help="leave what webhooks are told to others")
    _add_http_arguments(parser)


def _add_http_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-http", action="store_true", help="only drive runs; listen to nobody")
    parser.add_argument("--host", default=HOST, metavar="ADDRESS", help=f"the address to listen at ({HOST})")
    parser.add_argument("--port", type=int, default=PORT, help=f"the port to listen at; 0 for any free one ({PORT})")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name that it is asked for under"
    )
    parser.add_argument("--tls-cert", default="", metavar="FILE", help="a certificate for TLS, as PEM")
    parser.add_argument("--tls-key", default="", metavar="FILE", help="the certificate's key, as PEM")
    parser.add_argument("--behind-proxy", action="store_true", help="what stands in front of it has TLS")


def execute(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes: 0."""
    if arguments.runs < 1 or arguments.warm < 0 or not arguments.drain >= 0:
        words = f"a server cannot have --runs {arguments.runs} --warm {arguments.warm} --drain {arguments.drain:g}"
        raise UsageError(words, hint="--runs is 1 or more, --warm and --drain are 0 or more")
    services = open_services()
    ended, hurried = threading.Event(), threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        (hurried if ended.is_set() else ended).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    listening = nullcontext() if arguments.no_http else _listen(arguments, services, ended)
    ticking = nullcontext() if arguments.no_schedules else _tick(services, ended)
    sending = nullcontext() if arguments.no_webhooks else _send(services, ended)
    with listening, ticking, sending:
        _tell(f"serving {services.home.parent}: {arguments.runs} runs at once; ctrl-C to end")
        services.serve(arguments.runs, arguments.warm, ended, hurried, arguments.drain, _tell)
    _tell("ended")
    return 0


@contextmanager
def _listen(arguments: argparse.Namespace, services: Services, ended: threading.Event) -> Iterator[None]:
    """Serve HTTP meanwhile."""
    hosts = tuple(arguments.allow_host)
    place = arguments.host, arguments.port, hosts, arguments.tls_cert, arguments.tls_key, arguments.behind_proxy
    home = services.home
    try:
        log = home / "cache" / "server.log"
        http = server.HTTPServer(lambda: open_services(home), server.Address(*place), log, pipelinekit.__version__)
    except ImportError as error:
        words = f"nothing can be served over HTTP: {error}"
        raise UsageError(words, hint="install pipelinekit[server], or serve with --no-http") from None
    if not services.wait_for_records(ended, _tell):
        yield
        return
    first = services.tokens.bootstrap()
    http.start()
    _tell(f"listening at {http.url}")
    if first is not None:
        _tell(f"the first owner's token, also in {home / 'bootstrap.token'}: {first.text}")
    try:
        yield
    finally:
        http.stop()


@contextmanager
def _tick(services: Services, ended: threading.Event) -> Iterator[None]:
    """See to the schedules meanwhile, in a thread with services of its own, until the server is to end."""
    home = services.home

    def serve() -> None:
        open_services(home).serve_schedules(ended, _tell, inside=True)

    thread = threading.Thread(target=serve, name="schedules", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(TICKER_SECONDS)


@contextmanager
def _send(services: Services, ended: threading.Event) -> Iterator[None]:
    """Carry messages to webhooks meanwhile, in a thread with services of its own, until the server is to end."""
    home = services.home

    def send() -> None:
        open_services(home).send_messages(ended, _tell, SENDER_SECONDS)

    thread = threading.Thread(target=send, name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(SENDER_SECONDS + 1)


def _tell(words: str) -> None:
    print(f"{time_text(time.time())}  {words}", file=sys.stderr, flush=True)
