"""Every field of what a step is made of is keyed, or is left out of the key for a reason; a new one must choose."""

from dataclasses import fields, replace

import pytest

from pipelinekit.domain.attempts import Attempt
from pipelinekit.domain.environments import Environment, Software
from pipelinekit.domain.graphs import CodeItem, CompiledStep, Definition, Graph, Node
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.snapshots import TreeEntry
from pipelinekit.domain.steps import Canonical, Port, StepOptions
from pipelinekit.domain.types import ANY, PortType
from pipelinekit.domain.values import StoredValue, file_digest
from pipelinekit.engine.fingerprint import KEY_SCHEMA, Fingerprint, key_document

KEYED = {
    Definition: "kind entry code software outputs cache_version arguments",
    Software: "python packages variables lock",
    CodeItem: "symbol digest",
    CompiledStep: "definition inputs",
    Port: "name type keyed canonical",
    Canonical: "order decimals",
    StoredValue: "digest",
    TreeEntry: "path digest size executable",
    StepOptions: "cache_version variables",
    Node: "step inputs",
    Environment: "packages variables",
    Attempt: "kind entry inputs outputs arguments python packages lock variables",
    Graph: "steps nodes",
    RunOptions: "",
}
NOT_KEYED = {
    CodeItem: {"file": "a place", "line": "a place", "end": "a place"},
    CompiledStep: {
        "name": "a name",
        "options": "how it is run; cache_version and variables enter with the definition",
        "snapshot": "of the source only the closure counts, and scripts name their tree as code",
    },
    Port: {"required": "an input that is not given has no digest; a default in code counts as code"},
    StoredValue: {
        "format": "the digest is typed",
        "size": "follows from the bytes",
        "blob": "equal content may have different bytes",
        "inline": "what the digest is of",
        "suffix": "in the digest of a file",
        "items": "in the digest of a list or dict",
        "keys": "in the digest of a dict",
    },
    StepOptions: {
        "allow_reuse": "whether, not what",
        "compute": "where",
        "resources": "how much",
        "retry": "how often",
        "timeout": "how long",
        "tags": "words",
        "max_age": "how old a result may be",
    },
    Node: {
        "name": "a name",
        "after": "order without data",
        "conditions": "whether, not what",
        "each": "elements are inputs",
        "file": "a place",
        "line": "a place",
    },
    Environment: {"name": "a name"},
    Attempt: {
        "run": "an id",
        "step": "a name",
        "number": "a count",
        "snapshot": "as of a compiled step",
        "input_ports": "as of a compiled step: their inputs count",
        "timeout": "how long",
        "resources": "how much",
        "compute": "where",
    },
    Graph: {
        "name": "a name",
        "parameters": "their values are inputs",
        "outputs": "what is shown of a run",
        "snapshot": "as of a compiled step",
        "description": "words",
    },
    RunOptions: {
        "regenerate": "whether, not what",
        "continue_on_step_failure": "what happens after a failure",
        "compute": "where",
        "verify": "whether, not what",
        "check": "whether, not what",
    },
}

SOFTWARE = Software("cpython-3", (("numpy", "2"),), (("MODE", "unset"),), ("numpy==2",))
DEFINITION = Definition(
    "python", "main:run", (CodeItem("main:run", "d1", "main.py", 1, 2),), SOFTWARE, (Port("output", ANY),), "1", ("a",)
)
INPUTS = {"x": "xxh3:" + "0" * 32}


@pytest.mark.parametrize("kind", KEYED, ids=lambda kind: kind.__name__)
def test_every_field_is_keyed_or_left_out_for_a_reason(kind):
    keyed, left_out = set(KEYED[kind].split()), set(NOT_KEYED.get(kind, ()))
    assert not keyed & left_out
    assert {field.name for field in fields(kind)} == keyed | left_out


def key(definition=DEFINITION, inputs=INPUTS):
    return Fingerprint(definition).key(inputs)


SOFTWARES = [
    replace(SOFTWARE, python="cpython-4"),
    replace(SOFTWARE, packages=(("numpy", "3"),)),
    replace(SOFTWARE, packages=()),
    replace(SOFTWARE, variables=(("MODE", "set"),)),
    replace(SOFTWARE, variables=(("OTHER", "unset"),)),
    replace(SOFTWARE, lock=("numpy==3",)),
    replace(SOFTWARE, lock=()),
]
OUTPUTS = [
    (),
    (Port("other", ANY),),
    (Port("output", PortType("int")),),
    (Port("output", PortType("object", name="m:C", format="joblib")),),
    (Port("output", ANY, canonical=Canonical(True)),),
    (Port("output", ANY, canonical=Canonical(True, 3)),),
    (Port("output", ANY), Port("second", ANY)),
]
CHANGES = {
    "kind": ["script"],
    "entry": ["main:other"],
    "code": [(), (CodeItem("main:run", "d2"),), (CodeItem("main:walk", "d1"),)],
    "software": SOFTWARES,
    "outputs": OUTPUTS,
    "cache_version": ["2", ""],
    "arguments": [(), ("b",), ("a", "a"), (["a"],)],
}


def test_changing_one_keyed_field_alone_changes_the_key():
    assert CHANGES.keys() == set(KEYED[Definition].split())
    keys = [key()]
    keys += [key(replace(DEFINITION, **{field: value})) for field, values in CHANGES.items() for value in values]
    keys += [
        key(inputs=inputs)
        for inputs in ({}, {"y": INPUTS["x"]}, {"x": INPUTS["x"][:-1] + "1"}, {**INPUTS, "y": INPUTS["x"]})
    ]
    assert len(set(keys)) == len(keys)


def test_places_of_code_change_nothing():
    moved = (CodeItem("main:run", "d1", "lib/main.py", 7, 8),)
    assert key(replace(DEFINITION, code=moved)) == key()


def test_the_documents_hold_nothing_but_what_is_listed():
    assert set(DEFINITION.document()) == {"schema", *KEYED[Definition].split()}
    assert set(SOFTWARE.document()) == set(KEYED[Software].split())
    assert set(key_document("d", INPUTS)) == {"schema", "definition", "inputs"}


def test_golden_keys():
    """A change here makes every kept result unusable: it needs a new KEY_SCHEMA, and a word in the changelog."""
    assert KEY_SCHEMA == 1
    assert DEFINITION.digest() == "xxh3:8abfa9d8eb6508886c3a066a36d65e53"
    assert key() == "xxh3:279b7d38d53d79cef4de2f67c5d80b8b"
    assert key(inputs={}) == "xxh3:f182e55fab82d7a9682f9db8a141a399"
    assert (
        key(inputs={"x": file_digest(INPUTS["x"], ".csv"), "é": INPUTS["x"]}) == "xxh3:4fe1c6ecb6d90bbdda098c8a8cce7c71"
    )
