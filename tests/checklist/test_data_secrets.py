"""The secrets of a workspace: what goes in, what is given to steps, and that nothing comes out."""

import io
import sys

import pytest
from data_flows import here, json_of, submit, values, write

from pipelinekit import Workspace
from pipelinekit.errors import NotFoundError

STEPS = """
    from pipelinekit import get_context, get_secrets, pipeline, step

    @step(secrets=["one", "two"])
    def lengths() -> dict[str, int]:
        assert get_context().get_secret("one") == get_secrets(["one"])["one"]
        found = get_secrets(["one", "two"])
        try:
            get_secrets(["one", "three", "four"])
        except Exception as error:
            assert "the secret 'three', 'four', which it does not declare (it was given 'one')" in str(error), error
        return {name: len(value) for name, value in found.items()}

    @pipeline
    def main():
        return lengths()
"""


def test_secrets_go_in_are_given_by_name_and_never_come_out(tmp_path, monkeypatch):
    workspace = Workspace.open(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"value-of-one\n")))
    assert json_of(tmp_path, "secrets", "set", "one")["version"] == 1
    workspace.secrets.set("two", "value-of-the-second")
    file = write(tmp_path, "given_secrets", STEPS)
    assert values(submit(workspace, file, "main")) == {"output": {"one": 12, "two": 19}}
    assert [item["name"] for item in json_of(tmp_path, "secrets", "list")["secrets"]] == ["one", "two"]
    assert not {"get", "value", "read", "show"} & {*dir(workspace.secrets)}
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".pipelinekit").rglob("*") if path.is_file())
    assert b"value-of" not in kept
    with pytest.raises(NotFoundError, match="there is no secret 'three', 'four'"):
        workspace.secrets.delete("one", "three", "four")
    assert workspace.secrets.names() == ["one", "two"], "all or none"
    assert json_of(tmp_path, "secrets", "delete", "one", "two") == {"deleted": ["one", "two"]}
    assert here(tmp_path, "secrets", "list").out == "no secrets\n"
    workspace.secrets.set("one", "another")
    assert workspace.secrets.list()[0].version == 2, "no number comes twice"
