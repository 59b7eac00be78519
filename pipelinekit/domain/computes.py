"""Compute targets: where steps run, by name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from pipelinekit.classes import field, frozen
from pipelinekit.domain.names import IN_PROCESS, LOCAL, check_name
from pipelinekit.errors import UsageError

BUILT_IN = (LOCAL, IN_PROCESS)
ATTACHED = "attached"
ADDRESSES = ("tcp://", "tls://", "inproc://")  # of Dask schedulers
CREDENTIALS = ("ca", "cert", "key")  # what a connection with TLS takes from secrets, each as PEM text


@frozen
class ComputeTarget:
    """A registered compute target: a Dask cluster that runs elsewhere, by the address of its scheduler.

    `secrets` says for each of `ca`, `cert` and `key` which secret of the workspace holds it. With `allow_plain` the
    scheduler may be on another machine without TLS.
    """

    name: str
    address: str
    secrets: Mapping[str, str] = field(default_factory=dict)
    allow_plain: bool = False
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0

    @property
    def kind(self) -> str:
        """`attached`."""
        return ATTACHED

    def __post_init__(self) -> None:
        check_compute_name(self.name)
        check_address(self.address, allow_plain=self.allow_plain)
        _check_credentials(self.secrets, self.address)


@frozen
class Node:
    """A worker of a cluster. `memory` is in bytes; `resources` are what it declares for steps to ask for."""

    name: str
    address: str
    cores: int
    memory: int
    resources: Mapping[str, float]
    running: int  # messages with attempts that it is at work on


def check_compute_name(name: str) -> str:
    """The name, if it may name a compute target; raise UsageError otherwise."""
    if str(name).lower() in BUILT_IN:
        raise UsageError(f"compute target name {name!r} is reserved", hint="every workspace has it; choose another")
    return check_name("compute target", name)


def is_address(text: str) -> bool:
    """Whether a target is given by the address of a Dask scheduler, and not by name."""
    return text.startswith(ADDRESSES)


def check_address(address: str, *, allow_plain: bool = False) -> str:
    """The address of a Dask scheduler, if it may be one; raise UsageError otherwise.

    Beyond this machine a connection without TLS has to be allowed: whoever can reach the scheduler runs code on it.
    """
    if address.startswith("inproc://"):
        return address
    host = _host(address)
    if not host:
        raise UsageError(
            f"{address!r} is not the address of a Dask scheduler", hint="write it as tls://HOST:PORT or tcp://HOST:PORT"
        )
    if address.startswith("tcp://") and not allow_plain and not _is_loopback(host):
        raise UsageError(
            f"the connection to {address} would be neither encrypted nor protected",
            hint="use TLS (tls://), or attach it with allow_plain=True (--allow-plain) if you trust the whole network",
        )
    return address


def _host(address: str) -> str:
    """The host of a scheduler's address; empty where it is none."""
    try:
        parts = urlsplit(address)
        whole = is_address(address) and parts.port and address == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return ""
    return (parts.hostname or "") if whole and "@" not in parts.netloc else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_credentials(secrets: Mapping[str, str], address: str) -> None:
    for name in secrets:
        if name not in CREDENTIALS:
            raise UsageError(f"a compute target takes no secret {name!r}", hint=f"there are: {', '.join(CREDENTIALS)}")
    if secrets and not address.startswith("tls://"):
        raise UsageError(f"certificates are for TLS, and {address} is without", hint="write tls://HOST:PORT")
    if secrets and (missing := [name for name in CREDENTIALS if name not in secrets]):
        raise UsageError(
            f"certificates are incomplete without {', '.join(missing)}",
            hint="name the secrets that hold the authority's certificate (ca), your own (cert) and its key (key)",
        )
