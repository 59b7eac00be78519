"""Secrets in a workspace: set, listed and deleted by name. Nothing here gives a value back but `open_secrets`.

That one is for whoever hands values on: the supervisor of a step's process, at the moment when an attempt begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from pipelinekit.classes import replace
from pipelinekit.domain.graphs import CompiledStep, Graph
from pipelinekit.domain.pipelines import StepDeclaration
from pipelinekit.domain.secrets import ANY_VERSION, CALLBACKS, Sealed, Secret, check_secret_name, check_secret_value
from pipelinekit.errors import Fault, FaultyError, NotFoundError, StorageError
from pipelinekit.ports.secrets import SecretKeys, SecretRecords
from pipelinekit.workspace.pipelines import user_name

Versions = Callable[[Iterable[str]], Mapping[str, int]]


class SecretCollection:
    """The secrets of a workspace. Values go in and are given to steps; nothing shows them."""

    def __init__(self, records: SecretRecords, keys: SecretKeys) -> None:
        self._records = records
        self._keys = keys

    def set(self, name: str, value: str, *, by: str = "") -> Secret:
        """Keep a value under a name, as a new version if there is one already; the older value is dropped.

        `by` says who does it, where that is not the user of this process.
        """
        check_secret_name(name)
        check_secret_value(name, value)
        return keep_secret(name, value, by or user_name(), self._records, self._keys)

    def delete(self, *names: str, by: str = "") -> None:
        """Drop secrets: all of these, or none where one is not there (NotFoundError).

        A secret of that name that is set later has a higher version.
        """
        known = self.names()
        if missing := [name for name in map(check_secret_name, names) if name not in known]:
            raise NotFoundError(
                f"there is no secret {_listed(missing)}", hint="'pipelinekit secrets list' shows the names"
            )
        for name in dict.fromkeys(names):
            self._records.delete(name, by or user_name())

    def list(self) -> Sequence[Secret]:
        """Names, versions, times and who set them."""
        return self._records.list()

    def names(self) -> Sequence[str]:
        """The names."""
        return [secret.name for secret in self._records.list()]

    def rotate_key(self) -> tuple[int, int]:
        """Seal every secret with a new key, and drop the older ones; how many secrets, and how many older keys stay.

        The new key stands beside the older ones until everything is sealed with it, so that whoever is killed meanwhile
        loses nothing. Values and versions stay as they are: no step runs again.
        """
        count = older = 0

        def change(sealed: Mapping[str, Sealed]) -> Mapping[str, str]:
            nonlocal count
            count = len(sealed)
            if not sealed:
                self._keys.make()
            opened = {name: self._keys.open(name, item) for name, item in sealed.items()}
            self._keys.add()
            return {name: self._keys.seal(name, sealed[name].version, value) for name, value in opened.items()}

        def retire(sealed: Mapping[str, Sealed]) -> Mapping[str, str]:
            nonlocal older
            older = self._keys.retire(sealed)
            return {}

        self._records.reseal(change)
        self._records.reseal(retire)
        return count, older


def keep_secret(name: str, value: str, by: str, records: SecretRecords, keys: SecretKeys) -> Secret:
    """Seal a value and keep it as a new version."""

    def seal(version: int, others: Mapping[str, Sealed]) -> str:
        needed = {other: sealed for other, sealed in others.items() if other != CALLBACKS}
        if not needed:
            keys.make()
        for other, sealed in [*needed.items()][:1]:  # a key that opens nothing must not seal more
            keys.open(other, sealed)
        return keys.seal(name, version, value)

    return records.put(name, by, seal)


@contextmanager
def lent(values: Mapping[str, str], secrets: SecretCollection) -> Iterator[None]:
    """Inside, a workspace has these secrets of another one; those that it has itself stay as they are."""
    missing = [name for name in values if name not in secrets.names()]
    try:
        for name in missing:
            secrets.set(name, values[name])
        yield
    finally:
        for name in {*missing} & {*secrets.names()}:
            secrets.delete(name)


def open_secrets(wanted: Mapping[str, int], records: SecretRecords, keys: SecretKeys) -> dict[str, str]:
    """Values of secrets by name, each in the version wanted, or in its newest where that is `ANY_VERSION`.

    Raises NotFoundError or StorageError, which name every secret that there is not, or not in that version.
    """
    sealed = records.sealed()
    gone = [name for name in wanted if name not in sealed]
    if gone:
        raise NotFoundError(
            f"there is no secret {_listed(gone)}", hint="it was deleted meanwhile; set it and run again"
        )
    changed = [name for name, version in wanted.items() if version not in (ANY_VERSION, sealed[name].version)]
    if changed:
        raise StorageError(
            f"secret {_listed(changed)} was changed after this run was submitted, and its older value is gone",
            hint="run the pipeline again; name a secret in not_keyed if results do not depend on its value",
        )
    return {name: keys.open(name, sealed[name]) for name in wanted}


def missing_secrets(declarations: Sequence[StepDeclaration], versions: Mapping[str, int]) -> list[Fault]:
    """Secrets that steps declare and that there are not, at the places of the steps."""
    return [
        Fault(_missing(step.title, name), step.file, step.line, _set_it(name))
        for step in declarations
        for name in step.options.secrets
        if name not in versions
    ]


def keyed_versions(secrets: Mapping[str, bool], versions: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Name and version of those secrets that enter the key."""
    return tuple((name, versions[name]) for name, keyed in sorted(secrets.items()) if keyed)


def bind_secrets(graph: Graph, find: Versions) -> Graph:
    """A graph with the versions that its secrets have now. Raises FaultyError for those that there are not."""
    versions = find({name for step in graph.steps for name in step.options.secrets})
    faults = [
        Fault(_missing(step.name, name), hint=_set_it(name))
        for step in graph.steps
        for name in step.options.secrets
        if name not in versions
    ]
    if faults:
        raise FaultyError(f"pipeline {graph.name!r} needs secrets that are not there", faults=faults)
    return replace(graph, steps=tuple(_bound(step, versions) for step in graph.steps))


def _bound(step: CompiledStep, versions: Mapping[str, int]) -> CompiledStep:
    secrets = keyed_versions(step.options.secrets, versions)
    if secrets == step.definition.secrets:
        return step
    return replace(step, definition=replace(step.definition, secrets=secrets))


def _missing(step: str, name: str) -> str:
    return f"step {step!r} needs the secret {name!r}, which is not there"


def _set_it(name: str) -> str:
    return f"'pipelinekit secrets set {name}' sets it"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
