"""Environments in memory: twins of their records and of what builds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelinekit.domain.environments import IMAGE, Environment, Lock, LockedEnvironment, python_identity, registered
from pipelinekit.errors import ComputeError, NotFoundError, UsageError
from pipelinekit.ports import Clock


class MemoryEnvironments:
    """Twin of `storage.environments.SQLEnvironments`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._found: dict[tuple[str, int], tuple[Environment, float]] = {}
        self._locks: dict[str, LockedEnvironment] = {}

    def register(self, environment: Environment, version: int = 0) -> Environment:
        """Keep an environment under its name."""
        name = environment.name
        if (name, version) in self._found:
            there = self._found[name, version][0]
            if there.identity() != environment.identity():
                raise UsageError(f"environment {there.label} is registered with other content")
            return there
        if version and version <= self._counts.get(name, 0):
            raise UsageError(f"version {version} of environment {name!r} cannot be given")
        for there, _ in self.list(name):
            if not version and there.identity() == environment.identity():
                return there
        number = version or self._counts.get(name, 0) + 1
        self._counts[name] = number
        self._found[name, number] = (registered(environment, number), self._clock.now())
        return self._found[name, number][0]

    def get(self, name: str, version: int = 0) -> Environment:
        """A version, or the newest one."""
        for there, _ in self.list(name):
            if version in (0, there.version):
                return there
        raise NotFoundError(f"there is no registered environment {name!r}")

    def list(self, name: str = "") -> Sequence[tuple[Environment, float]]:
        """Registered environments, by name, newest version first."""
        order = sorted(self._found, key=lambda item: (item[0], -item[1]))
        return [self._found[place] for place in order if name in ("", place[0])]

    def delete(self, name: str, version: int) -> None:
        """Take a version away."""
        if self._found.pop((name, version), None) is None:
            raise NotFoundError(f"environment {name!r} has no version {version}")

    def lock(self, resolution: str) -> Lock | None:
        """What was resolved under this identity."""
        found = self._locks.get(resolution)
        return found.lock if found else None

    def keep_lock(self, environment: Environment, lock: Lock, *, replace: bool = False) -> Lock:
        """Keep a lock, unless there is one."""
        resolution = environment.resolution()
        if replace or resolution not in self._locks:
            self._locks[resolution] = LockedEnvironment(environment, lock)
        return self._locks[resolution].lock

    def locks(self) -> Sequence[LockedEnvironment]:
        """Every environment that was resolved."""
        return list(self._locks.values())


class MemoryBuilder:
    """Twin of `compute.environments.Environments`: an index of packages in memory, and interpreters that are names.

    `index` holds the versions of each package that there is, the newest last.
    """

    def __init__(self, index: Mapping[str, Sequence[str]]) -> None:
        self.index = dict(index)
        self.resolved: list[str] = []
        self.made: list[str] = []
        self._built: dict[str, str] = {}

    def resolve(self, environment: Environment) -> Lock:
        """The newest version of each package, or the one that is pinned."""
        self.resolved.append(environment.name)
        if environment.image or environment.dockerfile:
            return Lock("", (), f"{IMAGE}{environment.image or 'built'}@sha256:{'0' * 64}")
        found = []
        for line in sorted(set(environment.packages)):
            name, _, version = line.partition("==")
            versions = [item for item in self.index.get(name, ()) if version in ("", item)]
            if not versions:
                raise ComputeError(
                    f"the packages of environment {environment.name!r} cannot be resolved: there is no {line}"
                )
            found.append(f"{name}=={versions[-1]} --hash=sha256:{'0' * 64}")
        base = f"cpython-{environment.python}" if environment.python else ""
        return Lock(base or python_identity(), tuple(found), base)

    def build(self, lock: Lock, name: str = "") -> str:
        """Remember that it was built."""
        if self._built.get(lock.place) != "built":
            self.made.append(name)
            self._built[lock.place] = "built"
        return f"/environments/{lock.place}/bin/python"

    def built(self, lock: Lock) -> str:
        """How it stands."""
        return self._built.get(lock.place, "")

    def damage(self, lock: Lock) -> None:
        """Let an environment be damaged."""
        self._built[lock.place] = "damaged"
