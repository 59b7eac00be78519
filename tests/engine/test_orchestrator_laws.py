"""Laws of the orchestrator, over random graphs, random edits, random failures and any order of events.

The oracle evaluates every step from scratch and compares by structure; it knows no digest of ours.
"""

from dataclasses import dataclass, replace

from graphs import Drawing
from hypothesis import given, settings
from hypothesis import strategies as st
from world import World

from pipelinekit.domain.runs import RunOptions, RunStatus

PROGRAMS = ("sum", "parity", "first", "list")


@dataclass(frozen=True)
class Spec:
    """A node: a program over its inputs and a constant; `code` is its text, whose version may change without effect."""

    program: str
    constant: int
    inputs: tuple[int, ...]
    code: int = 0
    fails: bool = False


def run_program(spec: Spec, values: list) -> object:
    flat = [spec.constant]
    for value in values:
        flat.extend(value if isinstance(value, list) else [value])
    match spec.program:
        case "sum":
            return sum(flat)
        case "parity":
            return sum(flat) % 2
        case "first":
            return flat[0]
        case _:
            return flat[:4]


@st.composite
def worlds(draw, fails=False):
    count = draw(st.integers(1, 9))
    specs = []
    for position in range(count):
        inputs = draw(st.lists(st.integers(0, position - 1), max_size=3, unique=True)) if position else []
        specs.append(
            Spec(
                draw(st.sampled_from(PROGRAMS)),
                draw(st.integers(0, 2)),
                tuple(inputs),
                0,
                fails and draw(st.integers(0, 5)) == 0,
            )
        )
    return specs


def graph_of(specs):
    drawing = Drawing()
    for position, spec in enumerate(specs):
        drawing.node(
            f"n{position}",
            [f"n{item}" for item in spec.inputs],
            spec.constant,
            step=f"{spec.program}{'!' * spec.fails}",
            code=str(spec.code),
        )
    return drawing.graph(**{f"o{position}": f"n{position}" for position in range(len(specs))})


def by_naive(specs):
    """Values from scratch, and which steps can have one."""
    values = []
    for spec in specs:
        inputs = [values[item] for item in spec.inputs]
        values.append(None if spec.fails or any(item is None for item in inputs) else run_program(spec, inputs))
    return values


class Model:
    """Which executions have been seen: by code text and actual input values, never by digest."""

    def __init__(self):
        self.seen = []

    def executed(self, specs, values, forced=()):
        """The identities that a run has to execute, each once; they are seen afterwards."""
        fresh = []
        for position, spec in enumerate(specs):
            if values[position] is None:
                continue
            identity = repr(
                (spec.program, spec.fails, spec.code, spec.constant, [values[item] for item in spec.inputs])
            )
            if (identity not in self.seen or position in forced) and identity not in fresh:
                fresh.append(identity)
        self.seen.extend(fresh)
        return sorted(fresh)


def orders(draw_data):
    return lambda count: draw_data.draw(st.integers(0, count - 1), label="event") if count > 1 else 0


def a_run(world, specs, options=RunOptions()):
    by_name = {f"n{position}": spec for position, spec in enumerate(specs)}
    identities = []

    def function(step, inputs, attempt):
        spec = by_name[step]
        if spec.fails:
            raise ValueError(step)
        identities.append(repr((spec.program, spec.fails, spec.code, spec.constant, inputs["x"])))
        return run_program(spec, inputs["x"])

    world.function = function
    finish = world.run(graph_of(specs), options)
    return finish, sorted(identities)


EDITS = st.lists(
    st.tuples(st.sampled_from(["code", "constant", "program", "none"]), st.integers(0, 8), st.integers(0, 2)),
    max_size=3,
)


def edited(specs, edits):
    specs = list(specs)
    for kind, position, value in edits:
        position %= len(specs)
        match kind:
            case "code":
                specs[position] = replace(specs[position], code=value)
            case "constant":
                specs[position] = replace(specs[position], constant=value)
            case "program":
                specs[position] = replace(specs[position], program=PROGRAMS[value])
    return specs


@settings(max_examples=150, deadline=None)
@given(worlds(), st.lists(EDITS, max_size=4), st.data())
def test_outputs_are_those_of_a_naive_run_and_nothing_is_executed_without_need(specs, rounds, data):
    world, model = World(), Model()
    for edits in [[], *rounds]:
        specs = edited(specs, edits)
        world.pick = orders(data)
        finish, identities = a_run(world, specs)
        values = by_naive(specs)
        assert finish.status is RunStatus.COMPLETED
        assert {name: value.inline for name, value in finish.outputs.items()} == {
            f"o{position}": value for position, value in enumerate(values)
        }
        assert identities == model.executed(specs, values)
        assert not world.claimed


@settings(max_examples=100, deadline=None)
@given(worlds(fails=True), st.data())
def test_with_failures_what_can_complete_does_and_every_step_ends(specs, data):
    world = World(pick=orders(data))
    finish, _ = a_run(world, specs, RunOptions(continue_on_step_failure=True))
    values = by_naive(specs)
    assert {name for name, status in world.statuses.items() if status in ("Completed", "Reused")} == {
        f"n{position}" for position, value in enumerate(values) if value is not None
    }
    assert (finish.status is RunStatus.FAILED) is any(
        spec.fails and all(values[item] is not None for item in spec.inputs) for spec in specs
    )
    assert all(change.status.final for change in world.changes.values())
    assert not world.claimed


@settings(max_examples=100, deadline=None)
@given(worlds(fails=True), st.integers(1, 30), st.data())
def test_a_canceled_or_failing_run_ends_and_what_was_finished_is_reused(specs, turn, data):
    world = World(pick=orders(data))
    by_name = {f"n{position}": spec for position, spec in enumerate(specs)}

    def function(step, inputs, attempt):
        if by_name[step].fails:
            raise ValueError(step)
        return run_program(by_name[step], inputs["x"])

    world.function = function
    finish = world.run(graph_of(specs), cancel_after=turn)
    assert finish.status.final
    assert set(world.statuses) == set(by_name)
    assert all(change.status.final for change in world.changes.values())
    assert not world.claimed
    kept = set(world.kept)
    sound = [replace(spec, fails=False) for spec in specs]
    by_name.update({f"n{position}": spec for position, spec in enumerate(sound)})
    finish = world.run(graph_of(sound))
    assert finish.status is RunStatus.COMPLETED
    assert kept <= set(world.kept)
    assert {name: value.inline for name, value in finish.outputs.items()} == {
        f"o{position}": value for position, value in enumerate(by_naive(sound))
    }
