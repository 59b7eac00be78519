"""Every durable effect of a driver is a crash point: it dies before or after each, and another goes on.

The points are counted, not listed: whatever a driver makes durable is swept. `proof.py` dies at random ones.
"""

import pytest
from bench import Effects
from proof import ReuseMachine
from worlds import FILES, KINDS, OPS, Function, Step, World

BIT, FILE, SORTED, FOLDER, LIST, TOKEN = range(len(KINDS))
WORLD = World(
    tuple(Function(kind, OPS[kind][-1 if kind == "list" else 0]) for kind in KINDS),
    (
        Step("a", FILE, data="a.txt"),
        Step("same", FILE, data="a.txt"),
        Step("tree", FOLDER, (0,), data="set"),
        Step("pieces", LIST, (0,)),
        Step("each", SORTED, (3,), direct=True, mapped=True),
        Step("again", FILE, (4,), direct=True, mapped=True),
        Step("bit", BIT, (2,)),
        Step("taken", FILE, (6,), condition=6),
        Step("nonce", TOKEN, (0,), allow_reuse=False),
        Step("last", FILE, (1, 5, 7, 8), k="p"),
    ),
    FILES,
)


def points():
    """How many effects the undisturbed run has."""
    machine, counted = machine_of(WORLD), Effects()
    counted.left = 10_000
    try:
        machine.bench.drive(machine.submit(), effects=counted)
        return 10_000 - counted.left
    finally:
        machine.bench.close()


def machine_of(world):
    machine = ReuseMachine()
    machine.world = world
    machine.bench.order.seed(1)
    return machine


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_comes_to_its_end_whatever_effect_its_driver_died_at(after):
    count = points()
    assert count > 40
    for nth in range(1, count + 1):
        machine = machine_of(WORLD)
        try:
            machine.drivers_die_and_others_go_on([(nth, after)])
            if nth % 5 == 0:
                machine.run_again()
        except BaseException as error:
            error.add_note(f"the driver died {'after' if after else 'before'} effect {nth} of {count}")
            raise
        finally:
            machine.bench.close()


@pytest.mark.slow
@pytest.mark.parametrize("second", range(1, 13))
def test_so_it_does_when_the_next_driver_dies_as_well(second):
    for nth in range(1, points() + 1):
        machine = machine_of(WORLD)
        try:
            machine.drivers_die_and_others_go_on([(nth, True), (second, nth % 2 == 0)])
        finally:
            machine.bench.close()


def test_a_run_in_which_nothing_is_new_comes_to_its_end_too():
    for nth in range(1, 8):
        machine = machine_of(WORLD)
        try:
            machine.run()
            machine.drivers_die_and_others_go_on([(nth, nth % 2 == 0)])
        finally:
            machine.bench.close()
