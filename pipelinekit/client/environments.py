"""Environments that a server has."""

from __future__ import annotations

import builtins
from typing import Any

from pipelinekit.client.connection import LONG_SECONDS, Connection, quoted
from pipelinekit.domain.environments import LATEST, Environment, Lock, parse_version, split_label
from pipelinekit.errors import UsageError
from pipelinekit.wire.environments import environment_from_document, environment_to_json, lock_from_json


class RemoteEnvironments:
    """The environments of a workspace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def register(self, environment: Environment, version: int | str = LATEST) -> Environment:
        """Register an environment under its name, as version 1, 2, 3 …; it comes back with its version."""
        if not isinstance(environment, Environment):
            raise UsageError(f"{environment!r} is no environment", hint="give an Environment(...)")
        body = environment_to_json(environment)
        if number := parse_version(version):
            body["version"] = number
        return environment_from_document(self._connection.ask("POST", "/environments", body).document)

    def get(self, name: str, version: int | str = LATEST) -> Environment:
        """A registered environment, the newest version by default; `name` may be `name:version`. NotFoundError."""
        return environment_from_document(self.show(name, version))

    def list(self, name: str = "") -> builtins.list[Environment]:
        """Registered environments, by name, newest version first."""
        return self._listed(name=name)

    def unregistered(self) -> builtins.list[Environment]:
        """Environments that were resolved for a run, and are not registered."""
        return self._listed(unregistered=True)

    def clone(self, name: str, new_name: str, version: int | str = LATEST) -> Environment:
        """Register a copy under another name, whose versions begin anew."""
        path = f"{_path(name, version)}/clones"
        return environment_from_document(self._connection.ask("POST", path, {"name": new_name}).document)

    def delete(self, name: str, version: int | str) -> None:
        """Take a version away; runs and graphs that were compiled with it keep its lock."""
        number = parse_version(version) or self.get(name).version
        self._connection.ask("DELETE", _path(name, number))

    def show(self, name: str, version: int | str = LATEST) -> dict[str, Any]:
        """A registered environment as JSON data, with its lock where it was resolved, and whether that is built."""
        return dict(self._connection.get(_path(name, version)))

    def lock(self, environment: Environment | str, *, upgrade: bool = False) -> Lock:
        """The lock of a registered environment. With `upgrade` it is resolved anew."""
        label = environment if isinstance(environment, str) else environment.label
        found = self._connection.ask("POST", f"{_path(label)}/lock", query={"upgrade": upgrade}, seconds=LONG_SECONDS)
        return lock_from_json(found.document)

    def build(self, environment: Environment | str) -> str:
        """Build a registered environment on the server's machine ahead of need; its interpreter there."""
        label = environment if isinstance(environment, str) else environment.label
        found = self._connection.ask("POST", f"{_path(label)}/build", again=True, seconds=LONG_SECONDS)
        return str(found.document["python"])

    def _listed(self, **query: Any) -> builtins.list[Environment]:
        return [
            environment_from_document(item) for item in self._connection.get("/environments", **query)["environments"]
        ]


def _path(name: str, version: int | str = LATEST) -> str:
    bare, number = split_label(name)
    if number and parse_version(version):
        raise UsageError(f"{name!r} names a version already, and {version!r} is another one")
    number = number or parse_version(version)
    return f"/environments/{quoted(f'{bare}:{number}' if number else bare)}"
