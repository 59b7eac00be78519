"""What records of compute targets must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import pytest

from pipelinekit.classes import replace
from pipelinekit.domain.computes import Attached, Cluster, ComputeTarget, Keeping
from pipelinekit.errors import ConflictError, LeaseLostError, NotFoundError
from pipelinekit.ports.computes import ComputeRecords, KeeperRecords

FARM = Attached("tcp://localhost:1")
PEM = {"ca": "CA", "cert": "CERT", "key": "KEY"}


class ComputesContract:
    """The suite for records of compute targets."""

    def make(self) -> ComputeRecords:
        """Empty records."""
        raise NotImplementedError

    def test_a_target_is_found_whatever_the_case_of_its_name(self) -> None:
        records = self.make()
        target = ComputeTarget("Farm", Attached("tls://farm:8786", PEM), "twelve machines", {"team": "a"}, 1.5)
        records.add(target)
        assert records.get("farm") == records.get("FARM") == target
        assert list(records.list()) == [target]

    def test_a_cluster_is_kept_as_it_was_defined(self) -> None:
        records = self.make()
        cluster = ComputeTarget("pool", Cluster(4, 1, 60.0, 2, 2**30, {"gpu": 1.0}), created_at=1.0)
        records.add(cluster)
        assert records.get("pool") == cluster
        assert records.get("pool").kind == "cluster"

    def test_a_name_that_is_taken_is_a_conflict(self) -> None:
        records = self.make()
        first = ComputeTarget("farm", FARM)
        records.add(first)
        with pytest.raises(ConflictError):
            records.add(ComputeTarget("FARM", Attached("tcp://localhost:2")))
        assert records.get("farm") == first

    def test_a_target_is_replaced_and_keeps_when_it_was_made(self) -> None:
        records = self.make()
        for name in ("a", "b"):
            records.add(ComputeTarget(name, FARM, created_at=2.0))
        changed = replace(records.get("b"), definition=Attached("tcp://10.0.0.1:1", allow_plain=True), tags={"x": ""})
        records.replace(changed)
        assert list(records.list()) == [ComputeTarget("a", FARM, created_at=2.0), changed]
        with pytest.raises(NotFoundError):
            records.replace(replace(changed, definition=Cluster(2)))

    def test_what_is_not_there_is_told(self) -> None:
        records = self.make()
        with pytest.raises(NotFoundError):
            records.get("nowhere")
        with pytest.raises(NotFoundError):
            records.remove("nowhere")
        with pytest.raises(NotFoundError):
            records.replace(ComputeTarget("nowhere", FARM))
        records.add(ComputeTarget("a", FARM))
        records.remove("A")
        assert list(records.list()) == []


class KeepersContract:
    """The suite for records of keepers. `make` gives records with a cluster `pool` beside, and this process's owner."""

    def make(self) -> tuple[KeeperRecords, str]:
        """Records without a keeper, and the owner that this process is."""
        raise NotImplementedError

    def test_one_process_keeps_a_cluster_that_is_wanted(self) -> None:
        keepers, owner = self.make()
        assert not keepers.state("pool").wanted
        with pytest.raises(LeaseLostError):
            keepers.take("pool", owner)
        keepers.want("POOL", wanted=True)
        state = keepers.state("pool")
        assert (state.wanted, state.alive, state.said) == (True, False, None)
        epoch = keepers.take("pool", owner)
        with pytest.raises(LeaseLostError):
            keepers.take("pool", owner)
        said = Keeping("tls://here:1", {"python": "3"}, 2, [{"name": "1"}], "host", "", ["an error"])
        assert keepers.renew("pool", epoch, said)
        state = keepers.state("Pool")
        assert (state.wanted, state.alive, state.said) == (True, True, said)
        assert said.is_steady is False

    def test_a_keeper_is_told_that_its_cluster_is_no_longer_wanted(self) -> None:
        keepers, owner = self.make()
        keepers.want("pool", wanted=True)
        epoch = keepers.take("pool", owner)
        keepers.want("pool", wanted=False)
        assert keepers.renew("pool", epoch, Keeping("tls://here:1", {})) is False
        keepers.release("pool", epoch)
        assert keepers.state("pool").alive is False

    def test_who_comes_after_another_is_the_only_keeper(self) -> None:
        keepers, owner = self.make()
        keepers.want("pool", wanted=True)
        first = keepers.take("pool", owner)
        keepers.release("pool", first)
        second = keepers.take("pool", owner)
        assert second > first
        keepers.release("pool", first)
        with pytest.raises(LeaseLostError):
            keepers.renew("pool", first, Keeping("tls://here:1", {}))
        assert keepers.renew("pool", second, Keeping("tls://here:2", {}))
        assert keepers.state("pool").alive
