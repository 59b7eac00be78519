"""What a node, or whoever has got at a cluster, says of attempts that are not its own, or that nobody can read."""

import pytest
from compute.test_contract import WithHome
from compute.test_silent_nodes import kept  # noqa: F401 - a fixture
from conftest import dask_cluster, wait_for

from pipelinekit.compute.clusters import connect
from pipelinekit.compute.dask_targets import AttachedCompute, ClusterCompute
from pipelinekit.computing import MAKER
from pipelinekit.domain.attempts import AttemptEnded, LogChunk, Told
from pipelinekit.domain.metrics import Entry
from pipelinekit.domain.values import plain
from pipelinekit.testing.contracts.compute import ComputeContract, Watched
from pipelinekit.wire.attempts import event_to_json


class TestForged(WithHome):
    attempt = ComputeContract.attempt

    @pytest.fixture(autouse=True)
    def _kept(self, kept):  # noqa: F811
        self.cluster, self.running, self.certificates = kept

    def test_what_is_said_of_others_attempts_or_cannot_be_read_changes_nothing(self):
        watched = Watched()
        said = self.running.said()
        compute = ClusterCompute(lambda: (said, self.certificates), self.cluster, watched.events.put, self.home, MAKER)
        forger = connect(said.address, self.certificates)
        try:
            compute.start(
                [self.attempt("a", "sleep", 1), self.attempt("b", "sleep", 1), self.attempt("c", "double", 4)]
            )
            watched.until_written("sleeping", compute)
            (topic,) = {name for name in wait_for(forger.get_events) if name.startswith("pipelinekit-")}
            foreign = [
                AttemptEnded("another/a/1", 1.0, 1.0, {"output": plain("forged")}),
                AttemptEnded("run/a/2", 1.0, 1.0, {"output": plain("forged")}),
                LogChunk("another/a/1", "stdout", "forged"),
                Told("another/a/1", (Entry("tag", "best", "forged"),)),
                AttemptEnded("run/b/1", 1.0, 1.0, {"elsewhere": plain("forged")}),
            ]
            for event in (*([event_to_json(item)] for item in foreign), [{}], [{"event": "ended"}], "forged", None, 7):
                forger.log_event(topic, {"node": "tls://forged:1", "threads": 1, "events": event})
                forger.log_event(topic, event)
            ended = watched.until(3, compute)
        finally:
            forger.close()
            compute.close()
        assert ended["a"].outputs == {"output": plain(1)}
        assert ended["c"].outputs == {"output": plain(8)}
        assert ended["b"].failure.message == "its node says that it gave 'elsewhere', but the step declares 'output'"
        assert {event.attempt.split("/")[0] for event in watched.seen} == {"run"}
        assert "forged" not in repr([event for event in watched.seen if not isinstance(event, LogChunk)])


FORGER = """
import itertools
from pipelinekit.compute import worker

answers = itertools.cycle(
    ["", "[]", "7", '{"events": []}', '{"events": [{"event": "ended"}], "unstarted": []}',
     '{"events": [], "unstarted": ["another/a/1"]}', '{"events": [null], "unstarted": []}']
)
worker.run_bundle = lambda payload: next(answers)
"""


class TestForgingNode(WithHome):
    attempt = ComputeContract.attempt

    def test_an_answer_that_cannot_be_read_or_tells_nothing_is_a_lost_attempt(self, tmp_path):
        (tmp_path / "forger.py").write_text(FORGER)
        watched = Watched()
        with dask_cluster(tmp_path, "--preload", str(tmp_path / "forger.py"), workers=1) as address:
            compute = AttachedCompute(address, watched.events.put, self.home, MAKER)
            try:
                compute.start([self.attempt(f"n{number}", "double", number) for number in range(7)])
                ended = watched.until(7, compute)
            finally:
                compute.close()
        assert {event.failure.kind for event in ended.values()} == {"lost"}
