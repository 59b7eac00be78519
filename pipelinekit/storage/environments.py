"""Registered environments and locks in the database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.environments import Environment, Lock, LockedEnvironment, registered
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.ports import Clock
from pipelinekit.storage.database import Database
from pipelinekit.wire.environments import environment_from_json, environment_to_json, lock_from_json, lock_to_json
from pipelinekit.wire.values import dumps, loads


class SQLEnvironments:
    """Implements `ports.EnvironmentRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def register(self, environment: Environment, version: int = 0) -> Environment:
        """Keep an environment under its name; see the port."""
        database, name, digest = self._database, environment.name, environment.identity()
        with database.transaction():
            database.lock()
            counted = database.read("environment_names", (name,))
            newest = counted[0]["versions"] if counted else 0
            if version:
                if taken := database.read("get_environment", (name, version)):
                    return same_or_conflict(environment_from_json(loads(taken[0]["body"]), version), environment)
                if version <= newest:
                    raise deleted_number(environment.name, version)
            elif like := database.read("environment_like", (name, digest)):
                return environment_from_json(loads(like[0]["body"]), like[0]["version"])
            number = version or newest + 1
            database.write("count_environments", (name, number))
            body = dumps(environment_to_json(environment))
            database.write("add_environment", (name, number, digest, body, self._clock.now()))
        return registered(environment, number)

    def get(self, name: str, version: int = 0) -> Environment:
        """A registered environment, the newest where no version is given."""
        if version:
            rows = self._database.read("get_environment", (name, version))
        else:
            rows = self._database.read("newest_environment", (name,))
        if not rows:
            known = [row["version"] for row in self._database.read("list_environments", (name, name))]
            names = {row["name"] for row in self._database.read("list_environments", ("", ""))}
            raise no_environment(name, version, known, names)
        return environment_from_json(loads(rows[0]["body"]), rows[0]["version"])

    def list(self, name: str = "") -> Sequence[tuple[Environment, float]]:
        """Registered environments with their times, by name, newest version first."""
        rows = self._database.read("list_environments", (name, name))
        return [(environment_from_json(loads(row["body"]), row["version"]), row["created_at"]) for row in rows]

    def delete(self, name: str, version: int) -> None:
        """Take a version away; its number is not given again."""
        if self._database.write("delete_environment", (name, version)) == 0:
            self.get(name, version)

    def lock(self, resolution: str) -> Lock | None:
        """What was resolved under this identity."""
        rows = self._database.read("get_environment_lock", (resolution,))
        return lock_from_json(loads(rows[0]["body"])) if rows else None

    def keep_lock(self, environment: Environment, lock: Lock, *, replace: bool = False) -> Lock:
        """Keep a lock, unless somebody was first; the lock that is kept."""
        resolution = environment.resolution()
        query = "replace_environment_lock" if replace else "put_environment_lock"
        row = (resolution, dumps(environment_to_json(environment)), dumps(lock_to_json(lock)), self._clock.now())
        with self._database.transaction():
            self._database.write(query, row)
            kept = self.lock(resolution)
        assert kept is not None
        return kept

    def locks(self) -> Sequence[LockedEnvironment]:
        """Every environment that was resolved, registered or not, in the order of time."""
        return [
            LockedEnvironment(environment_from_json(loads(row["environment"])), lock_from_json(loads(row["body"])))
            for row in self._database.read("list_environment_locks")
        ]


def same_or_conflict(there: Environment, wanted: Environment) -> Environment:
    """The registered environment, if it is what is wanted; raise UsageError otherwise."""
    if there.identity() != wanted.identity():
        raise UsageError(
            f"environment {there.label} is registered with other content, and a version never changes",
            hint="register without a version to get the next number, or name one that is free",
        )
    return there


def deleted_number(name: str, version: int) -> UsageError:
    """What is raised for a number that was given before, or passed over."""
    return UsageError(
        f"version {version} of environment {name!r} cannot be given: numbers only grow",
        hint="register without a version to get the next number",
    )


def no_environment(name: str, version: int, known: Sequence[int], names: set[str]) -> NotFoundError:
    """What is raised where there is no such environment."""
    if known:
        listed = ", ".join(map(str, known))
        return NotFoundError(f"environment {name!r} has no version {version}", hint=f"it has: {listed}")
    listed = ", ".join(sorted(names)) or "none yet"
    return NotFoundError(
        f"there is no registered environment {name!r}",
        hint=f"'pipelinekit environments register' makes one; registered are: {listed}",
    )
