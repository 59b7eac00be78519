"""The state machine, as far as the ordinary suite goes, and further."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from proof import ReuseMachine

CALM = {"deadline": None, "suppress_health_check": list(HealthCheck), "report_multiple_bugs": False}
HASTE = "REUSE_HASTE" in os.environ  # look for whether it fails, not how simply, and look longer


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_run_is_what_the_oracles_say():
    often = settings(max_examples=200, stateful_step_count=12, derandomize=True, database=None, **CALM)
    if HASTE:
        often = settings(often, max_examples=1500, phases=(Phase.generate,))
    run_state_machine_as_test(ReuseMachine, settings=often)


@pytest.mark.slow
@pytest.mark.timeout(14_400)
def test_every_run_is_what_the_oracles_say_at_length():
    examples = int(os.environ.get("REUSE_EXAMPLES", "5000"))
    run_state_machine_as_test(ReuseMachine, settings=settings(max_examples=examples, stateful_step_count=25, **CALM))
