"""What attempts wrote, in the database: bounded for each attempt, with a mark where it was cut."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.late import late
from pipelinekit.storage.database import Database
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.domain import attempts
else:
    attempts = late("pipelinekit.domain.attempts")

LIMIT = 8 * 1024 * 1024  # characters kept of one attempt; what another process wrote of it counts by its bytes


class SQLLogs:
    """Implements `ports.LogRecords` on a database. One instance writes the logs of the runs that its process drives."""

    def __init__(self, database: Database, limit: int = LIMIT) -> None:
        self._database = database
        self._limit = limit
        self._sizes: dict[str, int] = {}
        self._sequences: dict[tuple[str, str], int] = {}

    def append(self, chunks: Sequence[attempts.LogChunk], at: float) -> None:
        """Keep chunks in their order, up to the limit."""
        rows = []
        for chunk in chunks:
            body = self._fit(chunk)
            if body:
                run, step, number = attempts.split_id(chunk.attempt)
                rows.append((run, step, self._next(run, step), number, chunk.stream, at, body))
        if rows:
            self._database.write_many("add_log", rows)

    def read(self, run: str, step: str, after: int = 0) -> Sequence[tuple[int, attempts.LogChunk]]:
        """Chunks of one step with their positions."""
        return [
            (row["sequence"], attempts.LogChunk(f"{run}/{step}/{row['attempt']}", row["stream"], row["body"]))
            for row in self._database.read("read_log", (run, step, after))
        ]

    def _fit(self, chunk: attempts.LogChunk) -> str:
        size = self._sizes.get(chunk.attempt)
        if size is None:
            size = self._database.read("log_size", attempts.split_id(chunk.attempt))[0]["size"]
        room = self._limit - size
        self._sizes[chunk.attempt] = size + len(chunk.text)
        if len(chunk.text) <= room:
            return chunk.text
        if room <= 0:
            return ""
        return f"{chunk.text[:room]}\n[... the rest was dropped: an attempt keeps {self._limit} characters ...]\n"

    def _next(self, run: str, step: str) -> int:
        place = run, step
        if place not in self._sequences:
            self._sequences[place] = self._database.read("last_log", place)[0]["sequence"]
        self._sequences[place] += 1
        return self._sequences[place]
