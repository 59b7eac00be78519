"""Nodes that stand still: for a while nobody notices, for longer they are ended, and what they had is not lost."""

import os
import signal

import psutil
import pytest
from compute.test_contract import WithHome, around, own_children
from conftest import alive, wait_for

from pipelinekit.compute import keeper
from pipelinekit.compute.certificates import make_certificates
from pipelinekit.compute.dask_targets import ClusterCompute
from pipelinekit.computing import MAKER
from pipelinekit.domain.computes import Cluster
from pipelinekit.testing.contracts.compute import ComputeContract, Watched

SILENT = 3.0


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A cluster of one node, which may be silent for a few seconds."""
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    patch = pytest.MonkeyPatch()
    patch.setattr(keeper, "SILENT_SECONDS", SILENT)
    cluster = Cluster(1, min_nodes=1, idle_seconds_before_scaledown=600.0, memory=8 * 2**30)
    try:
        with keeper.KeptCluster(cluster, around(certificates, tmp_path_factory.mktemp("home"))) as running:
            yield cluster, running, certificates
    finally:
        patch.undo()


class TestSilentNodes(WithHome):
    attempt = ComputeContract.attempt

    @pytest.fixture(autouse=True)
    def _kept(self, kept):
        self.cluster, self.running, self.certificates = kept

    def make(self, sink):
        return ClusterCompute(lambda: (self.running.said(), self.certificates), self.cluster, sink, self.home, MAKER)

    def stopped(self, seconds):
        """A target with an attempt that sleeps on a node which has been stopped; the step's process and the node."""
        watched, before = Watched(), set(own_children())  # others may have left some
        compute = self.make(watched.events.put)
        compute.start([self.attempt("a", "sleep", seconds)])
        watched.until_written("sleeping", compute)
        (step,) = (psutil.Process(pid) for pid in set(own_children()) - before)
        node = step.parent()
        os.kill(node.pid, signal.SIGSTOP)
        return watched, compute, step.pid, node.pid

    def test_a_node_that_stands_still_for_less_than_it_may_goes_on_as_if_nothing_had_been(self):
        watched, compute, _, node = self.stopped(0.2)
        try:
            wait_for(lambda: psutil.Process(node).status() == psutil.STATUS_STOPPED)
            assert len(self.running.said().nodes) == 1
            os.kill(node, signal.SIGCONT)
            assert watched.until(1, compute)["a"].failure is None
            assert alive(node)
        finally:
            compute.close()

    def test_one_that_stands_still_for_longer_is_ended_with_its_steps_and_another_takes_its_place(self):
        watched, compute, step, node = self.stopped(600)
        try:
            failure = watched.until(1, compute)["a"].failure
            assert (failure.kind, failure.message) == ("node", "node 0 died while it executed attempt 1")
            wait_for(lambda: not alive(node) and not alive(step))
            compute.start([self.attempt("b", "double", 4)])
            assert watched.until(2, compute)["b"].failure is None
        finally:
            compute.close()
