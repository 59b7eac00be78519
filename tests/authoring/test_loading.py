"""What is done around the import of an author's file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pipelinekit.authoring.loading import SPINS, load_pipeline

FILE = f"""
import os
from pipelinekit import pipeline, step

SPUN = os.environ.get({SPINS!r})

@step
def one() -> int:
    return 1

@pipeline
def whole():
    return one()
"""


@pytest.mark.parametrize(
    ("name", "computes", "given", "seen"),
    [("compiled", False, None, "4"), ("computed", True, None, None), ("chosen", False, "20", "20")],
)
def test_threads_of_libraries_sleep_at_once_where_a_pipeline_is_only_compiled(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    computes: bool,
    given: str | None,
    seen: str | None,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv(SPINS, raising=False)
    if given is not None:
        monkeypatch.setenv(SPINS, given)
    (tmp_path / f"{name}.py").write_text(FILE)
    loaded = load_pipeline(str(tmp_path / f"{name}.py"), computes=computes)
    assert loaded.function.__globals__["SPUN"] == seen
    assert os.environ.get(SPINS) == given  # what the pipeline starts later has it as it was
