"""The HTTP server: the application on a thread of the service's process, on a socket that is bound at once."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from pipelinekit.bootstrap import Services
from pipelinekit.classes import frozen
from pipelinekit.errors import UsageError
from pipelinekit.ports.traces import Tracing
from pipelinekit.rest.app import make_app
from pipelinekit.rest.connections import Punctual
from pipelinekit.rest.desk import Desk
from pipelinekit.rest.guard import HEADER_BYTES, LOOPBACK
from pipelinekit.rest.logs import log_to, stop

if TYPE_CHECKING:
    from pipelinekit.workspace.sign_in import SignIn  # an extra

CONNECTIONS = 1000  # at once; further ones are told to come again
KEEP_ALIVE_SECONDS = 15
START_SECONDS = 30.0
END_SECONDS = 5  # that requests in progress are given when the server ends


@frozen
class Address:
    """Where the server is reached, and how. `hosts` are further names that it may be asked for under.

    Beyond this machine it is either protected by TLS (`certificate` and `key` are files) or stands `behind_proxy`.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    hosts: Collection[str] = ()
    certificate: str = ""
    key: str = ""
    behind_proxy: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise UsageError(f"{self.port} is no port", hint="give a number from 1 to 65535, or 0 for any free one")
        if bool(self.certificate) != bool(self.key):
            raise UsageError("TLS needs a certificate and its key", hint="give --tls-cert FILE and --tls-key FILE")
        for file in (self.certificate, self.key):
            if file and not Path(file).is_file():
                raise UsageError(f"there is no file {file!r}", hint="give PEM files with --tls-cert and --tls-key")
        if not self.certificate and not self.behind_proxy and not _is_loopback(self.host):
            raise UsageError(
                f"a server at {self.host} would be reached without encryption",
                hint="give --tls-cert and --tls-key, or --behind-proxy where something in front of it has TLS",
            )

    @property
    def is_of_this_machine(self) -> bool:
        """Whether nobody else reaches it, not even through a proxy."""
        return _is_loopback(self.host) and not self.behind_proxy and not self.hosts


class HTTPServer:
    """Serves an application until it is stopped."""

    def __init__(
        self,
        open_services: Callable[[], Services],
        address: Address,
        log: Path,
        version: str,
        tracing: Tracing | None = None,
        sign_in: SignIn | None = None,
    ) -> None:
        self._log = log_to(log)
        self._desk = Desk(open_services, sign_in=sign_in)
        self._address = address
        self._socket = _bound(address)
        hosts = {*LOOPBACK, *address.hosts}
        if not ipaddress_any(address.host):
            hosts.add(address.host)
        config = uvicorn.Config(
            make_app(self._desk, hosts, version, open_metrics=address.is_of_this_machine, tracing=tracing),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=address.behind_proxy,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=END_SECONDS,
            h11_max_incomplete_event_size=HEADER_BYTES,
            http=Punctual,
            ws="none",
            lifespan="off",
            ssl_certfile=address.certificate or None,
            ssl_keyfile=address.key or None,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def url(self) -> str:
        """Where it is reached from this machine."""
        host, port = self._socket.getsockname()[:2]
        shown = "127.0.0.1" if ipaddress_any(host) else host
        return f"{'https' if self._address.certificate else 'http'}://{f'[{shown}]' if ':' in shown else shown}:{port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Take nothing new, and wait a little for what is in progress."""
        self._desk.watch.is_ending = True
        self._server.should_exit = True
        self._thread.join(END_SECONDS + 1)
        self._desk.close()
        self._socket.close()
        stop(self._log)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def ipaddress_any(host: str) -> bool:
    """Whether an address stands for all of this machine's."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(address: Address) -> socket.socket:
    """A listening socket. Raises UsageError where there cannot be one."""
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        bound = socket.create_server((address.host, address.port), family=family, backlog=2048)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)  # its own words name the address once more
        words = f"nothing can be served at {address.host} port {address.port}: {why}"
        raise UsageError(words, hint="choose another port with --port, or 0 for any free one") from None
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms for what it comes in
    bound.setblocking(False)
    return bound
