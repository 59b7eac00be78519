"""Every field of what makes a step either enters its key, or is listed here with the reason why it cannot matter."""

from dataclasses import fields, replace

import pytest

from pipelinekit.domain.environments import Software
from pipelinekit.domain.graphs import CodeItem, CompiledStep, Definition
from pipelinekit.domain.steps import Canonical, Port, StepOptions
from pipelinekit.domain.types import PortType
from pipelinekit.engine.fingerprint import Fingerprint, key_document, observed_key

KEYED = {
    Definition: {"kind", "entry", "code", "software", "outputs", "cache_version", "arguments", "secrets"},
    Software: {"python", "packages", "variables", "lock", "base"},
    CodeItem: {"symbol", "digest"},
    Port: {"name", "type", "canonical"},
    CompiledStep: {"definition"},
    StepOptions: set(),
}
NOT_KEYED = {
    Definition: {},
    Software: {},
    CodeItem: {
        "file": "where code stands only explains",
        "line": "where code stands only explains",
        "end": "where code stands only explains",
    },
    Port: {
        "required": "whether an input has a default; the value that is bound is keyed",
        "keyed": "an input that is not keyed is missing among the inputs of the key",
    },
    CompiledStep: {
        "name": "a name is for people",
        "inputs": "what is bound to a port is keyed, by content",
        "options": "how a step is run, see StepOptions",
        "snapshot": "what the step reaches of it is keyed as code",
        "known": "which files the closure took care of",
        "environment": "a name is for people; what it was resolved to is keyed through the software",
    },
    StepOptions: {
        "allow_reuse": "decides whether a key is looked up at all",
        "cache_version": "is keyed through the definition",
        "compute": "where a step runs cannot change what it computes",
        "resources": "what a step is given cannot change what it computes",
        "retry": "only a success is kept",
        "timeout": "only a success is kept",
        "queue_timeout": "only a success is kept",
        "tags": "are for people",
        "variables": "are keyed through the software",
        "max_age": "decides whether a completion may be used",
        "register": "says what becomes of an output when the run has ended",
        "secrets": "are keyed through the definition, by version, unless their author says that they cannot matter",
        "dask_client": "where a step computes cannot change what it computes",
        "nodes": "on how many nodes a step computes cannot change what it computes",
    },
}

DEFINITION = Definition(
    "python",
    "main:run",
    (CodeItem("main:run", "xxh3:" + "1" * 32, "main.py", 3, 9),),
    Software("cpython-3.11", (("numpy", "2.0"),), (("MODE", "a"),), ("numpy==2.0",)),
    (Port("output", PortType("int")),),
    "1",
    ("--fast",),
)
OTHERS = {
    "kind": "script",
    "entry": "main:other",
    "code": (CodeItem("main:run", "xxh3:" + "2" * 32),),
    "software": replace(DEFINITION.software, python="cpython-3.12"),
    "outputs": (Port("output", PortType("float")),),
    "cache_version": "2",
    "arguments": ("--slow",),
    "secrets": (("PASSWORD", 2),),
}
SOFTWARE = {
    "python": "cpython-3.12",
    "packages": (("numpy", "2.1"),),
    "variables": (("MODE", "b"),),
    "lock": ("numpy==2.1",),
    "base": "cpython-3.12.4",
}


@pytest.mark.parametrize("kind", KEYED, ids=lambda kind: kind.__name__)
def test_each_field_is_keyed_or_has_a_reason_not_to_be(kind):
    names = {field.name for field in fields(kind)}
    assert names == KEYED[kind] | NOT_KEYED[kind].keys()
    assert not KEYED[kind] & NOT_KEYED[kind].keys()
    assert all(NOT_KEYED[kind].values())


@pytest.mark.parametrize("name", sorted(KEYED[Definition]))
def test_changing_one_field_of_a_definition_changes_its_identity(name):
    assert replace(DEFINITION, **{name: OTHERS[name]}).digest() != DEFINITION.digest()


@pytest.mark.parametrize("name", sorted(KEYED[Software]))
def test_changing_one_field_of_the_software_changes_the_identity(name):
    software = replace(DEFINITION.software, **{name: SOFTWARE[name]})
    assert replace(DEFINITION, software=software).digest() != DEFINITION.digest()


@pytest.mark.parametrize(
    "port",
    [
        Port("other", PortType("int")),
        Port("output", PortType("object", name="m:Model", format="joblib")),
        Port("output", PortType("int"), canonical=Canonical(order=True)),
        Port("output", PortType("int"), canonical=Canonical(decimals=2)),
    ],
)
def test_changing_an_output_changes_the_identity(port):
    assert replace(DEFINITION, outputs=(port,)).digest() != DEFINITION.digest()


def test_where_code_stands_does_not_change_the_identity():
    moved = tuple(replace(item, file="far/away.py", line=77, end=99) for item in DEFINITION.code)
    assert replace(DEFINITION, code=moved).digest() == DEFINITION.digest()


def test_each_part_of_a_key_changes_it():
    one, two = "xxh3:" + "a" * 32, "xxh3:" + "b" * 32
    fingerprint = Fingerprint(DEFINITION)
    other = Fingerprint(replace(DEFINITION, cache_version="2"))
    keys = [
        fingerprint.key({"x": one}),
        fingerprint.key({"x": two}),
        fingerprint.key({"y": one}),
        fingerprint.key({"x": one, "y": one}),
        fingerprint.key({}),
        other.key({"x": one}),
        observed_key(DEFINITION.digest(), {"x": one}, {"file:a": one}),
        observed_key(DEFINITION.digest(), {"x": one}, {"file:a": two}),
        observed_key(DEFINITION.digest(), {"x": one}, {"file:b": one}),
    ]
    assert len(set(keys)) == len(keys)
    assert fingerprint.key({"x": one, "y": two}) == fingerprint.key({"y": two, "x": one})


def test_the_key_document_has_these_parts_and_no_others():
    assert set(key_document("d", {"x": "y"}, {"file:a": "z"})) == {"schema", "definition", "inputs", "observed"}
    assert set(DEFINITION.document()) == {"schema", *KEYED[Definition]} - {"secrets"}, "where none are given"
    given = replace(DEFINITION, secrets=(("PASSWORD", 1),))
    assert set(given.document()) == {"schema", *KEYED[Definition]}
    assert given.digest() != replace(DEFINITION, secrets=(("PASSWORD", 2),)).digest() != DEFINITION.digest()


def test_golden_keys():
    one = "xxh3:" + "a" * 32
    assert DEFINITION.digest() == "xxh3:25c18e48d5d939deae8af79f0e3e160c"
    assert Fingerprint(DEFINITION).key({"x": one}) == "xxh3:a8dfb962735e05906468cc0a5688ab21"
    assert observed_key(DEFINITION.digest(), {"x": one}, {"file:a": one}) == "xxh3:8a550581f9f6fb4fde0ca32b5de54289"
