"""Documents and logs in memory: the twins of what `storage` keeps in a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import replace
from pipelinekit.domain.attempts import LogChunk, split_id
from pipelinekit.testing.records import MemoryState


class MemoryDocuments:
    """Twin of `storage.documents.SQLDocuments`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def put(self, documents: Mapping[str, str]) -> None:
        """Keep documents."""
        for digest, body in documents.items():
            self._state.documents.setdefault(digest, body)

    def get(self, digests: Iterable[str]) -> Mapping[str, str]:
        """The documents that are there."""
        return {digest: self._state.documents[digest] for digest in digests if digest in self._state.documents}


class MemoryLogs:
    """Twin of `storage.logs.SQLLogs`."""

    def __init__(self, state: MemoryState, limit: int = 8 * 1024 * 1024) -> None:
        self._state = state
        self._limit = limit

    def append(self, chunks: Sequence[LogChunk], at: float) -> None:  # noqa: ARG002 - the port's
        """Keep chunks."""
        for chunk in chunks:
            run, step, _ = split_id(chunk.attempt)
            kept = self._state.logs.setdefault((run, step), [])
            size = sum(len(item.text) for item in kept if item.attempt == chunk.attempt)
            room = self._limit - size
            text = chunk.text
            if room <= 0:
                continue
            if len(text) > room:
                text = f"{text[:room]}\n[... the rest was dropped: an attempt keeps {self._limit} characters ...]\n"
            kept.append(replace(chunk, text=text))

    def read(self, run: str, step: str, after: int = 0) -> Sequence[tuple[int, LogChunk]]:
        """Chunks with their positions."""
        kept = self._state.logs.get((run, step), [])
        return [(position, chunk) for position, chunk in enumerate(kept, start=1) if position > after]
