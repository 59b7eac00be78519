"""Which files of a source folder are left out of its snapshot: `.amlignore`, else `.gitignore`, with git's semantics.

Patterns that only name something are looked up. The others are compiled to regular expressions by a library, once for
each text of them; after that the cache is enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pipelinekit.domain.digests import digest
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.ports import Cache

SPACE = "ignores-3"
IGNORE_FILES = (".amlignore", ".gitignore")
NEVER_TAKEN = """
.git/
.hg/
.svn/
.pipelinekit/
"""
LEFT_OUT = """
.azureml/
__pycache__/
*.pyc
*.pyo
.ipynb_checkpoints/
.mypy_cache/
.ruff_cache/
.pytest_cache/
.hypothesis/
.tox/
.nox/
.venv/
node_modules/
*.egg-info/
.DS_Store
.coverage
.env
"""

Pattern = tuple[bool, str]  # whether it ignores (or takes back), and the regular expression for a relative path
CompilePatterns = Callable[[str], Sequence[Pattern]]


class IgnoreRules:
    """The rules of one source folder: names by themselves, and `patterns` where there is more to say."""

    def __init__(self, names: Names, patterns: Sequence[Pattern], source: str) -> None:
        self.source = source
        self._names = names
        self._simple = all(ignores for ignores, _ in patterns)
        self._any = re.compile("|".join(f"(?:{text})" for _, text in patterns)) if patterns and self._simple else None
        self._each = [] if self._simple else [(ignores, re.compile(text)) for ignores, text in patterns]

    def ignored(self, path: str) -> bool:
        """Whether a relative path is left out; folders end with `/`."""
        if self._simple:
            return self._names.match(path) or (self._any is not None and self._any.match(path) is not None)
        verdict = False
        for ignores, expression in self._each:
            if ignores is not verdict and expression.match(path):
                verdict = ignores
        return verdict


class Names:
    """Patterns that name a file or folder wherever it lies, `name`, `name/`, `*end` or `*end/`: most are so."""

    def __init__(self, lines: Iterable[str]) -> None:
        ends: list[str] = []
        folder_ends: list[str] = []
        self._names: set[str] = set()
        self._folders: set[str] = set()
        for line in lines:
            name = line.removesuffix("/")
            if name.startswith("*"):
                (folder_ends if line.endswith("/") else ends).append(name[1:])
            else:
                (self._folders if line.endswith("/") else self._names).add(name)
        self._ends, self._folder_ends = tuple(ends), tuple(folder_ends)

    def match(self, path: str) -> bool:
        """Whether one of them names this path, as the last of its parts."""
        whole = path.removesuffix("/")
        name = whole.rpartition("/")[2]
        if name in self._names or name.endswith(self._ends):
            return True
        return whole is not path and (name in self._folders or name.endswith(self._folder_ends))

    @staticmethod
    def is_one(line: str) -> bool:
        """Whether a line is such a pattern."""
        name = line.removesuffix("/").removeprefix("*")
        return name not in ("", ".", "..") and all(letter.isalnum() or letter in "._-" for letter in name)


def read_rules(folder: Path, cache: Cache, compile_patterns: CompilePatterns) -> IgnoreRules:
    """The rules of a source folder: what is left out by default, then the first ignore file that is there.

    The file may take back the defaults, but not the folders of version control and of the workspace.
    """
    source, text = "", LEFT_OUT
    for name in IGNORE_FILES:
        file = folder / name
        if file.is_file():
            source, text = name, LEFT_OUT + file.read_text(encoding="utf-8", errors="replace")
            break
    text += NEVER_TAKEN  # begins on a line of its own
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if any(line.startswith("!") for line in lines):  # what is taken back depends on the order of all
        return IgnoreRules(Names(()), _compiled(text, cache, compile_patterns), source)
    others = "\n".join(line for line in lines if not Names.is_one(line))
    patterns = _compiled(others, cache, compile_patterns) if others else ()
    return IgnoreRules(Names(filter(Names.is_one, lines)), patterns, source)


def _compiled(text: str, cache: Cache, compile_patterns: CompilePatterns) -> list[Pattern]:
    key = digest(text)
    kept = cache.get(SPACE, [key]).get(key)
    if kept is not None:
        return [(ignores, expression) for ignores, expression in json.loads(kept)]
    patterns = list(compile_patterns(text))
    cache.put(SPACE, {key: json.dumps(patterns)})
    return patterns
