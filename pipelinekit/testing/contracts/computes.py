"""What records of compute targets must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

import pytest

from pipelinekit.classes import replace
from pipelinekit.domain.computes import ComputeTarget
from pipelinekit.errors import ConflictError, NotFoundError
from pipelinekit.ports.computes import ComputeRecords

PEM = {"ca": "CA", "cert": "CERT", "key": "KEY"}


class ComputesContract:
    """The suite for records of compute targets."""

    def make(self) -> ComputeRecords:
        """Empty records."""
        raise NotImplementedError

    def test_a_target_is_found_whatever_the_case_of_its_name(self) -> None:
        records = self.make()
        target = ComputeTarget("Farm", "tls://farm:8786", PEM, False, "twelve machines", {"team": "a"}, 1.5)
        records.add(target)
        assert records.get("farm") == records.get("FARM") == target
        assert list(records.list()) == [target]

    def test_a_name_that_is_taken_is_a_conflict(self) -> None:
        records = self.make()
        first = ComputeTarget("farm", "tcp://localhost:1")
        records.add(first)
        with pytest.raises(ConflictError):
            records.add(ComputeTarget("FARM", "tcp://localhost:2"))
        assert records.get("farm") == first

    def test_a_target_is_replaced_and_keeps_when_it_was_made(self) -> None:
        records = self.make()
        for name in ("a", "b"):
            records.add(ComputeTarget(name, "tcp://localhost:1", created_at=2.0))
        changed = replace(records.get("b"), address="tcp://10.0.0.1:1", allow_plain=True, tags={"x": ""})
        records.replace(changed)
        assert [target.address for target in records.list()] == ["tcp://localhost:1", "tcp://10.0.0.1:1"]
        assert records.get("b") == changed

    def test_what_is_not_there_is_told(self) -> None:
        records = self.make()
        with pytest.raises(NotFoundError):
            records.get("nowhere")
        with pytest.raises(NotFoundError):
            records.remove("nowhere")
        with pytest.raises(NotFoundError):
            records.replace(ComputeTarget("nowhere", "tcp://localhost:1"))
        records.add(ComputeTarget("a", "tcp://localhost:1"))
        records.remove("A")
        assert list(records.list()) == []
