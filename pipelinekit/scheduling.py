"""The part of a workspace's services that acts by itself: makes runs of schedules when due, and tells webhooks."""

from __future__ import annotations

import os
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
    from pipelinekit.domain import upkeep as upkeep_nouns
    from pipelinekit.domain.upkeep import StoreFault
    from pipelinekit.domain.values import StoredValue
    from pipelinekit.runtime import sender, ticker
    from pipelinekit.storage import posting, zones
    from pipelinekit.storage import schedules as schedule_records
    from pipelinekit.storage import secrets as secret_records
    from pipelinekit.storage import webhooks as webhook_records
    from pipelinekit.workspace import (
        checking,
        schedule_checking,
        schedule_runs,
        schedule_watching,
        schedules,
        webhooks,
    )
    from pipelinekit.workspace import upkeep as cleaning
else:
    run_queries = late("pipelinekit.domain.run_queries")
    upkeep_nouns = late("pipelinekit.domain.upkeep")
    checking = late("pipelinekit.workspace.checking")
    cleaning = late("pipelinekit.workspace.upkeep")
    schedule_checking = late("pipelinekit.workspace.schedule_checking")
    schedule_nouns = late("pipelinekit.domain.schedules")
    posting = late("pipelinekit.storage.posting")
    secret_records = late("pipelinekit.storage.secrets")
    sender = late("pipelinekit.runtime.sender")
    ticker = late("pipelinekit.runtime.ticker")
    webhook_records = late("pipelinekit.storage.webhooks")
    webhooks = late("pipelinekit.workspace.webhooks")
    schedule_records = late("pipelinekit.storage.schedules")
    zones = late("pipelinekit.storage.zones")
    schedule_runs = late("pipelinekit.workspace.schedule_runs")
    schedule_watching = late("pipelinekit.workspace.schedule_watching")
    schedules = late("pipelinekit.workspace.schedules")

RECOVER_SECONDS = 5.0  # between two looks for runs that nobody drives, where no server looks


class ScheduleServices(serving.ServeServices):
    """Services for schedules and webhooks."""

    @cached_property
    def schedules(self) -> schedules.ScheduleCollection:
        """The schedules."""
        records = self.noted("schedules", self._schedule_records)
        stores = schedules.ScheduleStores(records, self.zones, self.clock, self._schedule_targets.faults)
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
                pause = ticker.LOOK_SECONDS
                try:
                    pause = made.turn()
                except Exception as error:  # whatever it is, schedules are looked at again
                    if repr(error) != told:
                        tell(f"schedules cannot be looked at: {error!r}")
                    told = repr(error)
                if not inside and time.monotonic() - looked >= RECOVER_SECONDS:
                    looked = time.monotonic()
                    self._see_to_runs(tell)
                if ended.wait(pause):
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
        waiting = [tick for seen in records.glance() if seen.pending for tick in records.pending(seen.id)]
        return digests, [*values, *schedule_watching.seen_values(waiting)]

    # -- webhooks ----------------------------------------------------------------------------------------------------

    @cached_property
    def webhooks(self) -> webhooks.WebhookCollection:
        """The webhooks."""
        return webhooks.WebhookCollection(
            webhooks.WebhookStores(
                self._webhook_records,
                secret_records.SQLSecrets(self.database, self.clock),
                self._secret_keys,
                self.audit,
                self.database.transaction,
                self.clock,
                os.urandom,
                posting.HTTPPoster(),
                lambda name: self.pipeline_endpoints.get(name).id,
                lambda name: self.schedules.get(name).id,
            )
        )

    def send_messages(self, ended: threading.Event, tell: Callable[[str], None], patience: float) -> None:
        """Carry messages to webhooks until `ended` is set, in this thread and some of its own."""
        if not self.wait_for_records(ended, tell):
            return

        def draw() -> float:
            return int.from_bytes(os.urandom(4)) / 2**32

        ports = sender.SenderPorts(
            self._webhook_records, posting.HTTPPoster(), self.webhooks.secrets_of, self.clock, draw
        )
        sender.Sender(leases.owner_id(), ports, tell).serve(ended, patience)

    def webhook_faults(self) -> list[StoreFault]:
        """What is wrong with messages to webhooks."""
        return webhooks.webhook_faults(self._webhook_records)

    @cached_property
    def _webhook_records(self) -> webhook_records.SQLWebhooks:
        return webhook_records.SQLWebhooks(self.database, self.clock)

    # -- the workspace as a whole ------------------------------------------------------------------------------------

    def check(
        self, *, quick: bool = False, repair: bool = False, progress: checking.Progress | None = None
    ) -> list[StoreFault]:
        """What is wrong in the workspace. With `quick` less is read; with `repair` what can be mended is."""
        found = checking.Checker(self.upkeep, upkeep_nouns.GRACE_SECONDS).check(
            quick=quick, repair=repair, progress=progress
        )
        found += self.secret_faults(quick=quick)
        if not quick:
            found += [*self.access_faults(), *self.schedule_faults(), *self.webhook_faults()]
        return found

    def clean_up(self, policy: upkeep_nouns.RetentionPolicy, *, dry: bool = False) -> upkeep_nouns.Collection:
        """Remove what a policy lets go, and what nothing refers to; with `dry` only say what that would be."""
        return cleaning.Collector(self.upkeep).collect(policy, dry=dry)

    # -- what both stand on ------------------------------------------------------------------------------------------

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
