"""Secrets of a workspace: they go in, are listed without values, and come out only where they are handed on."""

import pytest

from pipelinekit.domain.environments import Software
from pipelinekit.domain.graphs import CompiledStep, Definition, Graph
from pipelinekit.domain.secrets import ANY_VERSION
from pipelinekit.domain.steps import StepOptions
from pipelinekit.errors import FaultyError, NotFoundError, StorageError, UsageError
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.secrets import MemoryKeys, MemorySecrets
from pipelinekit.wire.graphs import graph_text, parse_graph
from pipelinekit.workspace.secrets import SecretCollection, bind_secrets, open_secrets


class Kept:
    def __init__(self):
        self.records, self.keys = MemorySecrets(HandClock()), MemoryKeys()
        self.secrets = SecretCollection(self.records, self.keys)

    def open(self, **wanted):
        return open_secrets(wanted, self.records, self.keys)


@pytest.fixture
def kept():
    return Kept()


def test_a_value_goes_in_and_is_shown_by_nothing(kept):
    secret = kept.secrets.set("PASSWORD", "correct horse")
    assert (secret.name, secret.version) == ("PASSWORD", 1)
    shown = f"{kept.secrets.list()} {kept.secrets.names()} {secret} {vars(kept.secrets)}"
    assert "correct" not in shown
    assert {name for name in dir(kept.secrets) if name[0] != "_"} == {"set", "list", "names", "delete", "rotate_key"}


def test_values_are_handed_on_by_name_and_version(kept):
    kept.secrets.set("A", "correct horse")
    kept.secrets.set("B", "battery staple")
    assert kept.open(A=1, B=ANY_VERSION) == {"A": "correct horse", "B": "battery staple"}
    kept.secrets.set("A", "another horse")
    assert kept.open(A=2) == kept.open(A=ANY_VERSION) == {"A": "another horse"}
    with pytest.raises(StorageError, match="secret 'A' was changed after this run was submitted") as error:
        kept.open(A=1, B=1)
    assert "run the pipeline again" in error.value.hint
    kept.secrets.delete("A")
    with pytest.raises(NotFoundError, match="there is no secret 'A', 'C'"):
        kept.open(A=2, B=1, C=1)


@pytest.mark.parametrize("name", ["", "1A", "A B", "../A", "A/B", "A\n", "é", "A" * 128, "-A", "A=B", "A%2e", "A\0"])
def test_names_that_are_not_allowed(kept, name):
    with pytest.raises(UsageError, match=r"secret name .* is not allowed"):
        kept.secrets.set(name, "correct horse")
    with pytest.raises(UsageError, match=r"secret name .* is not allowed"):
        kept.secrets.delete(name)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "shorter than 4 characters"),
        ("abc", "shorter than 4 characters"),
        ("  abc\n ", "shorter than 4 characters"),
        ("x" * 65_537, "has 65537 bytes"),
        ("lone \ud800 half", "no Unicode text"),
        (b"correct horse", "must be a text, not bytes"),
    ],
)
def test_values_that_cannot_be_kept_are_refused_without_being_told(kept, value, words):
    with pytest.raises(UsageError, match=words) as error:
        kept.secrets.set("A", value)
    assert not value or str(value) not in str(error.value)
    assert kept.secrets.names() == []


def test_a_key_that_opens_nothing_seals_nothing(kept):
    kept.secrets.set("A", "correct horse")
    kept.keys.lose()
    with pytest.raises(StorageError, match="is not there"):
        kept.secrets.set("B", "battery staple")
    kept.keys.make()
    with pytest.raises(StorageError, match="does not open secret 'A'"):
        kept.secrets.set("B", "battery staple")
    kept.secrets.delete("A")
    assert kept.secrets.set("B", "battery staple").version == 1, "once nothing needs the lost key, another will do"
    assert kept.open(B=1) == {"B": "battery staple"}


def test_rotation_keeps_values_and_versions(kept):
    assert kept.secrets.rotate_key() == (0, 0)
    kept.secrets.set("A", "correct horse")
    kept.secrets.set("B", "battery staple")
    before, sealed = list(kept.secrets.list()), kept.records.sealed()
    assert kept.secrets.rotate_key() == (2, 0)
    assert list(kept.secrets.list()) == before
    assert kept.records.sealed() != sealed
    assert kept.open(A=1, B=1) == {"A": "correct horse", "B": "battery staple"}


# -- stored graphs -----------------------------------------------------------------------------------------------------


def graph(**secrets):
    keyed = tuple((name, 1) for name, is_keyed in sorted(secrets.items()) if is_keyed)
    definition = Definition("python", "m:f", (), Software("cpython-3.11"), (), secrets=keyed)
    return Graph("main", (CompiledStep("load", definition, (), StepOptions(secrets=secrets), ""),), ())


def test_a_stored_graph_is_bound_to_the_versions_of_now():
    found = bind_secrets(graph(A=True, B=False), lambda names: dict.fromkeys(names, 7))
    assert found.steps[0].definition.secrets == (("A", 7),)
    assert found.steps[0].options.secrets == {"A": True, "B": False}
    same = graph(A=True)
    assert bind_secrets(same, lambda names: dict.fromkeys(names, 1)) == same


def test_a_stored_graph_whose_secrets_are_gone_is_refused_with_all_of_them():
    with pytest.raises(FaultyError, match="needs secrets that are not there") as error:
        bind_secrets(graph(A=True, B=False, C=True), lambda names: {"C": 1})
    assert [fault.message for fault in error.value.faults] == [
        "step 'load' needs the secret 'A', which is not there",
        "step 'load' needs the secret 'B', which is not there",
    ]


def test_documents_keep_names_and_versions():
    kept = graph(A=True, B=False)
    assert parse_graph(graph_text(kept)) == kept
    assert "secrets" not in graph_text(graph())


@pytest.mark.parametrize(("old", "new"), [('"A":1', '"A":"x"'), ('"A":1', '"../A":1'), ('"A":true', '"A\\n":true')])
def test_documents_that_name_no_secret_are_refused(old, new):
    text = graph_text(graph(A=True))
    assert old in text
    with pytest.raises(UsageError, match=r"is damaged|is not allowed"):
        parse_graph(text.replace(old, new))
