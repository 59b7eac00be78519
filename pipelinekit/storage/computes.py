"""Compute targets in the database."""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.domain.computes import ComputeTarget, KeeperState, Keeping
from pipelinekit.errors import ConflictError, LeaseLostError, NotFoundError
from pipelinekit.ports import Clock
from pipelinekit.storage import leases
from pipelinekit.storage.database import Database, Row
from pipelinekit.storage.leases import is_held, seen_at
from pipelinekit.wire.computes import definition_from_json, definition_to_json, keeping_from_json, keeping_to_json
from pipelinekit.wire.values import dumps, loads


class SQLComputes:
    """Implements `ports.ComputeRecords` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, target: ComputeTarget) -> None:
        """Keep a target."""
        row = (target.name.lower(), target.name, target.kind, *_content(target), target.created_at)
        if not self._database.write_returning("add_compute", row):
            raise ConflictError(
                f"there is a compute target {target.name!r} already",
                hint="choose another name, or detach or delete that one first",
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
        if not self._database.write_returning("replace_compute", (*_content(target), target.name.lower(), target.kind)):
            raise no_compute(target.name, [known.name for known in self.list()])

    def remove(self, name: str) -> None:
        """Forget a target."""
        with self._database.transaction():
            self._database.lock()
            self._database.write("delete_keeper", (name.lower(),))
            if not self._database.write_returning("delete_compute", (name.lower(),)):
                raise no_compute(name, [target.name for target in self.list()])


def no_compute(name: str, known: Sequence[str]) -> NotFoundError:
    """What to say where a compute target is not."""
    hint = (
        f"there are: {', '.join(['local', 'in-process', *known])}; 'pipelinekit computes create' and 'attach' add one"
    )
    return NotFoundError(f"there is no compute target {name!r}", hint=hint)


class SQLKeepers:
    """Implements `ports.KeeperRecords` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def want(self, name: str, *, wanted: bool) -> None:
        """Say whether the cluster is to be kept."""
        self._database.write("want_keeper", (name.lower(), int(wanted)))

    def state(self, name: str) -> KeeperState:
        """The keeper as it is now."""
        rows = self._database.read("get_keeper", (name.lower(),))
        if not rows:
            return KeeperState()
        alive = bool(rows[0]["owner"]) and is_held(self._database, rows[0])
        said = keeping_from_json(loads(rows[0]["said"])) if alive and rows[0]["said"] else None
        return KeeperState(bool(rows[0]["wanted"]), alive, said)

    def take(self, name: str, owner: str) -> int:
        """Become the keeper; the epoch of the lease."""
        with self._database.transaction():
            self._database.lock()
            rows = self._database.read("get_keeper", (name.lower(),))
            if not rows:
                raise LeaseLostError(f"compute target {name!r} is not to be kept")
            if rows[0]["owner"] and is_held(self._database, rows[0]):
                raise LeaseLostError(f"compute target {name!r} is kept by another process ({rows[0]['owner']})")
            taken = (owner, *self._lease(), name.lower(), rows[0]["epoch"])
            return int(self._database.write_returning("take_keeper", taken)[0]["epoch"])

    def renew(self, name: str, epoch: int, said: Keeping) -> bool:
        """Keep the lease, and tell how the cluster is; whether it is still wanted."""
        row = (*self._lease(), dumps(keeping_to_json(said)), name.lower(), epoch)
        rows = self._database.touch("renew_keeper", row)
        if not rows:
            raise LeaseLostError(f"compute target {name!r} is kept by another process, or is gone")
        return bool(rows[0]["wanted"])

    def release(self, name: str, epoch: int) -> None:
        """Give the lease back."""
        self._database.write("release_keeper", (name.lower(), epoch))

    def _lease(self) -> tuple[float, float]:
        return leases.deadline(), seen_at(self._database, self._clock)


def _content(target: ComputeTarget) -> tuple[str, str, str]:
    return dumps(definition_to_json(target.definition)), target.description, dumps(dict(target.tags))


def _target(row: Row) -> ComputeTarget:
    return ComputeTarget(
        row["name"],
        definition_from_json(row["kind"], loads(row["definition"])),
        row["description"],
        loads(row["tags"]),
        row["created_at"],
    )
