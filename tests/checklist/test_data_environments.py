"""Environments as their users make and name them; nothing is resolved or built here."""

import pytest
from data_flows import here, json_of

from pipelinekit import Environment, Workspace
from pipelinekit.errors import NotFoundError, UsageError

FILES = {
    "requirements.txt": "pandas>=2 ; python_version > '3'\n",
    "environment.yml": "name: lab\ndependencies:\n  - python=3.12\n  - pip:\n    - pandas>=2\nvariables:\n  MODE: fast\n",
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["pandas>=2"]\n'
    '[project.optional-dependencies]\nplots = ["matplotlib"]\n',
    "Dockerfile": "FROM python:3.12\nRUN pip install pandas\n",
}


@pytest.fixture
def workspace(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return Workspace.open(tmp_path)


def test_environments_are_made_of_what_there_is(workspace, tmp_path):
    made = {
        name: json_of(tmp_path, "environments", "register", name, *words)
        for name, words in {
            "listed": ("--package", "pandas>=2", "--python", "3.12", "--variable", "MODE=fast"),
            "required": ("requirements.txt",),
            "lab": ("environment.yml",),
            "project": ("pyproject.toml", "--extra", "plots"),
            "built": ("Dockerfile",),
            "image": ("--image", "python:3.12"),
        }.items()
    }
    assert made["listed"]["digest"] == made["lab"]["digest"], "a definition is told by what it says"
    assert made["project"]["packages"] == ["pandas>=2", "matplotlib"]
    assert made["built"]["dockerfile"] == FILES["Dockerfile"]
    assert made["image"]["image"] == "python:3.12"
    environments = workspace.environments
    assert environments.get("required").packages == ("pandas>=2 ; python_version > '3'",)
    assert environments.get("lab") == environments.register(Environment.from_conda(tmp_path / "environment.yml"))
    assert Environment.from_pyproject(tmp_path / "pyproject.toml", name="p").packages == ("pandas>=2",)
    listed = json_of(tmp_path, "environments", "list")["environments"]
    assert [item["name"] for item in listed] == ["built", "image", "lab", "listed", "project", "required"]


def test_versions_count_and_never_change(workspace, tmp_path):
    environments = workspace.environments
    assert environments.register(Environment("lab", ["pandas"])).label == "lab:1"
    assert environments.register(Environment("lab", ["pandas"])).label == "lab:1", "the same is the same"
    assert environments.register(Environment("lab", ["pandas"], {"MODE": "fast"})).label == "lab:2"
    assert not json_of(tmp_path, "environments", "register", "lab", "--package", "pandas")["new"]
    with pytest.raises(UsageError, match="lab:1 is registered with other content"):
        environments.register(Environment("lab", ["polars"]), version=1)
    assert environments.get("lab").version == environments.get("lab", "latest").version == 2
    assert environments.get("lab:1") == environments.get("lab", 1)
    with pytest.raises(UsageError, match="names a version already"):
        environments.get("lab:1", 2)
    assert json_of(tmp_path, "environments", "clone", "lab:2", "copy")["version"] == 1
    assert environments.get("copy").variables == {"MODE": "fast"}
    assert json_of(tmp_path, "environments", "show", "lab")["version"] == 2
    assert json_of(tmp_path, "environments", "delete", "lab:2")["deleted"]
    assert environments.register(Environment("lab", ["polars"])).label == "lab:3", "no number comes twice"
    with pytest.raises(NotFoundError, match="there is no registered environment 'other'"):
        environments.get("other")
    assert "registered are: copy, lab" in here(tmp_path, "environments", "show", "other", code=2).err
