"""Datastores: places that data lies in, their addresses, and which paths may be named below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelinekit.classes import field, frozen
from pipelinekit.domain.digests import digest
from pipelinekit.domain.names import LONGEST
from pipelinekit.errors import UsageError
from pipelinekit.late import late

if TYPE_CHECKING:
    import re
    import urllib.parse as urls
else:
    re = late("re")
    urls = late("urllib.parse")

LOCAL, WEB = "local", "http"
LONGEST_PATH = 1024
MOST_WILDCARDS = 16  # in one pattern: more would make matching slow for no good reason

# protocol of a URL -> kind of store
PROTOCOLS = {
    "file": LOCAL,
    "s3": "s3",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "gs": "gcs",
    "gcs": "gcs",
    "http": WEB,
    "https": WEB,
    "sftp": "sftp",
}
# kind of store -> what may be said in the open, and what is taken from secrets
OPTIONS: Mapping[str, tuple[str, ...]] = {
    LOCAL: (),
    "s3": ("endpoint", "region", "anonymous"),
    "azure": ("account", "endpoint", "anonymous"),
    "gcs": ("project", "endpoint", "anonymous"),
    WEB: (),
    "sftp": ("user", "host_key"),
}
SECRETS: Mapping[str, tuple[str, ...]] = {
    LOCAL: (),
    "s3": ("key", "secret", "token"),
    "azure": ("account_key", "sas_token", "connection_string", "tenant_id", "client_id", "client_secret"),
    "gcs": ("token",),
    WEB: ("token", "user", "password"),
    "sftp": ("password",),
}


@frozen
class Datastore:
    """A place that data lies in, registered under a name.

    `secrets` says by option which secret of the workspace holds its value; the value itself is never kept here. With
    `allow_private` a web server may have an address that is not public.
    """

    name: str
    url: str
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    allow_private: bool = False
    is_default: bool = False
    created_at: float = 0.0

    @property
    def kind(self) -> str:
        """`local`, `s3`, `azure`, `gcs`, `http` or `sftp`."""
        return PROTOCOLS[self.url.partition("://")[0]]

    @property
    def writable(self) -> bool:
        """Whether files may be put there."""
        return self.kind != WEB

    @property
    def place(self) -> str:
        """The identity of what it points to: files remembered of one place are not taken for those of another."""
        return digest([self.url, self.options.get("endpoint", "")])


@frozen
class StoreFile:
    """A file in a store. `mark` is what the store says of its state; equal marks mean that it was not changed."""

    path: str
    size: int
    mark: str = ""


def check_store_name(name: str) -> str:
    """Return the name if it may name a datastore; raise UsageError otherwise."""
    if not (0 < len(name) <= LONGEST and name.isascii() and all(item.isalnum() or item == "_" for item in name)):
        raise UsageError(
            f"datastore name {name!r} is not allowed", hint="use 1 to 255 letters, digits and '_'; case does not count"
        )
    return name


def check_url(url: str) -> str:
    """The canonical form of a datastore's URL; raise UsageError for what may not be one.

    Nothing but protocol, host and path is allowed: what would chain file systems, carry credentials or leave the root
    is refused.
    """
    protocol, mark, rest = url.partition("://")
    protocol = protocol.lower()
    host, slash, path = rest.partition("/")
    if "@" in host:  # first, so that no message shows what stands there
        raise UsageError(
            "a datastore URL may not carry a user or a password",
            hint="give the user as an option, and name the secret that holds the password: --secret password=NAME",
        )
    if not mark or protocol not in PROTOCOLS:
        raise UsageError(
            f"datastore URL {url!r} is not allowed",
            hint=f"give a folder, or a URL that begins with one of {', '.join(f'{name}://' for name in PROTOCOLS)}",
        )
    if PROTOCOLS[protocol] == LOCAL:
        if host or not slash:
            raise UsageError(f"datastore URL {url!r} names no absolute folder", hint="write it as file:///data/raw")
    elif not host:
        raise UsageError(f"datastore URL {url!r} names no host, bucket or container")
    if not host.isascii() or not host.isprintable() or " " in host or "\\" in host:
        raise UsageError(
            f"datastore URL {url!r} names no host, bucket or container that there can be",
            hint="write a name with letters of its own as its host is asked for: xn--…",
        )
    for sign, words in (("::", "chains file systems"), ("?", "has a query"), ("#", "has a fragment")):
        if sign in rest:
            raise UsageError(f"datastore URL {url!r} {words}", hint="give protocol, host and path only")
    path = path.removesuffix("/")
    if path:
        check_path(path)
    if not host:
        return f"{protocol}:///{path}"
    return f"{protocol}://{host}/{path}" if path else f"{protocol}://{host}"


def check_options(kind: str, options: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    """Raise UsageError for options or secrets that a store of this kind does not have."""
    for given, allowed, word in ((options, OPTIONS[kind], "option"), (secrets, SECRETS[kind], "secret")):
        for name in given:
            if name not in allowed:
                hint = f"there are: {', '.join(allowed)}" if allowed else f"it takes no {word}s"
                if word == "option" and name in SECRETS[kind]:
                    hint = f"{name} is a credential: keep it as a secret of the workspace, and give the secret's name"
                raise UsageError(f"a datastore of kind {kind} has no {word} {name!r}", hint=hint)
    endpoint = options.get("endpoint", "")
    if any(sign in endpoint for sign in "@?#") or any(ord(sign) <= 32 for sign in endpoint):
        raise UsageError(
            "an endpoint may not carry a user, a password, a query or a fragment",
            hint="give protocol, host and port, such as https://storage.example:9000",
        )


def check_path(path: str) -> str:
    """Return a path below a store's root if it can be one; raise UsageError for one that could leave it."""
    parts = path.split("/")
    odd = any(ord(sign) < 32 or sign in "\\\x7f" or 0x202A <= ord(sign) <= 0x202E for sign in path)
    if odd or "::" in path or len(path) > LONGEST_PATH or any(part in ("", ".", "..") for part in parts):
        raise UsageError(
            f"path {path!r} is not allowed in a datastore",
            hint="give a path below its root, with '/', and without '..', '.', empty parts, '\\' or control characters",
        )
    return path


def is_pattern(text: str) -> bool:
    """Whether a path has wildcards."""
    return any(sign in text for sign in "*?[")


def fixed_part(pattern: str) -> str:
    """The folder that every match of a pattern lies in; the whole path where there is no wildcard."""
    parts = pattern.split("/")
    for position, part in enumerate(parts):
        if is_pattern(part):
            return "/".join(parts[:position])
    return pattern


def matcher(pattern: str) -> re.Pattern[str]:
    """What matches the paths that a pattern means.

    `*` and `?` stay within a folder, `**` goes through folders. Raises UsageError for patterns that make no sense.
    """
    if sum(pattern.count(sign) for sign in "*?[") > MOST_WILDCARDS:
        raise UsageError(f"pattern {pattern!r} has too many wildcards", hint=f"at most {MOST_WILDCARDS}; name a folder")
    parts = pattern.split("/")
    text = ""
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
        else:
            text += _part_expression(part, pattern) + ("" if last else "/")
    return re.compile(text, re.DOTALL)


def _part_expression(part: str, pattern: str) -> str:
    found, position = "", 0
    while position < len(part):
        sign = part[position]
        position += 1
        if sign == "*":
            while part[position : position + 1] == "*":
                position += 1
            found += "[^/]*"
        elif sign == "?":
            found += "[^/]"
        elif sign == "[":
            end = part.find("]", position + 1)
            if end < 0:
                raise UsageError(f"pattern {pattern!r} has a '[' without its ']'")
            inside = part[position:end]
            negated = inside[:1] in ("!", "^")
            body = re.escape(inside[negated:]).replace("\\-", "-")
            try:
                re.compile(f"[{body}]")
            except re.error:
                raise UsageError(f"pattern {pattern!r} has a range that makes no sense: [{inside}]") from None
            found += f"[{'^/' if negated else ''}{body}]"
            position = end + 1
        else:
            found += re.escape(sign)
    return found


def host_of(url: str) -> tuple[str, int | None]:
    """Host and port of a URL. Raises UsageError for a port that is none."""
    parsed = urls.urlsplit(url)
    try:
        return parsed.hostname or "", parsed.port
    except ValueError:
        raise UsageError(f"URL {url!r} has a port that is none") from None
