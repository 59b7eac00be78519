"""Secrets: values that steps get by name. Only name and version are ever told; the value is sealed where it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipelinekit.classes import frozen
from pipelinekit.errors import UsageError

SHORTEST = 4  # characters of a value; what is shorter cannot be masked in texts without masking half of them
LARGEST = 64 * 1024  # bytes of a value
KEYS_MARK = "# Keys that open the secrets of a pipelinekit workspace"  # what the file with the keys begins with
ANY_VERSION = 0  # stands for the version of a secret that is not keyed: the newest is given
WEBHOOK = "webhook/"  # what the names of signing secrets begin with, so that they are nobody else's
CALLBACKS = f"{WEBHOOK}callbacks"  # what the secrets of call-backs are made from; it is made again where it is lost
_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,126}"  # compiled when it is used, which it seldom is


@frozen
class Secret:
    """What may be told of a secret. `version` grows with each value and is never given again; times are UTC."""

    name: str
    version: int
    updated_at: float
    updated_by: str


@frozen
class Sealed:
    """The value of a secret as it is kept: encrypted, with the version that it is."""

    version: int
    text: str


def is_named(name: str) -> bool:
    """Whether a secret is one that users name; others are the workspace's own, and are not listed."""
    return "/" not in name


def made_anew(name: str) -> str:
    """How a secret is had again whose value is lost, in words."""
    if name == CALLBACKS:
        return "the next call that asks for a call-back makes another"
    if name.startswith(WEBHOOK):
        return "'pipelinekit webhooks delete', then create the webhook anew"
    return f"'pipelinekit secrets delete {name}', then set it anew"


def check_secret_name(name: str) -> str:
    """Return `name` if it may name a secret; raise UsageError otherwise."""
    if not re.fullmatch(_NAME, name):
        raise UsageError(
            f"secret name {name!r} is not allowed",
            hint="use 1 to 127 letters of ASCII, digits, '_' or '-', the first a letter",
        )
    return name


def check_secret_value(name: str, value: str) -> str:
    """Return `value` if it can be kept and masked; raise UsageError otherwise, which does not tell it."""
    if not isinstance(value, str):
        raise UsageError(f"the value of secret {name!r} must be a text, not {type(value).__name__}")
    if len("".join(value.strip().splitlines())) < SHORTEST:
        raise UsageError(
            f"the value of secret {name!r} is shorter than {SHORTEST} characters",
            hint="it could not be masked in logs; use a longer one",
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise UsageError(f"the value of secret {name!r} is no Unicode text", hint="encode it, as base64") from None
    if size > LARGEST:
        raise UsageError(f"the value of secret {name!r} has {size} bytes; at most {LARGEST} are kept")
    return value


def any_versions(names: Iterable[str]) -> dict[str, int]:
    """Any version of each of these, for where nobody knows which there are."""
    return dict.fromkeys(names, ANY_VERSION)
