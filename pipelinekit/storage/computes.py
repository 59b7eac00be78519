"""Compute targets in the database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.computes import ComputeTarget
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.storage.database import Database, Row
from pipelinekit.wire.values import dumps, loads


class SQLComputes:
    """Implements `ports.ComputeRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, target: ComputeTarget) -> None:
        """Keep a target."""
        row = (target.name.lower(), target.name, *_content(target), target.created_at)
        if not self._database.write_returning("add_compute", row):
            raise ConflictError(
                f"there is a compute target {target.name!r} already",
                hint="choose another name, or detach that one first: 'pipelinekit computes detach NAME'",
            )

    def get(self, name: str) -> ComputeTarget:
        """The target of that name."""
        rows = self._database.read("get_compute", (name.lower(),))
        if not rows:
            raise no_compute(name, [target.name for target in self.list()])
        return _target(rows[0])

    def list(self) -> Sequence[ComputeTarget]:
        """All of them."""
        return [_target(row) for row in self._database.read("list_computes")]

    def replace(self, target: ComputeTarget) -> None:
        """Keep a target in place of the one of its name."""
        if not self._database.write_returning("replace_compute", (*_content(target), target.name.lower())):
            raise no_compute(target.name, [known.name for known in self.list()])

    def remove(self, name: str) -> None:
        """Forget a target."""
        if not self._database.write_returning("delete_compute", (name.lower(),)):
            raise no_compute(name, [target.name for target in self.list()])


def no_compute(name: str, known: Sequence[str]) -> NotFoundError:
    """What to say where a compute target is not."""
    hint = f"there are: {', '.join(['local', 'in-process', *known])}; 'pipelinekit computes attach' adds one"
    return NotFoundError(f"there is no compute target {name!r}", hint=hint)


def _content(target: ComputeTarget) -> tuple[str, str, int, str, str]:
    return (
        target.address,
        dumps(dict(target.secrets)),
        int(target.allow_plain),
        target.description,
        dumps(dict(target.tags)),
    )


def _target(row: Row) -> ComputeTarget:
    return ComputeTarget(
        row["name"],
        row["address"],
        loads(row["secrets"]),
        bool(row["allow_plain"]),
        row["description"],
        loads(row["tags"]),
        row["created_at"],
    )
