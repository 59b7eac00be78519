"""Each fault and attack is injected by tests that there are, or does not apply yet."""

import pytest
from checklist.checking import faults_of_promises
from checklist.rows_deaths import DEATHS
from checklist.rows_faults import FAULTS


@pytest.mark.parametrize(("promises", "count"), [(FAULTS, 30), (DEATHS, 20)], ids=["calls", "deaths"])
def test_every_fault_is_injected_or_does_not_apply(promises, count):
    assert faults_of_promises(promises) == []
    assert len(promises) > count
