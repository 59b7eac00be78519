"""Access tokens on the command line."""

import re

import pytest

from pipelinekit import Workspace
from pipelinekit.domain.tokens import Kind, Role, read_text
from pipelinekit.errors import UnauthenticatedError


def test_a_token_is_shown_once_alone_on_standard_output(project):
    made = project("tokens", "create", "ci", "--role", "contributor", "--kind", "service")
    assert re.fullmatch(r"pk_\w+\n", made.out)
    assert "with the role contributor" in made.err
    assert "it is shown this once" in made.err
    secret = read_text(made.out.strip()).secret
    for words in (("list", "--all"), ("list", "--json"), ("audit",), ("audit", "--json")):
        said = project("tokens", *words)
        assert secret not in said.out + said.err
        assert "ci" in said.out
    principal = Workspace.open(project.folder).tokens.authenticate(made.out.strip())
    assert (principal.name, principal.role, principal.kind) == ("ci", Role.CONTRIBUTOR, Kind.SERVICE)


def test_as_a_document_it_comes_with_what_it_may_do(project):
    made = project("tokens", "create", "nightly", "--endpoint", "night train", "--expires", "2h", "--json").json
    assert read_text(made["text"]).id == made["id"]
    assert (made["kind"], made["role"], made["endpoint"], made["standing"]) == (
        "trigger", "reader", "night train", "live",
    )  # fmt: skip
    assert made["expires_at"] - made["created_at"] == 7200.0
    (listed,) = project("tokens", "list", "--json").json["tokens"]
    assert listed == {name: value for name, value in made.items() if name != "text"}
    assert "digest" not in listed


def test_a_token_for_an_endpoint_that_is_not_there_says_so(project):
    said = project("tokens", "create", "nightly", "--endpoint", "night train")
    assert re.fullmatch(r"pk_\w+\n", said.out)
    assert "note: there is no pipeline endpoint 'night train' yet; there are: none yet" in said.err


def test_a_token_is_revoked_by_name_or_id(project):
    first = project("tokens", "create", "a", "--json").json
    second = project("tokens", "create", "b", "--json").json
    assert "opens nothing from now on" in project("tokens", "revoke", "A").out
    assert project("tokens", "revoke", second["id"], "--json").json["standing"] == "revoked"
    assert project("tokens", "list").out == "no tokens\n"
    shown = project("tokens", "list", "--all").out
    assert shown.count("revoked") == 2
    for made in (first, second):
        with pytest.raises(UnauthenticatedError):
            Workspace.open(project.folder).tokens.authenticate(made["text"])
    assert "was revoked already" in project("tokens", "revoke", "a", code=2).err
    assert "there is no token 'c'" in project("tokens", "revoke", "c", code=2).err


def test_what_no_token_can_be_is_refused(project):
    project("tokens", "create", "a")
    for words, said in {
        ("A",): "there is a token 'A' already",
        ("b", "--kind", "trigger"): "needs the pipeline endpoint",
        ("b", "--kind", "bootstrap"): "invalid choice: 'bootstrap'",
        ("b", "--role", "root"): "invalid choice: 'root'",
        ("b", "--expires", "never"): "'never' is not a duration",
        ("bootstrap",): "when a server first starts",
    }.items():
        assert said in project("tokens", "create", *words, code=2).err
    assert len(project("tokens", "audit", "--json").json["rows"]) == 1


def test_who_did_what_is_told_and_verified(project):
    project("tokens", "create", "a", env={"LOGNAME": "anna"})
    project("tokens", "revoke", "a", env={"LOGNAME": "bert"})
    second, first = project("tokens", "audit", "--json").json["rows"]
    assert [(row["actor"], row["action"], row["source"]) for row in (first, second)] == [
        ("anna", "tokens.create", "local"),
        ("bert", "tokens.revoke", "local"),
    ]
    assert second["previous"] == first["digest"]
    assert [line.split()[0] for line in project("tokens", "audit", "--limit", "1").out.splitlines()] == ["row", "2"]
    assert project("tokens", "audit", "--before", "2", "--json").json["rows"] == [first]
    whole = project("tokens", "audit", "--verify", "--json").json
    assert whole == {"rows": 2, "newest": second["digest"], "faults": []}
    said = project("tokens", "audit", "--verify", "--known", first["digest"]).out
    assert said == f"the audit log is whole: 2 rows, the newest {second['digest']}\n"
    for words in (("--known", "x"), ("--limit", "0")):
        project("tokens", "audit", *words, code=2)


def test_a_log_that_was_changed_is_a_failure(project):
    project("tokens", "create", "a")
    services = Workspace.open(project.folder).services
    known = services.audit.verify().newest
    services.database._connection.execute("update audit set actor = 'nobody'")
    said = project("tokens", "audit", "--verify", code=1)
    assert "row 1 of the audit log is not what was written" in said.out
    assert len(project("tokens", "audit", "--verify", "--json", code=1).json["faults"]) == 1
    assert "I11  audit log: row 1 of the audit log is not" in project("fsck", code=1).out
    assert "no faults" in project("fsck", "--quick").out
    services.database._connection.execute("delete from audit")
    assert "was cut off, or written anew" in project("tokens", "audit", "--verify", "--known", known, code=1).out


def test_without_a_workspace_there_is_nothing_to_look_at(project):
    for words in (("list",), ("revoke", "a"), ("audit",)):
        project("tokens", *words, code=2)
    assert not project.home.exists()
