"""Runs that a server has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipelinekit.client.connection import Connection, quoted
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import RunFailedError

SHORTEST_WAIT, LONGEST_WAIT = 0.05, 2.0


class RemoteRun:
    """A run; properties show it as it is at the server now, until it is final."""

    def __init__(self, document: Mapping[str, Any], connection: Connection) -> None:
        self.id = str(document["id"])
        self.callback_secret = str(document.get("callback_secret", ""))  # of a call that was just made
        self._document: Mapping[str, Any] = document
        self._connection = connection

    def document(self) -> dict[str, Any]:
        """The run and its steps as JSON data."""
        if "steps" not in self._document or not RunStatus(self._document["status"]).final:
            self._document = self._connection.get(f"/runs/{self.id}")
        return dict(self._document)

    @property
    def status(self) -> RunStatus:
        """Where it stands."""
        return RunStatus(self.document()["status"])

    @property
    def experiment(self) -> str:
        """The experiment that it belongs to."""
        return str(self._document["experiment"])

    @property
    def steps(self) -> Mapping[str, str]:
        """The statuses of its steps, by name."""
        return {step["name"]: step["status"] for step in self.document()["steps"]}

    @property
    def outputs(self) -> Mapping[str, Any]:
        """What it left: plain values as they are, others by format, digest and size."""
        return dict(self.document()["outputs"])

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""
        return dict(self._connection.get(f"/runs/{self.id}")["tags"])

    @property
    def properties(self) -> Mapping[str, str]:
        """Its properties."""
        return dict(self._connection.get(f"/runs/{self.id}")["properties"])

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; others stay."""
        body = {"set": {key: str(value) for key, value in tags.items()}}
        self._connection.ask("PATCH", f"/runs/{self.id}/tags", body, again=True)

    def remove_tags(self, *keys: str) -> None:
        """Remove tags."""
        self._connection.ask("PATCH", f"/runs/{self.id}/tags", {"remove": list(keys)}, again=True)

    def logs(self, step: str = "") -> str:
        """What a step wrote, or all steps."""
        texts, after = [], 0
        while True:
            found = self._connection.get(f"/runs/{self.id}/logs", step=step, after=after)
            texts.append(found["log"])
            after = found["next"]
            if after >= found["length"]:
                return "".join(texts)

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metrics of the run under an empty name, those of its steps by step."""
        return dict(self._connection.get(f"/runs/{self.id}/metrics")["metrics"])

    def cancel(self) -> None:
        """Ask it to end."""
        self._connection.ask("POST", f"/runs/{self.id}/cancel", again=True)

    def wait(self, timeout: float | str | None = None, *, raise_on_error: bool = True) -> RemoteRun:
        """Wait until it has ended; returns the run itself.

        Raises RunFailedError when it did not complete, unless told otherwise, and TimeoutError after `timeout`.
        """
        until = None if timeout is None else time.monotonic() + parse_duration(timeout)
        pause = SHORTEST_WAIT
        while not (status := self.status).final:
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"run {self.id} is still {status}")
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_WAIT)
        if raise_on_error and status is not RunStatus.COMPLETED:
            error = self.document().get("error") or {}
            words = error.get("message") or f"it ended as {status}"
            raise RunFailedError(
                f"run {self.id} did not complete: {words}", run=self.id, status=str(status), error=error
            )
        return self

    def __repr__(self) -> str:
        return f"RemoteRun({self.id!r}, {self._document['status']})"


class RemoteRuns:
    """The runs of a workspace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, run: str = "latest") -> RemoteRun:
        """The run of this id or unique beginning of one; the newest by default. Raises NotFoundError."""
        return RemoteRun(self._connection.get(f"/runs/{quoted(run)}"), self._connection)

    def list(
        self,
        *,
        experiment: str = "",
        pipeline: str = "",
        status: RunStatus | str | None = None,
        kind: str = "",
        tags: Mapping[str, str | None] | None = None,
        where: str | Sequence[str] = (),
        sort: str = "",
        ascending: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> Sequence[RemoteRun]:
        """Runs, newest first, or sorted by a metric or parameter; as `Workspace.runs.list`."""
        found = self._connection.get(
            "/runs",
            experiment=experiment,
            pipeline=pipeline,
            status=str(status) if status else "",
            kind=kind,
            tag=[key if value is None else f"{key}={value}" for key, value in (tags or {}).items()],
            where=[where] if isinstance(where, str) else list(where),
            sort=sort,
            ascending=ascending,
            after=after,
            limit=limit,
        )
        return [RemoteRun(item, self._connection) for item in found["runs"]]
