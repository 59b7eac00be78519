"""Every compute target passes one suite: in this process, on this machine, and attached to real Dask processes."""

import itertools
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from conftest import alive, own_children, wait_for

from pipelinekit.bootstrap import make_supervisor
from pipelinekit.compute.certificates import make_certificates
from pipelinekit.compute.dask_targets import AttachedCompute, ClusterCompute
from pipelinekit.compute.in_process import InProcessCompute
from pipelinekit.compute.keeper import KeptCluster
from pipelinekit.compute.local import LocalCompute
from pipelinekit.compute.nodes.circumstances import Circumstances
from pipelinekit.computing import MAKER
from pipelinekit.domain.computes import Cluster
from pipelinekit.domain.digests import PREFIX, digest
from pipelinekit.domain.steps import Resources
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ComputeError
from pipelinekit.harness.in_process import OwnProcess
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.testing.contracts.compute import SOURCE, ComputeContract, IsolatedContract, Watched


class WithHome:
    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path):
        self.home = tmp_path / ".pipelinekit"
        (self.home / "blobs").mkdir(parents=True)
        (self.home / "cache").mkdir()
        self.blobs = FolderBlobs(self.home / "blobs")


class TestInProcess(WithHome, ComputeContract):
    def make(self, sink):
        folder = self.home.parent / "source"
        folder.mkdir(exist_ok=True)
        (folder / "contract_steps.py").write_text(SOURCE)
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
            sys.modules.pop("contract_steps", None)
        return InProcessCompute(sink, OwnProcess(self.home, self.blobs, self.home / "scratch"))


class TestLocal(WithHome, IsolatedContract):
    def make(self, sink):
        return LocalCompute(sink, make_supervisor(self.home), cores=2, memory=8 * 2**30)

    def test_requests_that_can_never_be_met_fail_with_the_numbers(self):
        watched = self.run(
            self.attempt("a", "double", 1, resources=Resources(memory="64GiB")),
            self.attempt("b", "double", 1, resources=Resources(gpu=1)),
            self.attempt("c", "double", 1, resources=Resources(cpu=16)),
        )
        assert "asks for 64.0 GiB of memory, this machine has 8.0" in watched.ended["a"].failure.message
        assert "asks for 1 GPUs, and local steps get none" in watched.ended["b"].failure.message
        assert watched.ended["c"].failure is None, "more cores than there are means all of them"

    def test_cores_are_shared_as_asked(self):
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            compute.start([self.attempt(f"n{number}", "sleep", 0.4, resources=Resources(cpu=2)) for number in range(3)])
            ended = watched.until(3, compute)
        finally:
            compute.close()
        spans = sorted((event.at - event.seconds, event.at) for event in ended.values())
        assert all(begin >= end - 0.05 for (_, end), (begin, _) in itertools.pairwise(spans))

    def test_half_cores_run_side_by_side(self):
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            compute.start(
                [self.attempt(f"n{number}", "sleep", 1.0, resources=Resources(cpu=0.5)) for number in range(4)]
            )
            ended = watched.until(4, compute)
        finally:
            compute.close()
        begins = [event.at - event.seconds for event in ended.values()]
        assert max(begins) < min(event.at for event in ended.values())

    def test_a_step_that_ignores_the_signal_is_killed(self):
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            attempt = self.attempt("a", "stubborn", 1)
            compute.start([attempt])
            watched.until_written("ignoring", compute)
            compute.stop([attempt.id])
            failure = watched.until(1, compute)["a"].failure
        finally:
            compute.close()
        assert (failure.kind, failure.signal) == ("canceled", "SIGKILL")

    def test_what_a_step_that_was_ended_kept_on_disk_is_removed_at_once(self):
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            compute.start([self.attempt("a", "fill", 4_000_000, resources=Resources(scratch="1MiB"))])
            assert watched.until(1, compute)["a"].failure.kind == "scratch"
            assert list((self.home / "scratch").rglob("rows")) == []
        finally:
            compute.close()

    def test_children_of_a_step_end_with_it(self):
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            attempt = self.attempt("a", "forks", 1)
            compute.start([attempt])
            watched.until_written("child ", compute)
            child = int(watched.log("a", "stdout").split()[-1])
            compute.stop([attempt.id])
            watched.until(1, compute)
        finally:
            compute.close()
        assert not alive(child)

    def test_closing_at_once_leaves_no_process(self):
        watched = Watched()
        compute = self.make(watched.events.put)
        compute.start([self.attempt(f"n{number}", "sleep", 60) for number in range(4)])
        watched.until_written("sleeping", compute)
        children = own_children()
        assert children
        compute.close(now=True)
        assert not [child for child in children if alive(child)]

    def test_no_port_is_opened(self):
        watched = Watched()
        compute = self.make(watched.events.put)
        try:
            compute.start([self.attempt("a", "double", 1)])
            watched.until(1, compute)
            assert [item for item in psutil.Process().net_connections() if item.status == "LISTEN"] == []
        finally:
            compute.close()

    def test_a_damaged_input_is_named(self):
        blob, size = self.blobs.put(b"x" * 10_000)
        place = self.home / "blobs" / blob.removeprefix(PREFIX)[:2] / blob.removeprefix(PREFIX)[2:]
        os.chmod(place, 0o600)
        place.write_bytes(b"y" * 10_000)
        attempt = self.attempt("a", "double", 1)
        damaged = replace(attempt, inputs={"x": StoredValue(digest("c"), "bytes", size, blob)})
        ended = self.run(damaged).ended["a"]
        assert ended.damaged == (blob,)
        assert ended.failure.kind == "input"


class TestAttached(WithHome, IsolatedContract):
    @pytest.fixture(autouse=True)
    def _address(self, dask_address):
        self.address = dask_address

    def make(self, sink):
        return AttachedCompute(self.address, sink, self.home, MAKER)

    def test_workers_that_do_not_see_the_workspace_are_refused(self):
        with pytest.raises(ComputeError, match="cannot see the workspace folder"):
            AttachedCompute(self.address, print, Path("/nowhere/.pipelinekit"), MAKER)

    def test_other_versions_of_packages_are_refused_by_the_worker(self):
        watched = self.run(self.attempt("a", "double", 1, packages=(("numpy", "0.1"),)))
        failure = watched.ended["a"].failure
        assert failure.kind == "environment"
        assert "keyed with numpy 0.1, this worker has" in failure.message

    @pytest.mark.parametrize(("late", "early"), [({"priority": 5}, {}), ({}, {"idle": True})], ids=["priority", "idle"])
    def test_runs_of_a_higher_priority_overtake_those_that_were_first_and_idle_attempts_let_all_others_pass(
        self, late, early
    ):
        watched, others = Watched(), Watched()
        first, second = self.make(watched.events.put), self.make(others.events.put)
        try:
            second.start([self.attempt("warm", "double", 1)])
            others.until(1, second)
            slow = [replace(self.attempt(f"slow{n}", "sleep", 0.2), **early) for n in range(16)]
            first.start(slow)
            while not watched.ended:
                watched.take(first)
            came = time.time()
            second.start([replace(self.attempt(f"quick{n}", "sleep", 0.2), **late) for n in range(8)])
            others.until(9, second)
            while not watched.events.empty():
                watched.take(first)
            begun_since = [item for item in watched.ended.values() if item.at - item.seconds > came]
            assert len(begun_since) <= 4, "those that were on their way, and no more"
            watched.until(16, first)
        finally:
            first.close()
            second.close()

    def test_idle_processes_are_given_back(self):
        watched = self.run(self.attempt("a", "where", 1))
        pid = watched.ended["a"].outputs["output"].inline[2]
        wait_for(lambda: not alive(pid))


def around(certificates, folder):
    """The workspace around a cluster of processes, which need nothing of it but the certificates."""
    return Circumstances("kept", folder, folder, certificates)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A cluster as its keeper has it, with its certificates; its nodes are processes."""
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    cluster = Cluster(2, idle_seconds_before_scaledown=600.0, memory=8 * 2**30)
    with KeptCluster(cluster, around(certificates, tmp_path_factory.mktemp("home"))) as running:
        yield cluster, running, certificates


class TestCluster(WithHome, IsolatedContract):
    test_a_flood_of_output_is_cut = None  # the same supervisor as for an attached cluster, and 100 MB
    test_idle_attempts_go_when_no_others_wait = None  # a node that comes meanwhile takes them at once

    @pytest.fixture(autouse=True)
    def _kept(self, kept):
        self.cluster, self.running, self.certificates = kept

    def make(self, sink):
        return ClusterCompute(lambda: (self.running.said(), self.certificates), self.cluster, sink, self.home, MAKER)

    def test_other_software_is_refused_with_both_versions(self):
        said = replace(self.running.said(), software={"pipelinekit": "0.0.1", "python": "cpython-3.11"})
        with pytest.raises(ComputeError, match=r"the cluster at tls.* has pipelinekit 0\.0\.1, but this process has"):
            ClusterCompute(lambda: (said, self.certificates), self.cluster, print, self.home, MAKER)


class TestIdleWorkOnACluster(WithHome):
    attempt = ComputeContract.attempt

    def test_it_waits_for_room_and_calls_for_no_more_than_a_node(self, tmp_path):
        certificates, cluster = make_certificates(tmp_path), Cluster(3, idle_seconds_before_scaledown=600.0)
        watched = Watched()
        with KeptCluster(cluster, around(certificates, tmp_path)) as running:
            compute = ClusterCompute(
                lambda: (running.said(), certificates), cluster, watched.events.put, self.home, MAKER
            )
            try:
                compute.start([replace(self.attempt(f"n{number}", "sleep", 0.3), idle=True) for number in range(6)])
                watched.until(6, compute)
                assert len(running.said().nodes) == running.said().target == 1
            finally:
                compute.close()


def test_a_scheduler_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelinekit.compute.clusters.CONNECT_SECONDS", 1.0)
    with pytest.raises(ComputeError, match="cannot be used") as error:
        AttachedCompute("tcp://127.0.0.1:9", print, tmp_path, MAKER)
    assert "is a Dask scheduler running there" in error.value.hint
