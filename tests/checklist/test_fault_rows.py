"""Each fault and attack is injected by tests that there are, or does not apply yet."""

from checklist.checking import faults_of_promises
from checklist.rows_faults import FAULTS


def test_every_fault_is_injected_or_does_not_apply():
    assert faults_of_promises(FAULTS) == []
    assert len(FAULTS) > 30
