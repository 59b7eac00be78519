"""Environments of a workspace: registered under names and versions, resolved once, built where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelinekit.domain.environments import (
    LATEST,
    Environment,
    Lock,
    LockedEnvironment,
    check_environment_name,
    parse_version,
    python_identity,
    renamed,
    split_label,
)
from pipelinekit.errors import ComputeError, UsageError
from pipelinekit.ports.environments import EnvironmentBuilder, EnvironmentRecords
from pipelinekit.wire.environments import environment_document


class EnvironmentCollection:
    """The environments of a workspace. `builder` is asked for when something must be resolved or built.

    `note` is told what a user has locked or built, and its name.
    """

    def __init__(
        self,
        records: EnvironmentRecords,
        builder: Callable[[], EnvironmentBuilder],
        note: Callable[[str, str], object] = lambda *_: None,
    ) -> None:
        self._records = records
        self._builder = builder
        self._note = note

    def register(self, environment: Environment, version: int | str = LATEST) -> Environment:
        """Register an environment under its name, as version 1, 2, 3 …; it comes back with its version.

        An equal definition gives back the version that has it. Raises UsageError where an explicit version is taken.
        """
        _check_definition(environment)
        check_environment_name(environment.name)
        return self._records.register(environment, parse_version(version))

    def get(self, name: str, version: int | str = LATEST) -> Environment:
        """A registered environment, the newest version by default; `name` may be `name:version`. NotFoundError."""
        if ":" in name:
            if version != LATEST:
                raise UsageError(f"{name!r} names a version already, and {version!r} is another one")
            return self._records.get(*split_label(name))
        return self._records.get(check_environment_name(name), parse_version(version))

    def unregistered(self) -> list[Environment]:
        """Environments that were resolved for a run, and are not registered."""
        known = {environment.identity() for environment in self.list()}
        found = [locked.environment for locked in self._records.locks()]
        return [environment for environment in found if environment.identity() not in known]

    def list(self, name: str = "") -> list[Environment]:
        """Registered environments, by name, newest version first."""
        return [environment for environment, _ in self._records.list(name)]

    def clone(self, name: str, new_name: str, version: int | str = LATEST) -> Environment:
        """Register a copy under another name, whose versions begin anew."""
        return self._records.register(renamed(self.get(name, version), new_name))

    def delete(self, name: str, version: int | str) -> None:
        """Take a version away; runs and graphs that were compiled with it keep its lock."""
        self._records.delete(check_environment_name(name), parse_version(version) or self.get(name).version)

    def show(self, name: str, version: int | str = LATEST) -> dict[str, Any]:
        """A registered environment as JSON data, with its lock where it was resolved, and whether that is built."""
        environment = self.get(name, version)
        lock = self._records.lock(environment.resolution())
        document = environment_document(environment, lock)
        if lock is not None and lock.is_own and not lock.image:
            document["built"] = self._builder().built(lock)
        return document

    def locked(self, environment: Environment | str) -> LockedEnvironment:
        """An environment, or the registered one of that name, with its lock; it is resolved if it never was."""
        found = self.get(environment) if isinstance(environment, str) else environment
        if not found.is_own:
            return LockedEnvironment(found, Lock(python_identity()))
        lock = self._records.lock(found.resolution())
        if lock is None:
            lock = self._records.keep_lock(found, self._builder().resolve(found))
        return LockedEnvironment(found, lock)

    def lock(self, environment: Environment | str, *, upgrade: bool = False) -> Lock:
        """The lock of an environment. With `upgrade` it is resolved anew, and later runs get the newer versions."""
        found = self.get(environment) if isinstance(environment, str) else environment
        if upgrade:
            lock = self._records.keep_lock(found, self._builder().resolve(found), replace=True)
        else:
            lock = self.locked(found).lock
        self._note("lock", found.label)
        return lock

    def build(self, environment: Environment | str) -> str:
        """Build an environment ahead of need; its interpreter."""
        found = self.locked(environment)
        if not found.lock.is_own:
            raise UsageError(
                f"environment {found.environment.label!r} has nothing to build",
                hint="it is pipelinekit's own environment with variables; give it packages or a Python version",
            )
        if found.lock.image:
            raise ComputeError(
                f"environment {found.environment.label!r} is the container image {found.lock.image}",
                hint="it was fetched or built when it was locked; there is nothing else to build",
            )
        python = self._builder().build(found.lock, found.environment.label)
        self._note("build", found.environment.label)
        return python

    def places(self) -> set[str]:
        """The folders of registered environments that were resolved; clean-up leaves them alone."""
        locks = [self._records.lock(environment.resolution()) for environment in self.list()]
        return {lock.place for lock in locks if lock is not None}


def _check_definition(environment: object) -> None:
    if not isinstance(environment, Environment):
        raise UsageError(f"{environment!r} is no environment", hint="give an Environment(...)")
