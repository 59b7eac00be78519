"""The state machine, as far as the ordinary suite goes, and further."""

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from proof import ReuseMachine

CALM = {"deadline": None, "suppress_health_check": list(HealthCheck), "report_multiple_bugs": False}
PARTS = 25
EXAMPLES = int(os.environ.get("REUSE_EXAMPLES", "5000"))
HASTE = int(os.environ.get("REUSE_HASTE", "0"))  # look so often for whether it fails, and not for how simply


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_run_is_what_the_oracles_say():
    often = settings(max_examples=200, stateful_step_count=12, derandomize=True, database=None, **CALM)
    if HASTE:
        often = settings(often, max_examples=HASTE, phases=(Phase.generate,))
    run_state_machine_as_test(ReuseMachine, settings=often)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_run_is_what_the_oracles_say_at_length(part):
    """Five thousand examples; each part draws its own, and the same ones every time."""
    at_length = settings(max_examples=EXAMPLES // PARTS, stateful_step_count=25, database=None, **CALM)
    machine = seed(part)(type("ReuseMachine", (ReuseMachine,), {}))
    run_state_machine_as_test(machine, settings=at_length)
