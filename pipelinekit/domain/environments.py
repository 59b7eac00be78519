"""Environments: the installed software that a step runs in, and what of it counts as the step's identity."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping

from pipelinekit.classes import field, frozen
from pipelinekit.domain.digests import PREFIX, digest
from pipelinekit.domain.names import check_name
from pipelinekit.errors import UsageError
from pipelinekit.typed import Any

LATEST = "latest"
IMAGE = "image:"  # what `base` begins with where an environment is a container image
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)  # what the harness runs on

# How a requirement begins: a name, extras, and what of a version, an address, a condition or a hash follows.
# It is a text: to compile it costs every run, and few have requirements to look at.
_REQUIREMENT = r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*((===?|[<>!~]=|[<>])(?![<>=!~])|[;@(]|--hash=|$)"


@frozen
class Environment:
    """An environment as its author declares it: packages to install and process variables to set.

    `packages` are requirements as pip writes them (`"pandas>=2,<3"`); they are resolved once to a lock with exact
    versions and hashes, and the lock is what enters the key. `python` is a version such as `"3.12"`, by default that of
    pipelinekit's own interpreter. With neither the step runs in the environment that pipelinekit itself runs in.
    `variables` are set in the step's process and enter the key. `image` is a container image to run script and command
    steps in, `dockerfile` the text of what one is built from. `version` is the number of a registered environment.
    """

    name: str = ""
    packages: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    image: str = ""
    dockerfile: str = ""
    version: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "packages", _packages(self))
        object.__setattr__(self, "variables", {str(name): str(value) for name, value in self.variables.items()})
        problems = [*_python_problems(self.python), *_container_problems(self)]
        if problems:
            raise UsageError(
                f"environment {self.name!r}: {'; '.join(words for words, _ in problems)}", hint=problems[0][1]
            )

    @property
    def label(self) -> str:
        """How people name it: `name`, or `name:version`."""
        return f"{self.name}:{self.version}" if self.version else self.name

    @property
    def is_own(self) -> bool:
        """Whether it is anything else than the environment that pipelinekit runs in, with variables."""
        return bool(self.packages or self.python or self.image or self.dockerfile)

    def definition(self) -> dict[str, Any]:
        """What it is made of, apart from name and version; the order of packages does not count."""
        return {
            "packages": sorted(set(self.packages)),
            "variables": {**self.variables},
            "python": self.python,
            "image": self.image,
            "dockerfile": self.dockerfile,
        }

    def identity(self) -> str:
        """Equal for equal definitions."""
        return digest(["environment definition", self.definition()])

    def resolution(self) -> str:
        """What its lock is kept under: everything that a resolver goes by. Variables are not among it."""
        made_of = {name: item for name, item in self.definition().items() if name != "variables"}
        machine = [sys.platform, os.uname().machine]
        return digest(["environment lock", made_of, "" if self.python else python_identity(), machine])


@frozen
class Lock:
    """What an environment was resolved to, once: exact requirements with hashes, on an exact interpreter.

    `base` says what it stands on where that is not pipelinekit's own interpreter: the identity of another one, or
    `image:` and an image by digest. Everything in it enters the key.
    """

    python: str
    requirements: tuple[str, ...] = ()
    base: str = ""

    @property
    def is_own(self) -> bool:
        """Whether there is anything to build."""
        return bool(self.requirements or self.base)

    @property
    def image(self) -> str:
        """The container image by digest; empty where there is none."""
        return self.base.removeprefix(IMAGE) if self.base.startswith(IMAGE) else ""

    @property
    def place(self) -> str:
        """The name of the folder that holds the built environment."""
        base = [self.base] if self.base else []
        return digest(["environment", self.python, list(self.requirements), *base]).removeprefix(PREFIX)


@frozen
class LockedEnvironment:
    """An environment with its lock, as a step is compiled with it."""

    environment: Environment
    lock: Lock


@frozen
class Software:
    """The software identity of a step: what must be equal for a result to be taken again.

    `python` is implementation and version. `packages` are the distributions that the step's code reaches, with what
    those require. `variables` are the environment variables that the code reads or the author declares, by the digest
    of their value. `lock` and `base` are those of a declared environment (see `Lock`), empty for the ambient one.
    """

    python: str
    packages: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    lock: tuple[str, ...] = ()
    base: str = ""

    def document(self) -> dict[str, Any]:
        """The keyed form. A base that is not there leaves no trace, so that keys are as they were without it."""
        document: dict[str, Any] = {
            "python": self.python,
            "packages": dict(self.packages),
            "variables": dict(self.variables),
            "lock": list(self.lock),
        }
        if self.base:
            document["base"] = self.base
        return document


_HIDDEN = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "ACCESS_KEY")


def python_identity() -> str:
    """Implementation and version of this interpreter, as keys name it."""
    return f"{sys.implementation.name}-{'.'.join(str(part) for part in sys.version_info[:3])}"


def variable_identity(name: str, value: str | None) -> str:
    """The identity of an environment variable's value. Of credentials only whether they are set counts."""
    if value is None:
        return "unset"
    return "set" if any(word in name.upper() for word in _HIDDEN) else digest(value)


def split_label(label: str) -> tuple[str, int]:
    """Name and version of `name`, `name:latest` or `name:3`; the version 0 stands for the newest."""
    name, _, version = label.partition(":")
    return check_environment_name(name), parse_version(version or LATEST)


def parse_version(version: int | str) -> int:
    """A version number; 0 for `latest`. Raises UsageError."""
    if version == LATEST:
        return 0
    text = str(version)
    if isinstance(version, bool) or not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(
            f"{version!r} is no version of an environment", hint="versions are 1, 2, 3 and so on, or 'latest'"
        )
    return int(text)


def check_environment_name(name: str) -> str:
    """The name, if it may name a registered environment; raise UsageError otherwise."""
    if not name:
        raise UsageError(
            "an environment without a name cannot be registered", hint="give it one: Environment('NAME', …)"
        )
    return check_name("environment", name)


def registered(environment: Environment, version: int) -> Environment:
    """An environment as it is registered under this version."""
    return Environment(**{**_fields(environment), "version": version})


def renamed(environment: Environment, name: str) -> Environment:
    """A copy under another name, without a version."""
    return Environment(**{**_fields(environment), "name": check_environment_name(name), "version": 0})


def is_locked(packages: Iterable[str]) -> bool:
    """Whether requirements are a lock already: every one exact, with hashes."""
    listed = list(packages)
    return bool(listed) and all(_is_exact(line) and "--hash=" in line for line in listed)


def _is_exact(line: str) -> bool:
    return "==" in line.partition(";")[0].partition(" --")[0]


def unsafe_line(line: str) -> bool:
    """Whether a line of requirements would be read as anything but one requirement with hashes."""
    if re.match(_REQUIREMENT, line) is None or "\n" in line or "\r" in line:
        return True
    return any(word.startswith("-") and not word.startswith("--hash=") for word in line.split())


def _fields(environment: Environment) -> dict[str, Any]:
    return {name: getattr(environment, name) for name in Environment.__match_args__}


def _packages(environment: Environment) -> tuple[str, ...]:
    given: Any = environment.packages
    if isinstance(given, str):
        raise UsageError(
            f"the packages of environment {environment.name!r} are a text", hint='give a list: packages=["pandas>=2"]'
        )
    packages = tuple(" ".join(str(line).split()) for line in given)
    bad = [line for line in packages if unsafe_line(line)]
    if bad:
        raise UsageError(
            f"environment {environment.name!r}: {', '.join(map(repr, bad))} cannot be among its packages",
            hint="a package is a requirement such as 'pandas>=2'; options of the resolver belong into uv's settings",
        )
    if any("--hash=" in line for line in packages) and not is_locked(packages):
        raise UsageError(
            f"environment {environment.name!r}: some of its packages have hashes, but not all are exact and have them",
            hint="lock the others, too ('uv pip compile --generate-hashes'), or leave the hashes out",
        )
    return packages


def _python_problems(version: str) -> list[tuple[str, str]]:
    if not version:
        return []
    known = f"{'.'.join(map(str, OLDEST_PYTHON))} to {'.'.join(map(str, NEWEST_PYTHON))}"
    parts = version.split(".")
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() for part in parts):
        return [(f"python={version!r} is no version", f"give a version such as '3.12' or '3.12.4', from {known}")]
    if not OLDEST_PYTHON <= (int(parts[0]), int(parts[1])) <= NEWEST_PYTHON:
        return [(f"steps do not run on Python {version}", f"choose one from {known}")]
    return []


def _container_problems(environment: Environment) -> list[tuple[str, str]]:
    found = []
    if environment.image and environment.dockerfile:
        found.append(("it has an image and a Dockerfile", "give one of them"))
    if (environment.image or environment.dockerfile) and (environment.packages or environment.python):
        found.append(("a container image cannot be combined with packages or python", "install them in the image"))
    if any(letter.isspace() for letter in environment.image) or environment.image.startswith("-"):
        found.append(
            (f"image={environment.image!r} names no image", "write it as REPOSITORY:TAG or REPOSITORY@sha256:…")
        )
    return found
