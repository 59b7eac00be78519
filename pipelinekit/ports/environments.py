"""Environments, and how source folders differ from their commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.environments import Environment, Lock, LockedEnvironment
else:
    Protocol = object


class EnvironmentRecords(Protocol):
    """Registered environments, whose versions never change, and what environments were resolved to."""

    def register(self, environment: Environment, version: int = 0) -> Environment:
        """Keep an environment under its name, as the next version; one that is equal already is given back.

        Raises UsageError where `version` is taken by other content, or not above all numbers given before.
        """

    def get(self, name: str, version: int = 0) -> Environment:
        """A version, or the newest one. Raises NotFoundError."""

    def list(self, name: str = "") -> Sequence[tuple[Environment, float]]:
        """Registered environments with the times of their registration, by name, newest version first."""

    def delete(self, name: str, version: int) -> None:
        """Take a version away; its number is not given again. Raises NotFoundError."""

    def lock(self, resolution: str) -> Lock | None:
        """What was resolved under this identity (`Environment.resolution`)."""

    def keep_lock(self, environment: Environment, lock: Lock, *, replace: bool = False) -> Lock:
        """Keep what an environment was resolved to, unless there is a lock already; the lock that is kept."""

    def locks(self) -> Sequence[LockedEnvironment]:
        """Every environment that was resolved, registered or not."""


class EnvironmentBuilder(Protocol):
    """Resolves environments to locks, and builds what locks name. Raises ComputeError in the words of its tools."""

    def resolve(self, environment: Environment) -> Lock:
        """Exact requirements with hashes on an exact interpreter, or an image by digest."""

    def build(self, lock: Lock, name: str = "") -> str:
        """The interpreter of the environment with this lock; built if it is not there, or damaged."""

    def built(self, lock: Lock) -> str:
        """How the environment of a lock stands: `built`, `damaged`, or empty where it is not there."""


class ChangeRecords(Protocol):
    """How the source folders of runs differed from their commits; goes when the run is removed."""

    def keep(self, run: str, changes: Mapping[str, Any]) -> None:
        """Keep what was found of a run, as JSON data; nothing where the run is not there, or was removed."""

    def get(self, run: str) -> Mapping[str, Any] | None:
        """What was found of a run."""
