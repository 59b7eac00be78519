"""Pipelines written in Python: what they become, and everything that can be wrong with them."""

import datetime
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pandas
import pyarrow
import pytest

from pipelinekit import (
    CommandStep,
    File,
    Folder,
    Format,
    PythonScriptStep,
    Resources,
    Retry,
    first_of,
    fixed,
    otherwise,
    pipeline,
    register_format,
    sequence,
    step,
    when,
)
from pipelinekit.domain.graphs import Condition, DictOf, FirstOf, ListOf, OutputRef, ParameterRef
from pipelinekit.domain.graphs import Literal as Value
from pipelinekit.domain.types import PathRef, PortType
from pipelinekit.engine.compiler import assemble, check
from pipelinekit.errors import CompileError, UsageError


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Parts(NamedTuple):
    train: pyarrow.Table
    test: pyarrow.Table


@dataclass
class Scores:
    auc: float
    loss: float


class Unknown:
    """A class that nothing can store."""


class Sketch:
    """A class with a format of its own."""


def write_sketch(value, path):
    path.write_text("sketch")


def read_sketch(path):
    return Sketch()


register_format(Sketch, "sketch", write=write_sketch, read=read_sketch)


@step
def number(x: int = 1) -> int:
    return x


@step
def text(s: str) -> str:
    return s


@step
def table(file: File, rows: int = 10) -> pyarrow.Table:
    return pyarrow.table({"a": [rows]})


@step
def split(data: pandas.DataFrame, share: float = 0.5) -> Parts:
    return Parts(data, data)


@step
def score(data: pyarrow.Table, color: Color = Color.RED) -> Scores:
    return Scores(0.5, 0.1)


@step
def total(xs: list[int]) -> int:
    return sum(xs)


@step
def merge(named: dict[str, int], extra: int | None = None) -> dict[str, int]:
    return named


@step
def quiet(x: int) -> None:
    return None


@step
def numbers(n: int) -> list[int]:
    return list(range(n))


@step
def unstorable() -> Unknown:
    return Unknown()


@step
def sketch() -> Sketch:
    return Sketch()


@step
def model() -> Annotated[Unknown, Format("joblib")]:
    return Unknown()


@step
def use_model(model: Unknown) -> int:
    return 1


@step
def anything(value):
    return value


def trace(function, **values):
    return pipeline(function).trace(values)


def faults(function, **values):
    with pytest.raises(CompileError) as error:
        check(trace(function, **values))
    return [fault.message for fault in error.value.faults]


def calls(function, **values):
    draft = trace(function, **values)
    check(draft)
    return draft.calls


def graph(function, **values):
    draft = trace(function, **values)
    check(draft)
    from pipelinekit.domain.environments import Software
    from pipelinekit.domain.graphs import CompiledStep, Definition

    steps = [
        CompiledStep(
            item.title, Definition(item.kind, item.name, (), Software("x"), item.outputs), item.inputs, item.options, ""
        )
        for item in draft.steps
    ]
    return assemble(draft, steps, "")


# -- what calls become -------------------------------------------------------------------------------------------------


def test_a_step_outside_a_pipeline_is_the_plain_function():
    assert number(3) == 3
    assert number.map([1, 2]) == [1, 2]
    assert total.map([[1], [2, 3]]) == [1, 5]
    assert merge.map([{"a": 1}, {"b": 2}], extra=fixed(3)) == [{"a": 1}, {"b": 2}]
    assert number.options(retries=3)(4) == 4
    assert number.__name__ == "number"


def test_outputs_flow_into_inputs():
    def p():
        parts = split(table(File("a.csv")))
        return score(parts.test)

    found = calls(p)
    assert [call.name for call in found] == ["table", "split", "score"]
    assert found[0].inputs == {"file": Value(PathRef("a.csv")), "rows": Value(10)}
    assert found[1].inputs["data"] == OutputRef(0, "output")
    assert found[2].inputs == {"data": OutputRef(1, "test"), "color": Value("RED")}


def test_several_outputs_can_be_unpacked_and_returned_by_name():
    def p():
        train, test = split(table("a.csv"))
        return {"train": train, "scores": score(test).auc}

    assert trace(p).outputs == {"train": OutputRef(1, "train"), "scores": OutputRef(2, "auc")}


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (lambda: number(1), ["output"]),
        (lambda: split(table("a.csv")), ["train", "test"]),
        (lambda: Scores(number(1), number(2)), ["auc", "loss"]),
        (lambda: [number(1), number(2)], ["output"]),
        (lambda: quiet(1) and None, []),
    ],
)
def test_what_a_pipeline_returns_names_its_outputs(result, names):
    assert list(trace(lambda_named(result)).outputs) == names


def lambda_named(result):
    def p():
        return result()

    return p


def test_lists_and_dicts_of_outputs_and_plain_values():
    def p(n: int = 2):
        a = number(n)
        total([a, 3, n])
        total([1, 2])
        merge({"a": a, "b": 5})
        merge({"b": 5}, extra=a)

    found = calls(p)
    assert found[1].inputs["xs"] == ListOf((OutputRef(0, "output"), Value(3), ParameterRef("n")))
    assert found[2].inputs["xs"] == Value([1, 2])
    assert found[3].inputs["named"] == DictOf((("a", OutputRef(0, "output")), ("b", Value(5))))
    assert found[4].inputs == {"named": Value({"b": 5}), "extra": OutputRef(0, "output")}


def test_names_are_numbered_scoped_and_may_be_chosen():
    @pipeline
    def inner(x: int):
        return number(number(x))

    def p():
        a = number(1)
        number(a)
        number.options(name="mine")(a)
        inner(a)
        inner(inner(a))

    assert [node.name for node in graph(p).nodes] == [
        "number",
        "number-2",
        "mine",
        "inner/number",
        "inner/number-2",
        "inner-2/number",
        "inner-2/number-2",
        "inner-3/number",
        "inner-3/number-2",
    ]


def test_order_without_data():
    def p():
        a, b = number(1), number(2)
        c = number(3, after=[a])
        number.options(after=c)(4)
        sequence(b, [a, c])

    assert [call.after for call in calls(p)] == [[1], [], [0, 1], [2]]


def test_order_that_points_forward_is_sorted():
    def p():
        a, b, c = number(1), number(2), number(3)
        sequence(c, a)
        return {"b": b, "a": a}

    found = graph(p)
    assert [node.inputs["x"].value for node in found.nodes] == [2, 3, 1]
    assert found.nodes[2].after == (1,)
    assert found.outputs == (("b", OutputRef(0, "output")), ("a", OutputRef(2, "output")))


def test_branches():
    def p(limit: float = 0.5):
        s = score(table("a.csv"))
        with when(s.auc > 0.8):
            good = number(1)
            with when(~(s.loss <= 0.2)):
                number(2)
        with otherwise():
            bad = number(3)
        with when(limit):
            number(4)
        return first_of(good, bad)

    draft = trace(p)
    auc, loss = OutputRef(1, "auc"), OutputRef(1, "loss")
    assert [call.conditions for call in draft.calls[2:]] == [
        (Condition(auc, ">", Value(0.8)),),
        (Condition(auc, ">", Value(0.8)), Condition(loss, "<=", Value(0.2), True)),
        (Condition(auc, ">", Value(0.8), True),),
        (Condition(ParameterRef("limit")),),
    ]
    assert draft.outputs == {"output": FirstOf((OutputRef(2, "output"), OutputRef(4, "output")))}


def test_conditions_compare_with_outputs_and_parameters_that_may_vary():
    def p(limit: float = 0.5):
        s = score(table("a.csv"))
        with when(s.auc > s.loss):
            number(1)
        with when(s.auc >= limit):
            number(2)
        with when(limit <= s.auc):
            number(3)

    draft = trace(p)
    check(draft)
    auc, loss, limit = OutputRef(1, "auc"), OutputRef(1, "loss"), ParameterRef("limit")
    assert [call.conditions for call in draft.calls[2:]] == [
        (Condition(auc, ">", loss),),
        (Condition(auc, ">=", limit),),
        (Condition(auc, ">=", limit),),
    ]
    assert not draft.parameters[0].structural


def test_conditions_that_can_never_be_told_are_faults():
    def p(limit: str = "a"):
        data = table("a.csv")
        s = score(data)
        with when(data == 3):
            number(1)
        with when(s.auc > limit):
            number(2)
        with when(s.auc > Unknown()):
            number(3)
        with when(s.auc > 3):
            number(4)

    with pytest.raises(CompileError) as error:
        check(trace(p))
    first, second, third = [fault.message for fault in error.value.faults]
    assert first == (
        "step 'number' has a condition on table from step 'table'; it takes plain values, such as a number or a text"
    )
    assert second == "step 'number' has a condition float > str, which have no order"
    assert third.startswith("an output cannot be compared with this: ")


def test_mapped_steps_iterate_over_all_but_fixed_arguments():
    def p(months: list[int] = [1, 2]):
        xs = numbers(3)
        a = number.map(xs)
        number.map(months)
        number.map([number(1), 5])
        merge.map([{"a": 1}], extra=fixed(7))
        return total(a)

    found = calls(p)
    assert [call.each for call in found] == [(), ("x",), ("x",), (), ("x",), ("named",), ()]
    assert found[5].inputs == {"named": Value([{"a": 1}]), "extra": Value(7)}


# -- parameters --------------------------------------------------------------------------------------------------------


def test_parameters_come_from_the_signature():
    def p(
        a: int,
        b: float = 0,
        c: str | None = None,
        d: Color = Color.BLUE,
        e: Literal["x", "y"] = "y",
        f: list[int] = [],
        g: dict[str, float] = {"k": 1},
        h: datetime.date = datetime.date(2020, 1, 1),
        i: File = File("data.csv"),
        j: Folder | None = None,
        k: bool = False,
        m=3,
    ):
        anything(a)

    found = {item.name: item for item in trace(p).parameters}
    assert found["a"].required
    assert (found["b"].default, type(found["b"].default)) == (0.0, float)
    assert found["c"].default is None
    assert found["d"].default == "BLUE"
    assert found["e"].type == PortType("literal", values=("x", "y"))
    assert (found["f"].default, found["g"].default) == ([], {"k": 1.0})
    assert found["h"].default == datetime.date(2020, 1, 1)
    assert found["i"].default == PathRef("data.csv")
    assert (found["j"].default, found["k"].default, found["m"].default) == (None, False, 3)
    assert not any(item.structural for item in found.values())


@pytest.mark.parametrize(
    "use",
    [
        lambda n: [number(i) for i in range(n)],
        lambda n: number(1) if n else None,
        lambda n: number(n + 1),
        lambda n: number(1) if n > 2 else number(2),
        lambda n: text(f"version {n}"),
        lambda n: text("abc"[n]),
        lambda n: number(-n),
        lambda n: number(2**n),
    ],
)
def test_a_parameter_that_is_looked_at_is_structural(use):
    def p(n: int = 2):
        use(n)
        number(n)

    (parameter,) = trace(p).parameters
    assert parameter.structural
    assert parameter.default == 2
    assert "test_pipelines.py:" in parameter.reason


def test_the_shape_follows_the_value_that_is_given():
    def p(n: int = 2):
        for i in range(n):
            number(i)

    assert len(calls(p, n=5)) == 5
    assert trace(p, n=5).parameters[0].default == 5


def test_lists_and_texts_can_be_looked_at_too():
    def p(names: list[str] = ["a", "b"], root: str = "data"):
        for name in names:
            text(name.upper())
        text(root + "/x")
        if "a" in names and len(names) == 2:
            text(names[0])

    found = calls(p)
    assert [call.inputs["s"].value for call in found] == ["A", "B", "data/x", "a"]


def test_a_structural_parameter_without_a_value_is_told():
    def p(n: int):
        for i in range(n):
            number(i)

    assert faults(p) == ["parameter 'n' shapes the graph and has no value and no default"]


# -- faults ------------------------------------------------------------------------------------------------------------


def test_all_faults_come_at_once_and_in_order():
    def p(n: int = "three", mode: Literal["a"] = "b"):
        a = number("text")
        total()
        number(a, y=3)
        text(a)
        parts = split(table("a.csv"))
        score(parts)
        score(parts.valid)
        number(1, 2)

    assert faults(p) == [
        "default of parameter 'n': expected int, got str 'three'",
        "default of parameter 'mode': expected Literal['a'], got str 'b'",
        "step 'number' input 'x': expected int, got str 'text'",
        "step 'total' has no value for its input 'xs' (list[int])",
        "step 'number' has no input 'y'",
        "step 'text' input 's': expected str, got int from step 'number'",
        "step 'score' input 'data': <step 'split' with outputs train, test> has to be named: one of train, test",
        "step 'split' has no output 'valid'; its outputs: train, test",
        "step 'number' takes 1 inputs, but 2 were given",
    ]


def test_faults_have_file_line_and_hint():
    def p():
        number(1)
        number(1, other=3)

    with pytest.raises(CompileError) as error:
        check(trace(p))
    (fault,) = error.value.faults
    lines = Path(__file__).read_text().splitlines()
    assert fault.file.endswith("test_pipelines.py")
    assert lines[fault.line - 1].strip() == "number(1, other=3)"
    assert fault.hint == "there are: x"
    assert str(error.value).startswith(f"pipeline 'p' cannot be compiled: 1 fault\n  {fault.file}:{fault.line}: ")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda: unstorable(), "output 'output' of step 'unstorable' has type Unknown, which cannot be stored"),
        (lambda: total([1, "2"]), "step 'total' input 'xs': item 1: expected int, got str '2'"),
        (lambda: total(number(1)), "step 'total' input 'xs': expected list[int], got int from step 'number'"),
        (
            lambda: number.map(5),
            "step 'number' input 'x' is mapped over and must be a list, not 5; wrap what every element shares in fixed(...)",
        ),
        (
            lambda: number.map(number(1)),
            "step 'number' input 'x' is mapped over and must be a list, not int; wrap what every element shares in fixed(...)",
        ),
        (lambda: text.map(numbers(2)), "step 'text' input 's' takes str, but the elements are int"),
        (lambda: number.map([1, "2"]), "step 'number' input 'x', element 1: expected int, got str '2'"),
        (lambda: number.map(fixed(1)), "step 'number' is mapped over no list"),
        (
            lambda: number(pandas.DataFrame()),
            "step 'number' input 'x': value is a pandas.DataFrame, which cannot be written into a pipeline; make it inside a step, or give it as a file",
        ),
        (
            lambda: quiet(1) and number(quiet(1)),
            "step 'number' input 'x': <step 'quiet' with outputs none> gives no value",
        ),
        (
            lambda: number(1) + 1,
            "the value of output 'output' of step 'number' is not known while the pipeline is compiled; pass it to a step, map over it with step.map(...), or branch on it with when(...)",
        ),
        (
            lambda: 3 if number(1) > 2 else 4,
            "a comparison of an output has no truth value while the pipeline is compiled; use when(...)",
        ),
        (
            lambda: [x for x in numbers(3)],
            "the value of output 'output' of step 'numbers' is not known while the pipeline is compiled; pass it to a step, map over it with step.map(...), or branch on it with when(...)",
        ),
        (
            lambda: number(1).shape,
            "the value of output 'output' of step 'number' is not known while the pipeline is compiled; pass it to a step, map over it with step.map(...), or branch on it with when(...)",
        ),
        (lambda: sequence(number(1), 5), "steps can be ordered after other steps, not after a int"),
        (lambda: number(1, after=3), "steps can be ordered after other steps, not after a int"),
        (
            lambda: score(table("a.csv"), color="GREEN"),
            "step 'score' input 'color': expected one of RED, BLUE, got 'GREEN'",
        ),
        (
            lambda: use_model(sketch()),
            "step 'use_model' input 'model': expected Unknown, got Sketch from step 'sketch'",
        ),
        (lambda: number(1 // 0), "ZeroDivisionError: integer division or modulo by zero"),
    ],
)
def test_a_fault(body, message):
    assert message in faults(lambda_named(body))


def test_a_harmless_pipeline_has_no_fault():
    def p():
        use_model(model())
        anything(sketch())
        number(anything(3))
        score(anything(1))
        merge({}, extra=None)

    assert len(calls(p)) == 9


def test_otherwise_without_when():
    def p():
        with otherwise():
            number(1)

    assert faults(p) == ["otherwise() follows no when(...) block"]


def test_cycles_are_named():
    def p():
        a, b = number.options(name="a")(1), number.options(name="b")(2)
        sequence(a, b)
        sequence(b, a)

    assert faults(p) == ["the steps wait for each other in a cycle: a -> b -> a"]


def test_duplicate_names_are_told_with_the_other_place():
    def p():
        number.options(name="same")(1)
        number.options(name="same")(2)

    with pytest.raises(CompileError) as error:
        check(trace(p))
    (fault,) = error.value.faults
    assert f"the other is at {fault.file}:{fault.line - 1};" in fault.hint


def test_a_pipeline_without_steps():
    assert faults(lambda_named(lambda: None)) == ["pipeline 'p' calls no step"]


@step
def starred(*xs: int) -> int:
    return 1


unnamed = step(lambda x: x)


def make_step(by):
    @step
    def made(x: int) -> int:
        return x + by

    return made


bound = make_step(3)


def test_functions_that_cannot_be_found_again():
    def p():
        starred()
        unnamed(1)
        make_step(4)(2)
        bound(2)

    found = faults(p)
    assert found == [
        "step 'starred': it takes *xs: every input needs a name of its own (take a list or a dict instead)",
        "step '<lambda>': it is a lambda, which cannot be found again when the step runs: write it with def at the top of a module",
        (
            "step 'made': the function make_step.<locals>.made cannot be found again when the step runs: define it at the top "
            "level of a module, or bind it to a name there"
        ),
    ]
    assert bound.entry == (__name__, "bound")


# -- options -----------------------------------------------------------------------------------------------------------


def test_options_of_a_step_and_of_one_call():
    tuned = number.options(
        retries=Retry(2, on=OSError),
        timeout=5,
        compute="tcp://x:1",
        resources={"cpu": 2, "memory": "1GiB"},
        tags={"team": "a"},
    )

    def p():
        number(1)
        tuned(2)
        tuned.options(allow_reuse=False, cache_version="2", name="again")(3)

    draft = trace(p)
    plain, first, second = (draft.steps[call.step].options for call in draft.calls)
    assert plain == number.settings.options
    assert (first.retry.attempts, first.timeout, first.compute) == (2, 5.0, "tcp://x:1")
    assert first.resources == Resources(cpu=2, memory=2**30)
    assert (second.allow_reuse, second.cache_version, second.timeout) == (False, "2", 5.0)
    assert draft.calls[2].explicit


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: number.options(colour=1), "step 'number' has no option 'colour'"),
        (lambda: step(retrys=1), "step 'step' has no option 'retrys'"),
        (lambda: step(timeout=-1), "timeout -1.0 is not allowed"),
        (lambda: step(nodes=0), "nodes 0 is not allowed"),
        (lambda: step(nodes=2.0), "nodes 2.0 is not allowed"),
        (lambda: step(nodes=2, dask_client=True), "nodes 2 and dask_client are not allowed together"),
        (lambda: step(timeout="soon"), "'soon' is not a duration"),
        (lambda: step(timeout=[1]), r"\[1\] is not a duration"),
        (lambda: step(number), "is a step already"),
        (lambda: step(Unknown), "a step must be a function"),
        (lambda: number.options(name="a/b"), "step name 'a/b' is not allowed"),
        (lambda: fixed, ""),
    ],
)
def test_options_that_there_are_not(make, words):
    if not words:
        return
    with pytest.raises(UsageError, match=words.replace("(", "\\(")):
        make()


def test_helpers_outside_a_pipeline_say_so():
    for helper in (lambda: sequence(), lambda: when(True).__enter__(), lambda: first_of(1)):
        with pytest.raises(UsageError, match="only inside a pipeline function"):
            helper()


# -- scripts and commands ----------------------------------------------------------------------------------------------

prepare = PythonScriptStep(
    "prepare.py",
    "scripts",
    arguments=["--in", "{inputs.data}", "--out={outputs.clean}", 3],
    inputs={"data": File, "rate": float},
    outputs=["clean"],
    retries=2,
)
count = CommandStep("wc -l '{inputs.file}'", inputs={"file": File}, outputs={"result": File})


def test_script_and_command_steps_are_called_with_inputs_and_give_outputs_by_name():
    def p(rate: float = 0.1):
        clean = prepare(data=File("a.csv"), rate=rate)
        return count(file=clean.clean).result

    draft = trace(p)
    check(draft)
    script, command = draft.steps
    assert (script.kind, script.title, script.name, script.source) == ("script", "prepare", "prepare.py", "scripts")
    assert script.arguments == ("--in", [{"input": "data"}], ["--out=", {"output": "clean"}], "3")
    assert script.options.retry.attempts == 2
    assert command.arguments == ("wc", "-l", [{"input": "file"}])
    assert draft.calls[1].inputs == {"file": OutputRef(0, "clean")}
    assert script.file.endswith("test_pipelines.py")
    assert "prepare = " in Path(__file__).read_text().splitlines()[script.line - 1]


def test_a_single_output_needs_no_name():
    def p():
        count(file=prepare(data="a.csv", rate=0.5))

    check(trace(p))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CommandStep("echo {inputs.no}"), "refers to {inputs.no}, which is no port"),
        (lambda: CommandStep(""), "needs a command"),
        (lambda: CommandStep("a", inputs=["x"], outputs=["x"]), "'x' cannot name an input or output"),
        (lambda: CommandStep("a", outputs={"x": int}), "must be a File or a Folder"),
        (lambda: prepare(data="a"), "only inside a pipeline function"),
    ],
)
def test_command_lines_that_make_no_sense(make, words):
    with pytest.raises(UsageError) as error:
        make()
    assert words in str(error.value)


def test_annotations_become_types():
    from pipelinekit.authoring.annotations import to_type

    assert str(to_type(dict[str, list[float | None]])) == "dict[str, list[float | None]]"
    assert to_type(Any).kind == to_type(dict[int, str]).kind == to_type("unresolved").kind == "any"
    assert to_type(pyarrow.Table).kind == to_type(pandas.DataFrame).kind == "table"
    assert str(to_type(tuple[int, ...])) == "list[int]"
    assert str(to_type(tuple[int, str])) == "list[int | str]"
    assert to_type(Annotated[int, "note"]).kind == "int"
    assert to_type(Path).kind == "path"
    assert to_type(Sketch).format == "sketch"
