"""Hosts and their network addresses: how they may be written, and which addresses are of the open network.

An address has many notations: `127.0.0.1` is also `2130706433`, `0177.1` and `0x7f000001`, and addresses of IPv6 may
stand for one of IPv4. They are all read here, so that who refuses one refuses it however it is written.
"""

from __future__ import annotations

import ipaddress
import re

from pipelinekit.classes import frozen
from pipelinekit.errors import UsageError

LONGEST_URL = 2000
PORTS = {"http": 80, "https": 443}
_HOST = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}"
_URL = re.compile(rf"(?P<scheme>[A-Za-z]{{4,5}})://(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}))?(?P<path>(?:[/?][!-~]*)?)")
_PLACE = re.compile(rf"(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"0x[0-9a-f]*|\d+")
_OPEN = ipaddress.IPv6Network("2000::/3")  # all that is given out of IPv6
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64
_ISATAP = (0x00005EFE, 0x02005EFE)
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))  # of protocols, of texts

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@frozen
class Place:
    """Where requests go: a scheme, a host in its one notation (IPv6 without brackets), a port, a path and query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as a request names them: without the port that the scheme has anyway."""
        host = bracketed(self.host)
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be told of an address whose path may be a secret."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The whole address."""
        return self.origin + self.path


@frozen
class AllowedHost:
    """A host that an owner allowed, at one port, or with port 0 at the two of http and https. Times are UTC."""

    host: str
    port: int = 0
    added_at: float = 0.0
    added_by: str = ""

    @property
    def name(self) -> str:
        """As it is written."""
        return f"{bracketed(self.host)}:{self.port}" if self.port else bracketed(self.host)

    def covers(self, place: Place) -> bool:
        """Whether requests to this place were allowed."""
        return self.host == place.host and (self.port == place.port or (not self.port and place.port in PORTS.values()))


def read_url(text: str, noun: str) -> Place:
    """The place that the address of a web server stands for. Raises UsageError, which does not repeat the address."""
    found = _URL.fullmatch(text) if len(text) <= LONGEST_URL else None
    scheme = found["scheme"].lower() if found else ""
    if found is None or scheme not in PORTS or "#" in found["path"] or "\\" in found["path"]:
        raise UsageError(
            f"the address of {noun} cannot be read",
            hint="give https://HOST[:PORT]/PATH, without user, password and fragment; letters outside of ASCII encoded",
        )
    path = found["path"] if found["path"].startswith("/") else f"/{found['path']}"
    return Place(scheme, _host(found["host"]), _port(found["port"]) or PORTS[scheme], path)


def read_allowed(text: str) -> AllowedHost:
    """The host that `HOST` or `HOST:PORT` stands for. Raises UsageError."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise UsageError(f"{text[:80]!r} is no host", hint="give HOST or HOST:PORT; addresses of IPv6 in brackets")
    return AllowedHost(_host(found["host"]), _port(found["port"]))


def plain_address(host: str) -> Address | None:
    """The address that a host is a notation of, as the libraries of this machine read it; None where it is a name.

    Raises UsageError where it looks like an address and is none.
    """
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host)
        except ValueError:
            raise _no_host(host) from None
    parts = host.lower().split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    if len(parts) > 4 or not all(map(_NUMBER.fullmatch, parts)):
        raise _no_host(host)
    numbers = [_number(part, host) for part in parts]
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (5 - len(numbers)):
        raise _no_host(host)
    whole = last + sum(number << (24 - 8 * position) for position, number in enumerate(first))
    return ipaddress.IPv4Address(whole)


def is_public(address: str) -> bool:
    """Whether an address is one of the open network; those that stand for another address count as that one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if (inner := _inner(found)) is not None:
            return is_public(str(inner))
        if found not in _OPEN:
            return False
    is_special = any(found in network for network in _SPECIAL)
    return found.is_global and not (found.is_multicast or found.is_reserved or is_special)


def bracketed(host: str) -> str:
    """A host as it stands in the address of a web server."""
    return f"[{host}]" if ":" in host else host


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that one of IPv6 leads to: mapped, by 6to4, Teredo, NAT64 or ISATAP."""
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    is_isatap = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    if inner is None and (address in _TRANSLATED or is_isatap):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner


def _host(text: str) -> str:
    """The one notation of a host. Raises UsageError."""
    host = text.strip("[]").lower().removesuffix(".")
    if (":" in host) != text.startswith("["):
        raise _no_host(host)
    if (address := plain_address(host)) is not None:
        return str(address)
    if not all(map(_LABEL.fullmatch, host.split("."))):
        raise _no_host(host)
    return host


def _port(text: str | None) -> int:
    port = int(text or 0)
    if text is not None and not 0 < port < 65536:
        raise UsageError(f"there is no port {text}", hint="ports are numbers from 1 to 65535")
    return port


def _number(text: str, host: str) -> int:
    """A part of an address: hexadecimal after 0x, octal after 0."""
    try:
        if text.startswith("0x"):
            return int(text[2:] or "0", 16)
        return int(text, 8) if text.startswith("0") else int(text)
    except ValueError:
        raise _no_host(host) from None


def _no_host(host: str) -> UsageError:
    return UsageError(f"{host[:80]!r} is no host", hint="give a name, or an address such as 192.0.2.7 or [2001:db8::1]")
