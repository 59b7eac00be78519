"""What drivers and connections that are gone have left at work on the nodes of a Dask cluster; see `orphans`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Client

from pipelinekit.compute import worker
from pipelinekit.compute.clusters import LOOK_SECONDS, connect
from pipelinekit.compute.processes import GRACE_SECONDS
from pipelinekit.domain.attempts import Attempt

ASK_SECONDS = 3.0  # nodes that answer later are not waited for: what they have is executed anew


def nodes_of(attempts: Sequence[Attempt], client: Client | None, home: str) -> dict[str, str]:
    """Which node goes on with which of these attempts, by their ids; all nodes of the cluster are asked."""
    wanted = [attempt.id for attempt in attempts if attempt.continues]
    if client is None or not wanted:
        return {}
    answers = _ask(client, ASK_SECONDS, worker.claim, home, wanted)
    return {attempt: node for node, found in answers.items() for attempt in found}


def end_run(address: str, credentials: Mapping[str, str], home: Path, run: str, *, for_good: bool) -> None:
    """End what of a run is at work on the nodes of a cluster; when it returns, that is gone. Raises ComputeError.

    A node that stands still is not waited for: it is counted as dead soon, and what it has ends with it.
    """
    with connect(address, credentials, seconds=LOOK_SECONDS) as client:
        _ask(client, ASK_SECONDS + GRACE_SECONDS, worker.end_run, str(home), run, for_good)


def _ask(client: Client, seconds: float, question: Callable[..., Any], *words: Any) -> dict[str, Any]:
    """What the nodes of a cluster answer that do so within some seconds."""
    answers: dict[str, Any] = {}

    def ask() -> None:
        with suppress(Exception):  # of a connection: whatever Dask raises, nobody can answer any more
            answers.update(client.run(question, *words, on_error="ignore"))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return dict(answers)
