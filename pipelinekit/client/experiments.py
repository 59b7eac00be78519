"""Experiments that a server has, as the port that they are shown from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.domain.experiments import Experiment
from pipelinekit.wire.experiments import experiment_from_document


class RemoteExperiments:
    """Implements `ports.facts.ExperimentRecords`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def make(self, name: str) -> Experiment:
        """The experiment of this name, made when it is not there."""
        return experiment_from_document(self._connection.ask("POST", "/experiments", {"name": name}).document)

    def get(self, name: str) -> Experiment:
        """The experiment of this name. Raises NotFoundError."""
        return experiment_from_document(self._connection.get(_path(name)))

    def list(self, *, archived: bool | None = False) -> Sequence[Experiment]:
        """Experiments, those with the newest runs first; `archived` None asks for all."""
        found = self._connection.get("/experiments", archived="all" if archived is None else str(archived).lower())
        return [experiment_from_document(item) for item in found["experiments"]]

    def archive(self, name: str, *, archived: bool) -> None:
        """Leave an experiment out of lists, or have it in them again."""
        self._connection.ask("POST", f"{_path(name)}/{'archive' if archived else 'reactivate'}", again=True)

    def describe(self, name: str, description: str) -> None:
        """Say what an experiment is for."""
        self._change(name, {"description": description})

    def limit(self, name: str, most: int) -> None:
        """Limit how many of its runs are under way at once; 0 for no limit."""
        self._connection.ask("PUT", f"{_path(name)}/limits", {"max_runs": most}, again=True)

    def set_tags(self, name: str, tags: Mapping[str, str | None]) -> None:
        """Set tags; others stay."""
        self._change(name, {"set": {key: value or "" for key, value in tags.items()}})

    def remove_tags(self, name: str, keys: Sequence[str]) -> None:
        """Remove tags; those that are not there need not be."""
        self._change(name, {"remove": list(keys)})

    def delete(self, name: str) -> None:
        """Delete an experiment that has no runs. Raises UsageError when it has some."""
        self._connection.ask("DELETE", _path(name))

    def _change(self, name: str, body: Any) -> None:
        self._connection.ask("PATCH", _path(name), body, again=True)


def _path(name: str) -> str:
    return f"/experiments/{quoted(name)}"
