"""The part of a workspace's services that makes runs of schedules when they are due."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property

from pipelinekit import serving
from pipelinekit.errors import PipelinekitError
from pipelinekit.late import late
from pipelinekit.storage import leases
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from pipelinekit.domain import run_queries
    from pipelinekit.domain import schedules as schedule_nouns
    from pipelinekit.domain.upkeep import StoreFault
    from pipelinekit.domain.values import StoredValue
    from pipelinekit.runtime import ticker
    from pipelinekit.storage import schedules as schedule_records
    from pipelinekit.storage import zones
    from pipelinekit.workspace import schedule_checking, schedule_runs, schedule_watching, schedules
else:
    run_queries = late("pipelinekit.domain.run_queries")
    schedule_checking = late("pipelinekit.workspace.schedule_checking")
    schedule_nouns = late("pipelinekit.domain.schedules")
    ticker = late("pipelinekit.runtime.ticker")
    schedule_records = late("pipelinekit.storage.schedules")
    zones = late("pipelinekit.storage.zones")
    schedule_runs = late("pipelinekit.workspace.schedule_runs")
    schedule_watching = late("pipelinekit.workspace.schedule_watching")
    schedules = late("pipelinekit.workspace.schedules")

RECOVER_SECONDS = 5.0  # between two looks for runs that nobody drives, where no server looks


class ScheduleServices(serving.ServeServices):
    """Services for schedules."""

    @cached_property
    def schedules(self) -> schedules.ScheduleCollection:
        """The schedules."""
        stores = schedules.ScheduleStores(self._schedule_records, self.zones, self.clock, self._schedule_targets.faults)
        return schedules.ScheduleCollection(stores)

    def ticker(
        self,
        tell: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        drive: Callable[[str], object] | None = None,
    ) -> ticker.Ticker:
        """What makes runs of schedules, in this thread. `drive` is told of each, for where no server is."""
        ports = ticker.TickerPorts(
            self._schedule_records,
            self._tickers,
            schedule_runs.ScheduleLauncher(self._schedule_targets, self.runs),
            schedule_runs.ScheduleNotifier(self.audit, tell),
            self.zones,
            self.clock,
            self.records.batch,
            schedule_watching.DataWatcher(lambda: self._dataset_files, self._dataset_records, self.blobs),
            drive,
        )
        return ticker.Ticker(leases.owner_id(), ports, monotonic, tell)

    def serve_schedules(self, ended: threading.Event, tell: Callable[[str], None], *, inside: bool = False) -> None:
        """Make runs of schedules until `ended` is set.

        `inside` a server, runs are left to it. Elsewhere they are driven by a server or else by processes of their own.
        """
        if not self.wait_for_records(ended, tell):
            return

        def recorded(run: str) -> None:
            tell(f"run {run} is recorded for a schedule")

        made, looked, told = self.ticker(tell, drive=recorded if inside else self.launch), float("-inf"), ""
        try:
            while True:
                try:
                    made.turn()
                except Exception as error:  # whatever it is, schedules are looked at again
                    if repr(error) != told:
                        tell(f"schedules cannot be looked at: {error!r}")
                    told = repr(error)
                if not inside and time.monotonic() - looked >= RECOVER_SECONDS:
                    looked = time.monotonic()
                    self._see_to_runs(tell)
                if ended.wait(ticker.LOOK_SECONDS):
                    return
        finally:
            made.release()

    def _see_to_runs(self, tell: Callable[[str], None]) -> None:
        try:
            if not self.servers.alive():
                self.recover()
        except (PipelinekitError, OSError) as error:
            tell(f"trouble: {error}")

    def are_schedules_served(self) -> bool:
        """Whether some process makes runs of schedules now."""
        return bool(self._tickers.holder())

    def schedule_faults(self) -> list[StoreFault]:
        """What is wrong with the ledger of schedules."""

        def runs_of(schedule: str) -> list[str]:
            query = run_queries.RunQuery(properties={schedule_nouns.SCHEDULE: schedule}, limit=schedule_checking.ALL)
            return [run.id for run in self.runs.find(query)]

        return schedule_checking.schedule_faults(self._schedule_records, self.zones, runs_of)

    def registered(self) -> tuple[set[str], Sequence[StoredValue]]:
        """What clean-up leaves beside what runs need: of datasets, and of data that runs of schedules wait to read."""
        digests, values = self._dataset_records.values()
        records = self._schedule_records
        waiting = [tick for schedule in records.busy() for tick in records.pending(schedule.id)]
        return digests, [*values, *schedule_watching.seen_values(waiting)]

    @cached_property
    def zones(self) -> zones.InstalledZones:
        """Rules of time zones."""
        return zones.InstalledZones()

    @cached_property
    def _tickers(self) -> schedule_records.SQLTickers:
        return schedule_records.SQLTickers(self.database, self.clock)

    @cached_property
    def _schedule_records(self) -> schedule_records.SQLSchedules:
        return schedule_records.SQLSchedules(self.database)

    @cached_property
    def _schedule_targets(self) -> schedule_runs.ScheduleTargets:
        return schedule_runs.ScheduleTargets(
            lambda: self.published_pipelines,
            lambda: self.pipeline_endpoints,
            lambda: self.datastores,
            lambda: self.datasets,
        )
