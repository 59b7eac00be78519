"""The state machine, as far as the ordinary suite goes, and further."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from proof import ReuseMachine

CALM = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def test_every_run_is_what_the_oracles_say():
    examples = int(os.environ.get("REUSE_EXAMPLES", "60"))
    run_state_machine_as_test(ReuseMachine, settings=settings(max_examples=examples, stateful_step_count=12, **CALM))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_run_is_what_the_oracles_say_at_length():
    examples = int(os.environ.get("REUSE_EXAMPLES", "1500"))
    run_state_machine_as_test(ReuseMachine, settings=settings(max_examples=examples, stateful_step_count=25, **CALM))
