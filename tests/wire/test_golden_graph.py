"""The graph document of a small project, pinned byte for byte.

Its purpose: the document is stored, compared by digest and submitted on other machines, so that it must depend on what
the author wrote and on nothing else: not on the folder, the hash seed, the time, the locale or the order of files. And a
change of the document, or of how code is told by content, must be seen by whoever makes it: every result that was ever
kept is keyed by it. Where such a change is meant, raise the version of the document or of the key, and write the golden
file anew: `python tests/wire/test_golden_graph.py`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

GOLDEN = Path(__file__).with_name("golden_graph.json")

FILES = {
    "main.py": '''
from enum import Enum
from typing import NamedTuple

from pipelinekit import CommandStep, Environment, File, Resources, Retry, pipeline, step, when

import helpers
from package.tools import Scaler


class Mode(Enum):
    FAST = 1
    SLOW = 2


class Parts(NamedTuple):
    left: list[int]
    right: list[int]


@step
def load(data: File, limit: int | None = None) -> list[int]:
    """Numbers, one a line."""
    return [int(line) for line in data.read_text().split()][:limit]


@step(retries=Retry(2, on=("OSError",)), timeout=30, resources=Resources(cpu=2, memory="1GiB"), cache_version="2")
def split(numbers: list[int], ratio: float = 0.5) -> Parts:
    return Parts(*helpers.cut(numbers, ratio))


@step(environment=Environment(variables={"MODE": "fast"}))
def scale(numbers: list[int], mode: Mode, names: dict[str, float]) -> list[float]:
    return Scaler(mode is Mode.FAST).apply(numbers)


@step
def count(numbers: list[int]) -> int:
    return len(numbers)


shell = CommandStep("sh script.sh", source_directory="scripts", name="shell")


@step(allow_reuse=False)
def total(parts: list[list[float]], title: str = "é") -> float:
    return sum(map(sum, parts))


@pipeline
def demo(data: File, mode: Mode = Mode.SLOW, ratio: float = 0.25, title: str | None = None):
    """What a small project uses: files, several outputs, a choice, options."""
    parts = split(load(data), ratio)
    shell(after=parts)
    with when(count(parts.left) > 3):
        slow = scale(parts.left, mode, {"a": 1.0, "b": float("inf")})
    right = scale(parts.right, mode, {})
    return {"total": total([right]), "slow": slow}
''',
    "helpers.py": """
import math
import os

HALF = 0.5


def cut(items, ratio=HALF):
    try:
        import no_such_package_b
        import no_such_package_a
    except ImportError:
        pass
    n = math.ceil(len(items) * ratio)
    return items[:n], items[n:] if os.environ.get("GOLDEN_B") else items[n : os.getenv("GOLDEN_A")]
""",
    "package/__init__.py": "",
    "package/tools.py": "class Base:\n    factor = 2\n\n\nclass Scaler(Base):\n    def __init__(self, fast):\n        self.fast = fast\n\n    def apply(self, numbers):\n        return [n * self.factor for n in numbers]\n",
    "scripts/script.sh": "echo hello\n",
    ".gitignore": "*.log\n",
    "noise.log": "not part of it",
}


def compiled(root, name="project", seed="0", order=1, locale="C.UTF-8"):
    """The document of the project, written to a folder of that name."""
    folder = Path(root, name)
    for path, text in list(FILES.items())[::order]:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "LANG": locale}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipelinekit", "compile", "main.py", "-o", "graph.json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (folder / "graph.json").read_bytes()


def portable(document):
    """The document without the version of the interpreter that compiled it."""
    version = f"{sys.implementation.name}-{'.'.join(map(str, sys.version_info[:3]))}"
    assert version.encode() in document
    return document.replace(version.encode(), b"PYTHON")


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("golden"))


def test_the_document_is_the_golden_one(document):
    found, golden = json.loads(portable(document)), json.loads(GOLDEN.read_bytes())
    for key in sorted({*found, *golden}):  # part by part, so that a difference can be read
        assert found.get(key) == golden.get(key), key
    assert portable(document) == GOLDEN.read_bytes()


def test_the_document_does_not_depend_on_place_hash_seed_order_or_locale(document, tmp_path):
    other = compiled(tmp_path / "far" / "away", "elsewhere", seed="4242", order=-1, locale="C")
    assert other == document


def test_the_golden_file_says_nothing_of_a_machine():
    text = GOLDEN.read_text(encoding="ascii")
    assert "/" not in text.replace("package/tools.py", "").replace("package/__init__.py", "")
    assert "python-" not in text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        GOLDEN.write_bytes(portable(compiled(temporary)))
        shutil.rmtree(temporary, ignore_errors=True)
