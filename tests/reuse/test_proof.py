"""The state machine, as far as the ordinary suite goes, and further."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from proof import ReuseMachine

CALM = {"deadline": None, "suppress_health_check": list(HealthCheck), "report_multiple_bugs": False}
HASTE = int(os.environ.get("REUSE_HASTE", "0"))  # look so often for whether it fails, and not for how simply


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_run_is_what_the_oracles_say():
    often = settings(max_examples=200, stateful_step_count=12, derandomize=True, database=None, **CALM)
    if HASTE:
        often = settings(often, max_examples=HASTE, phases=(Phase.generate,))
    run_state_machine_as_test(ReuseMachine, settings=often)


@pytest.mark.slow
@pytest.mark.timeout(14_400)
def test_every_run_is_what_the_oracles_say_at_length():
    examples = int(os.environ.get("REUSE_EXAMPLES", "5000"))
    run_state_machine_as_test(ReuseMachine, settings=settings(max_examples=examples, stateful_step_count=25, **CALM))
