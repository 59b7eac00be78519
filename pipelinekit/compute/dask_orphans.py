"""What earlier drivers of a run have left at work on the nodes of a Dask cluster; see `orphans`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from distributed import Client

from pipelinekit.compute import worker
from pipelinekit.domain.attempts import Attempt

ASK_SECONDS = 3.0  # nodes that answer later are not waited for: what they have is executed anew


class LeftAtWork:
    """Asks the nodes, once, when an attempt of a run comes that cannot be the first at its step."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._nodes: dict[str, dict[str, str]] = {}  # by run and step

    def nodes_of(self, attempts: Sequence[Attempt], client: Client | None) -> dict[str, str]:
        """Which node has which of these attempts, by their ids: that one goes on there."""
        later = [attempt for attempt in attempts if attempt.outlives and attempt.number > 1]
        if client is not None:
            for run in {attempt.run for attempt in later}.difference(self._nodes):
                self._nodes[run] = self._ask(run, client)
        found = {attempt.id: self._nodes.get(attempt.run, {}).pop(attempt.step, "") for attempt in later}
        return {attempt: node for attempt, node in found.items() if node}

    def _ask(self, run: str, client: Client) -> dict[str, str]:
        answers: dict[str, list[str]] = {}

        def ask() -> None:
            with suppress(Exception):  # of a connection: whatever Dask raises, what is left is executed anew
                answers.update(client.run(worker.claim, self._home, run, on_error="ignore"))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(ASK_SECONDS)
        return {step: node for node, steps in dict(answers).items() for step in steps}
