"""Two names that are one in Unicode's NFC form are refused wherever a tree is made."""

import pytest

from pipelinekit.domain.types import PathRef
from pipelinekit.errors import PipelinekitError
from pipelinekit.testing.stores import MemoryBlobs, MemoryCache
from pipelinekit.workspace.ignore_patterns import compile_patterns
from pipelinekit.workspace.inputs import InputPaths
from pipelinekit.workspace.snapshots import SourceTree


@pytest.fixture
def folder(tmp_path):
    for name, text in (("é", "one"), ("e\u0301", "two")):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_text(text)
    return tmp_path / "data"


def test_a_folder_that_is_given_to_a_pipeline(folder):
    with pytest.raises(PipelinekitError, match="two files have the same path"):
        InputPaths(MemoryBlobs(), MemoryCache(), keep=True).resolve([PathRef(str(folder), True)], folder)


def test_a_source_folder(folder):
    with pytest.raises(PipelinekitError, match="two files have the same path"):
        SourceTree(folder, MemoryCache(), compile_patterns).tree()
