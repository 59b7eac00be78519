"""Ignore patterns to regular expressions, by the library that knows git's rules.

Loaded only when the cache has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

_NAMED_GROUP = re.compile(r"\(\?P<\w+>")  # joined expressions may not have the same name twice


def compile_patterns(text: str) -> Sequence[tuple[bool, str]]:
    """Patterns in order, each with whether it ignores or takes back."""
    spec = GitIgnoreSpec.from_lines(text.splitlines())
    return [
        (bool(pattern.include), _exact(_NAMED_GROUP.sub("(?:", pattern.regex.pattern)))
        for pattern in spec.patterns
        if pattern.include is not None and pattern.regex is not None
    ]


def _exact(expression: str) -> str:
    """The expression for what a pattern names itself: whoever walks a tree does not enter a folder that is ignored.

    The library's expressions match what lies below as well, where git lets other patterns decide.
    """
    expression = expression if expression.startswith("^") else f"^.*{expression}"
    for ending, exact in (("(?:(?:/)|$)", "/?$"), ("(?:/)", "/$"), ("/", "/.")):
        if expression.endswith(ending):
            return expression.removesuffix(ending) + exact
    return expression
