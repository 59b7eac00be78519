"""The attempt that this process executes now, for code of the step that asks for it (`harness.context`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.attempts import Attempt
from pipelinekit.ports import Blobs

if TYPE_CHECKING:
    from pipelinekit.domain.metrics import Entry
    from pipelinekit.formats.telling import Teller

Send = Callable[[str, "Sequence[Entry]"], None]  # the id of an attempt, and what it tells


class Current:
    """What is executed now. There is one for each process: `CURRENT`."""

    def __init__(self) -> None:
        self.attempt: Attempt | None = None
        self.blobs: Blobs | None = None
        self.scratch = Path()
        self.send: Send | None = None
        self.teller: Teller | None = None  # of this attempt, when its code has told something
        self.cluster: Mapping[str, Any] | None = None  # how the code of attempts can be a client of their Dask cluster
        self.client: Any = None  # of that cluster, when the code of this attempt has asked for it
        self._close_client: Callable[[], object] | None = None

    def lend(self, client: Any, close: Callable[[], object]) -> None:
        """Keep the client that the attempt's code was given; it is closed when the attempt has ended."""
        self.client, self._close_client = client, close

    def begin(self, attempt: Attempt, blobs: Blobs, scratch: Path, send: Send | None) -> None:
        """An attempt begins."""
        self.attempt, self.blobs, self.scratch, self.send = attempt, blobs, scratch, send
        self.teller = None

    def end(self) -> None:
        """The attempt has ended; what it told last is sent on."""
        self.attempt = None
        if self._close_client is not None:
            self._close_client()
            self.client = self._close_client = None
        if self.teller is not None:
            self.teller.flush()
            self.teller = None


CURRENT = Current()
