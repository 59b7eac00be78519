"""Ignore patterns to regular expressions, by the library that knows git's rules.

Loaded only when the cache has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from pipelinekit.errors import UsageError

MOST_PATTERNS = 10_000
MOST_FOLDERS = 4  # `**` in one pattern: each may be tried at every depth
_NAMED_GROUP = re.compile(r"\(\?P<\w+>")  # joined expressions may not have the same name twice
_STAR = r"\[\^/\]\*"  # as the library writes `*`
_LETTER = r"(?:\\.|\[(?:\\.|[^\]\\])+\]|[^\\()\[\]/|?*+^$])"  # what stands for one letter each
_BETWEEN = re.compile(f"{_STAR}({_LETTER}*?)(?={_STAR})")


def compile_patterns(text: str) -> Sequence[tuple[bool, str]]:
    """Patterns in order, each with whether it ignores or takes back. Raises UsageError for what takes too long."""
    lines = text.splitlines()
    if len(lines) > MOST_PATTERNS:
        raise UsageError(f"there are {len(lines)} ignore patterns", hint=f"{MOST_PATTERNS} are read; leave out folders")
    if odd := next((line for line in lines if line.count("**") > MOST_FOLDERS), None):
        words = f"the ignore pattern {odd[:60]!r} has '**' {odd.count('**')} times"
        raise UsageError(words, hint=f"{MOST_FOLDERS} times at most: it stands for any number of folders")
    spec = GitIgnoreSpec.from_lines(lines)
    return [
        (bool(pattern.include), _steady(_exact(_NAMED_GROUP.sub("(?:", pattern.regex.pattern))))
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


def _steady(expression: str) -> str:
    """The same expression, without a way back: what stands between two `*` is taken where it is found first.

    Nothing is lost by that, since the second `*` makes up for whatever follows; and a pattern with many of them would
    else be tried in more ways than anybody can wait for.
    """
    return _BETWEEN.sub(r"(?>[^/]*?\1)", expression)
