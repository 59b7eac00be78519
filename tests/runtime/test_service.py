"""The service: which processes it starts, gives runs to and mourns, with imaginary processes and twins of the records."""

import threading

import pytest

from pipelinekit import Workspace
from pipelinekit.domain.digests import digest
from pipelinekit.domain.runs import RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.servers import UNREACHABLE, Server
from pipelinekit.errors import StorageError
from pipelinekit.runtime.service import Service
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.records import MemoryDriving, MemoryRuns, MemoryState
from pipelinekit.testing.servers import MemoryServers


class ImaginaryProcess:
    """A driver process that does what the test says."""

    def __init__(self):
        self.run = None
        self.code = None
        self.deaf = False

    def begin(self, run):
        self.run = None if self.deaf else run
        return not self.deaf

    def exit_code(self):
        return self.code

    def dismiss(self):
        self.code = 0


class Site:
    """A workspace in memory with a service."""

    def __init__(self, most=2, warm=1, starting=9):
        self.state = MemoryState(HandClock(), dead={"dead"})
        self.runs, self.driving = MemoryRuns(self.state), MemoryDriving(self.state)
        self.servers = MemoryServers(set())
        self.processes, self.told = [], []
        about = Server("here", 7, 0.0, 0, most)
        self.service = Service(
            "server",
            self.driving,
            self.runs,
            self.servers,
            self.spawn,
            about,
            warm=warm,
            starting=starting,
            tell=self.told.append,
        )

    def spawn(self):
        self.processes.append(ImaginaryProcess())
        return self.processes[-1]

    def submit(self, name):
        run = RunRecord(
            name, 0, "exp", "pipe", digest("graph"), RunStatus.QUEUED, self.state.clock.now(), detached=True
        )
        return self.runs.create(run).id

    @property
    def given(self):
        return {process.run: process for process in self.processes if process.run and process.code is None}


def test_queued_runs_go_to_processes_that_wait_and_no_more_than_there_may_be():
    site = Site(most=2, warm=1)
    site.service.turn()
    (waiting,) = site.processes
    for name in ("1", "2", "3"):
        site.submit(name)
    site.service.turn()
    assert set(site.given) == {"1", "2"}
    assert site.given["1"] is waiting
    assert len(site.processes) == 2, "a process that could be given nothing is not kept ready"
    site.service.turn()
    assert [server.running for server in site.servers.alive()] == [2]
    site.driving.finish("1", site.driving.take("1", "driver").epoch, RunStatus.COMPLETED, {}, None)
    site.given["1"].code = 0
    site.service.turn()
    assert set(site.given) == {"2", "3"}
    assert site.told == ["run 1 begins", "run 2 begins", "run 1 Completed", "run 3 begins"]


def test_few_processes_start_at_a_time_so_that_the_first_is_not_as_late_as_the_last():
    site = Site(most=9, warm=0, starting=2)
    for name in "12345":
        site.submit(name)
    site.service.turn()
    site.service.turn()
    assert set(site.given) == {"1", "2"}
    site.driving.take("2", "driver")
    site.service.turn()
    assert set(site.given) == {"1", "2", "3"}
    site.given["1"].code = -9
    site.service.turn()
    assert set(site.given) == {"2", "3", "4"}, "one that has died starts no more"


def test_a_process_that_died_while_it_waited_is_replaced():
    site = Site()
    site.service.turn()
    site.processes[0].deaf = True
    site.submit("1")
    site.service.turn()
    assert set(site.given) == {"1"}
    spare = next(process for process in site.processes if process.run is None and not process.deaf)
    spare.code = 1
    site.service.turn()
    assert [process for process in site.processes if process.run is None and process.code is None and not process.deaf]


@pytest.mark.parametrize(
    ("code", "status"),
    [(3, RunStatus.FAILED), (UNREACHABLE, RunStatus.QUEUED), (-9, RunStatus.QUEUED)],
    ids=["failed", "unreachable", "killed"],
)
def test_a_process_that_ends_without_having_taken_its_run(code, status):
    """Only if it says that it cannot: what killed it, or kept it from the records, is not the run's fault."""
    site = Site()
    run = site.submit("1")
    site.service.turn()
    site.given[run].code = code
    site.service.turn()
    assert site.runs.get(run).status is status
    site.state.clock.turn(31)
    site.service.turn()
    assert (run in site.given) is (status is RunStatus.QUEUED), "it is given to another after a while"


def left(site, name):
    """A run that is to be canceled, and of which something is at work that no driver sees to."""
    run = site.submit(name)
    taken = site.driving.take(run, "dead")
    site.driving.record(run, taken.epoch, [StepRecord(run, "a", 0, StepStatus.RUNNING, attempt=1)])
    site.runs.request_cancel(run)
    return run


def test_runs_that_only_end_are_given_out_a_few_at_a_time_by_a_full_service():
    site = Site(most=1, warm=0)
    site.submit("0")
    site.service.turn()
    for name in "123":
        left(site, name)
    site.service._full_until = 0.0  # that it looks again
    site.service.turn()
    assert set(site.given) == {"0", "1", "2"}


def test_a_process_that_cannot_end_a_canceled_run_ends_it_so():
    site = Site()
    run = left(site, "1")
    site.service.turn()
    site.given[run].code = 3
    site.service.turn()
    assert site.runs.get(run).status is RunStatus.CANCELED
    assert "exit code 3" in site.runs.get(run).failure.message


def test_a_run_that_was_handed_back_is_not_taken_for_one_that_never_began():
    site = Site()
    run = site.submit("1")
    site.service.turn()
    taken = site.driving.take(run, "driver")
    site.driving.hand_back(run, taken.epoch)
    first = site.given[run]
    first.code = 1
    site.service.turn()
    assert site.runs.get(run).status is RunStatus.QUEUED
    assert site.given[run] is not first


def test_trouble_is_told_once_and_outlived(monkeypatch):
    site = Site()

    def fail(*_, **__):
        raise StorageError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(site.driving, "recover", fail)
        for _ in range(3):
            site.service.turn()
    run = site.submit("1")
    site.service.turn()
    assert run in site.given
    assert site.told == ["trouble: gone", "run 1 begins"]


def test_at_its_end_a_service_takes_nothing_new_and_waits_for_what_runs():
    site = Site()
    site.submit("1")
    site.service.turn()
    ended, hurried = threading.Event(), threading.Event()
    ended.set()
    hurried.set()
    site.service.serve(ended, hurried, 60.0)
    assert site.told[-1] == "1 run not ended: their own processes go on with them"
    assert site.given["1"].code is None, "it is not ended"
    assert [process.code for process in site.processes if process.run is None] == [0], "who waits is"
    assert list(site.servers.alive()) == []


def test_what_was_recorded_just_before_its_end_is_begun_where_it_has_a_place():
    site = Site(most=1)
    runs = [site.submit("1"), site.submit("2")]
    ended, hurried = threading.Event(), threading.Event()
    ended.set()
    hurried.set()
    site.service.serve(ended, hurried, 60.0)
    assert list(site.given) == runs[:1]
    assert len(site.processes) == 1, "none that would wait for a run"


def test_a_server_that_has_not_said_yet_that_it_is_there_starts_no_driver_beside_those_it_counts(tmp_path):
    services = Workspace.open(tmp_path).services
    services.serves = True
    services.launch("some run")
    assert not (services.home / "cache" / "drivers.log").exists()
