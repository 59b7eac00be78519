"""Where two versions of a piece of code differ first."""

from __future__ import annotations

import ast
from typing import Any

from pipelinekit.engine.code.syntax import is_cosmetic, syntax_digest


def changed_line(before: str, after: str) -> int:
    """The line of `after`, from 1, with the first difference that is not cosmetic; 0 when there is none.

    Both are the source of one top-level statement (or several).
    """
    try:
        old, new = ast.parse(before), ast.parse(after)
    except SyntaxError:
        return 1
    return 0 if syntax_digest(old) == syntax_digest(new) else _first_line(old, new)


def changed_text(before: str, after: str) -> int:
    """The line of `after`, from 1, with the first difference of any kind."""
    old, new = before.splitlines(), after.splitlines()
    return next(
        (number for number, pair in enumerate(zip(old, new, strict=False), start=1) if pair[0] != pair[1]), len(new)
    )


def _first_line(old: ast.AST, new: ast.AST) -> int:
    for field_name in ("body", "handlers", "orelse", "finalbody"):
        left, right = _statements(old, field_name), _statements(new, field_name)
        for first, second in zip(left, right, strict=False):
            if syntax_digest(first) != syntax_digest(second):
                return _first_line(first, second)
        if len(right) > len(left):
            return int(right[len(left)].lineno)
        if len(left) > len(right):
            return int(right[-1].end_lineno or right[-1].lineno) if right else int(getattr(new, "lineno", 1))
    return int(getattr(new, "lineno", 1))


def _statements(node: ast.AST, field_name: str) -> list[Any]:
    found = getattr(node, field_name, None)
    if not isinstance(found, list):
        return []
    return [item for item in found if not (isinstance(item, ast.stmt) and is_cosmetic(item))]
