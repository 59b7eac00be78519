"""What earlier drivers of a run have left at work on the nodes of a Dask cluster; see `orphans`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from distributed import Client

from pipelinekit.compute import worker
from pipelinekit.compute.clusters import LOOK_SECONDS, connect
from pipelinekit.domain.attempts import Attempt

ASK_SECONDS = 3.0  # nodes that answer later are not waited for: what they have is executed anew


def nodes_of(attempts: Sequence[Attempt], client: Client | None, home: str) -> dict[str, str]:
    """Which node goes on with which of these attempts, by their ids; all nodes of the cluster are asked."""
    wanted = [attempt.id for attempt in attempts if attempt.continues]
    if client is None or not wanted:
        return {}
    answers: dict[str, list[str]] = {}

    def ask() -> None:
        with suppress(Exception):  # of a connection: whatever Dask raises, what is left is executed anew
            answers.update(client.run(worker.claim, home, wanted, on_error="ignore"))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ASK_SECONDS)
    return {attempt: node for node, found in dict(answers).items() for attempt in found}


def end_run(address: str, credentials: Mapping[str, str], home: Path, run: str) -> None:
    """End what of a run is at work on the nodes of a cluster; when it returns, that is gone. Raises ComputeError."""
    with connect(address, credentials, seconds=LOOK_SECONDS) as client, suppress(OSError, TimeoutError):
        client.run(worker.end_run, str(home), run, on_error="ignore")
