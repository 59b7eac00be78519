"""Environments: the installed software that a step runs in, and what of it counts as the step's identity."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pipelinekit.classes import field, frozen
from pipelinekit.domain.digests import digest


@frozen
class Environment:
    """An environment as its author declares it: packages to install and process variables to set.

    `packages` are requirements as pip writes them (`"pandas>=2,<3"`); they are resolved once to a lock with exact
    versions, and the lock is what enters the key. With no packages the step runs in the environment that pipelinekit
    itself runs in. `variables` are set in the step's process and enter the key.
    """

    name: str = ""
    packages: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@frozen
class Software:
    """The software identity of a step: what must be equal for a result to be taken again.

    `python` is implementation and version. `packages` are the distributions that the step's code reaches, with what
    those require. `variables` are the environment variables that the code reads or the author declares, by the digest
    of their value. `lock` holds the exact requirements of a declared environment, empty for the ambient one.
    """

    python: str
    packages: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    lock: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The keyed form."""
        return {
            "python": self.python,
            "packages": dict(self.packages),
            "variables": dict(self.variables),
            "lock": list(self.lock),
        }

    def lock_digest(self) -> str:
        """What a built environment is cached by; empty for the ambient environment."""
        return digest(["lock", self.python, list(self.lock)]) if self.lock else ""


_HIDDEN = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "ACCESS_KEY")


def python_identity() -> str:
    """Implementation and version of this interpreter, as keys name it."""
    return f"{sys.implementation.name}-{'.'.join(str(part) for part in sys.version_info[:3])}"


def variable_identity(name: str, value: str | None) -> str:
    """The identity of an environment variable's value. Of credentials only whether they are set counts."""
    if value is None:
        return "unset"
    return "set" if any(word in name.upper() for word in _HIDDEN) else digest(value)
