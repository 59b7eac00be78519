"""`pipelinekit serve`: a workspace over HTTP; queued runs are driven, schedules fire, what the dead left goes on."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pipelinekit
from pipelinekit.bootstrap import Services, open_services
from pipelinekit.cli.ending import Ending, on_signals
from pipelinekit.cli.output import time_text
from pipelinekit.domain.sign_in import ROLE_CLAIM, SignInPolicy, read_roles
from pipelinekit.errors import UsageError
from pipelinekit.late import late

if TYPE_CHECKING:
    from pipelinekit.rest import logs, server
else:
    logs = late("pipelinekit.rest.logs")
    server = late("pipelinekit.rest.server")  # an extra, which takes most of a second

RUNS_AT_ONCE, WARM, DRAIN_SECONDS = 4, 1, 30.0
TICKER_SECONDS = 10.0  # that a server waits for what its schedules are doing when it ends
PATIENCE_SECONDS = 5.0  # with records that are away: who asks or looks again is told, and does not wait for a minute
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
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="",
        help="tell of requests, too, in lines to read or of JSON (without: only of what else happens)",
    )
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
    parser.add_argument(
        "--oidc-issuer", default="", metavar="URL", help="take tokens of this issuer of OpenID Connect, too"
    )
    parser.add_argument("--oidc-audience", default="", metavar="NAME", help="for whom they must be meant")
    parser.add_argument(
        "--oidc-role-claim", default=ROLE_CLAIM, metavar="CLAIM", help=f"where they say a role ({ROLE_CLAIM})"
    )
    parser.add_argument(
        "--oidc-role",
        action="append",
        default=[],
        metavar="VALUE=ROLE",
        help="a value of that claim that gives a role (the roles' own names)",
    )
    parser.add_argument("--behind-proxy", action="store_true", help="what stands in front of it has TLS")


def execute(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes: 0."""
    if arguments.runs < 1 or arguments.warm < 0 or not arguments.drain >= 0:
        words = f"a server cannot have --runs {arguments.runs} --warm {arguments.warm} --drain {arguments.drain:g}"
        raise UsageError(words, hint="--runs is 1 or more, --warm and --drain are 0 or more")
    written = logs.log_to_terminal(arguments.log_format)
    try:
        return _serve(arguments)
    finally:
        logs.stop(written)


def _serve(arguments: argparse.Namespace) -> int:
    services = _opened()
    ended, hurried = Ending(), Ending()

    def end() -> None:
        (hurried if ended.is_set() else ended).set()

    on_signals(end)
    listening = nullcontext() if arguments.no_http else _listen(arguments, services, ended)
    ticking = nullcontext() if arguments.no_schedules else _tick(services, ended)
    if untraced := services.untraced():
        _tell(untraced)
    sending = nullcontext() if arguments.no_webhooks else _send(services, ended)
    with listening, ticking, sending:
        _tell(f"serving {services.home.parent}: {arguments.runs} runs at once; ctrl-C to end")
        services.serve(arguments.runs, arguments.warm, ended, hurried, arguments.drain, _tell)
    if services.tracing is not None:
        services.tracing.flush()
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
        version = pipelinekit.__version__
        policy = _policy(arguments)
        extras = services.tracing, services.sign_in(policy) if policy else None
        http = server.HTTPServer(lambda: _opened(home), server.Address(*place), log, version, *extras)
    except ImportError as error:
        words = f"nothing can be served over HTTP: {error}"
        hint = "install pipelinekit[server], and [oidc] for --oidc-issuer; or serve with --no-http"
        raise UsageError(words, hint=hint) from None

    def show_token() -> None:
        first = services.tokens.bootstrap()
        if first is not None:
            _tell_token(home, first.text, as_json=arguments.log_format == "json")

    http.start()
    _tell(f"listening at {http.url}")
    try:  # whoever asks meanwhile is answered, and be it that the records are away
        services.wait_for_records(ended, _tell, show_token)
        yield
    finally:
        http.stop()


def _policy(arguments: argparse.Namespace) -> SignInPolicy | None:
    """Whose tokens are taken beside those of the workspace; None for nobody's. Raises UsageError."""
    roles = read_roles(arguments.oidc_role)
    if arguments.oidc_issuer:
        return SignInPolicy(arguments.oidc_issuer, arguments.oidc_audience, arguments.oidc_role_claim, roles)
    if arguments.oidc_audience or roles:
        raise UsageError("there is no issuer whose tokens are to be taken", hint="give it with --oidc-issuer URL")
    return None


@contextmanager
def _tick(services: Services, ended: threading.Event) -> Iterator[None]:
    """See to the schedules meanwhile, in a thread with services of its own, until the server is to end."""
    home = services.home

    def serve() -> None:
        _opened(home).serve_schedules(ended, partial(logs.tell, source="schedules"), inside=True)

    thread = threading.Thread(target=serve, name="schedules", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(TICKER_SECONDS)


def _opened(home: Path | None = None) -> Services:
    """Services of a server, whose secrets are not told by the log."""
    services = open_services(home)
    services.serves = True
    services.on_secrets = logs.redaction.register
    services.patience = PATIENCE_SECONDS
    return services


@contextmanager
def _send(services: Services, ended: threading.Event) -> Iterator[None]:
    """Carry messages to webhooks meanwhile, in a thread with services of its own, until the server is to end."""
    home = services.home

    def send() -> None:
        _opened(home).send_messages(ended, _tell, SENDER_SECONDS)

    thread = threading.Thread(target=send, name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(SENDER_SECONDS + 1)


def _tell(words: str) -> None:
    logs.tell(words)


def _tell_token(home: Path, text: str, *, as_json: bool) -> None:
    """Show the first owner's token to who looks at the terminal. Lines of JSON are for machines, which keep them."""
    place = home / "bootstrap.token"
    if as_json:
        _tell(f"the first owner's token is in {place}")
    else:  # past the log, which would hide it
        print(
            f"{time_text(time.time())}  the first owner's token, also in {place}: {text}", file=sys.stderr, flush=True
        )
