"""Which files of a source folder are left out of its snapshot: `.amlignore`, else `.gitignore`, with git's semantics.

The patterns are compiled to regular expressions by a library, once for each text of them; after that the cache is
enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelinekit.domain.digests import digest
from pipelinekit.ports import Cache

SPACE = "ignores-2"
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
    """The rules of one source folder."""

    def __init__(self, patterns: Sequence[Pattern], source: str) -> None:
        self.source = source
        self._simple = all(ignores for ignores, _ in patterns)
        if self._simple:
            self._any = re.compile("|".join(f"(?:{text})" for _, text in patterns) or r"(?!)")
        else:
            self._each = [(ignores, re.compile(text)) for ignores, text in patterns]

    def ignored(self, path: str) -> bool:
        """Whether a relative path is left out; folders end with `/`."""
        if self._simple:
            return self._any.match(path) is not None
        verdict = False
        for ignores, expression in self._each:
            if ignores is not verdict and expression.match(path):
                verdict = ignores
        return verdict


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
    key = digest(text)
    kept = cache.get(SPACE, [key]).get(key)
    if kept is None:
        patterns = list(compile_patterns(text))
        cache.put(SPACE, {key: json.dumps(patterns)})
    else:
        patterns = [(ignores, expression) for ignores, expression in json.loads(kept)]
    return IgnoreRules(patterns, source)
