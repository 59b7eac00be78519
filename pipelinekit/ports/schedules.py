"""Schedules, the ledger of their instants, and what is needed to make runs of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo
    from typing import Any, Protocol

    from pipelinekit.domain.data_changes import DataChange, Listing
    from pipelinekit.domain.runs import RunStatus
    from pipelinekit.domain.schedules import Backfill, Glance, Schedule, Tick, TickRange
else:
    Protocol = object


class ScheduleRecords(Protocol):
    """Schedules by name, whose case does not count, and for each instant what became of it."""

    def add(self, schedule: Schedule) -> None:
        """Keep a new schedule. Raises ConflictError when its name is taken."""

    def get(self, name: str) -> Schedule:
        """The schedule of this name, or of this id, which deleted ones are found by, too. Raises NotFoundError."""

    def list(self, *, deleted: bool = False) -> Sequence[Schedule]:
        """All of them, by name; deleted ones if that is asked."""

    def glance(self) -> Sequence[Glance]:
        """Those that there may be something to do for, by name: active ones, and those with pending or open ticks."""

    def some(self, ids: Iterable[str]) -> Mapping[str, Schedule]:
        """Schedules by id; those that are not there are left out."""

    def change(
        self,
        schedule: Schedule,
        *,
        ticks: Iterable[Tick] = (),
        ranges: Iterable[TickRange] = (),
        backfills: Iterable[Backfill] = (),
        void: str = "",
        every_origin: bool = False,
        at: float = 0.0,
    ) -> Schedule | None:
        """Keep a schedule as it is here, and what belongs to the change, in one transaction; the schedule after it.

        None, and nothing is written, where its version is no longer that of `schedule`. Ticks that are there already
        stay as they are. With `void`, what was pending before is void for this reason: what came due, or with
        `every_origin` all of it.
        """

    def pending(self, schedule: str) -> Sequence[Tick]:
        """Ticks without a disposition, the earliest first."""

    def hold(self, tick: Tick) -> Schedule | None:
        """The schedule of a tick that is pending; None for others. In a batch: nobody else writes until its end."""

    def decide(self, tick: Tick) -> bool:
        """Give a pending tick its disposition; False where it has one."""

    def open(self, schedule: str) -> Sequence[Tick]:
        """Ticks with a run whose outcome is not recorded yet, the earliest first."""

    def settle(self, tick: Tick) -> bool:
        """Record the outcome of a tick's run; False where that is done."""

    def fired(self, schedule: str, since: float, until: float) -> Mapping[float, str]:
        """Runs by the instants that they were started for, both bounds included; not those that somebody asked for."""

    def previous_success(self, schedule: str, due: float) -> float | None:
        """The newest instant before this one whose run has completed."""

    def history(self, schedule: str, most: int) -> tuple[Sequence[Tick], Sequence[TickRange]]:
        """The newest ticks and ranges, the newest first, at most so many of each."""

    def backfills(self, schedule: str) -> Sequence[Backfill]:
        """Backfills in the order of their numbers."""


class TickerRecords(Protocol):
    """Who makes schedules run: one process at a time, under a lease. What it does is safe without; this spares work."""

    def take(self, owner: str) -> int:
        """Become the ticker; the epoch of the lease. Raises LeaseLostError when another process is."""

    def renew(self, epoch: int) -> None:
        """Keep the lease. Raises LeaseLostError."""

    def release(self, epoch: int) -> None:
        """Give the lease back."""

    def holder(self) -> str:
        """Who is the ticker now; empty when nobody is."""


class Zones(Protocol):
    """Rules of time zones."""

    def find(self, name: str) -> tzinfo:
        """The zone of this IANA name. Raises NotFoundError."""

    def version(self) -> str:
        """Which edition of the rules this is."""


class Watcher(Protocol):
    """Looks at data that schedules wait for."""

    def look(self, trigger: DataChange) -> Listing:
        """What there is now, sub-folders included. Raises a PipelinekitError where that cannot be told."""

    def value(self, trigger: DataChange, listing: Listing, path: str = "") -> Any:
        """What a run is given: the very files of a listing, or one of them; what changes later changes it not."""


class Launcher(Protocol):
    """Makes runs of what schedules name. Called inside a batch of the records, which it writes to."""

    def submit(self, schedule: Schedule, tick: Tick, parameters: Mapping[str, Any]) -> str:
        """Record a run, and nothing else; its id. Raises a PipelinekitError where that cannot be."""

    def statuses(self, runs: Iterable[str]) -> Mapping[str, RunStatus]:
        """How runs stand; those that are not there any more are left out."""

    def cancel(self, run: str) -> None:
        """Ask for a run to be canceled."""


class Notifier(Protocol):
    """Tells people."""

    def failed(self, schedule: Schedule, tick: Tick) -> None:
        """Tell those whom a schedule names that a run failed (`outcome`) or could not be started (`reason`)."""
