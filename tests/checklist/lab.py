"""What the flows of the checklist need: a workspace, modules of an author, and the command line in this process."""

import importlib
import json
import sys
import textwrap

import pytest

from pipelinekit import Workspace
from pipelinekit.cli.main import main
from pipelinekit.harness.bytecode import distrust_young_bytecode


class Lab:
    """A source folder with a workspace in it."""

    def __init__(self, folder, monkeypatch, capsys):
        self.folder = folder
        self._capsys = capsys
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PIPELINEKIT_WORKSPACE", str(folder))
        monkeypatch.setenv("PIPELINEKIT_COMPUTE", "in-process")
        self.workspace = Workspace.open(folder)

    def module(self, name, text):
        """Write a module and import it, whatever an earlier test has named so."""
        (self.folder / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        distrust_young_bytecode(str(self.folder))  # as the command line does, which knows what it has loaded
        return importlib.import_module(name)

    def cli(self, *words, code=0):
        """The document that a command prints."""
        self._capsys.readouterr()
        assert main([*words, "--json"]) == code
        return json.loads(self._capsys.readouterr().out)


@pytest.fixture
def lab(tmp_path, monkeypatch, capsys):
    """A new laboratory."""
    return Lab(tmp_path, monkeypatch, capsys)
