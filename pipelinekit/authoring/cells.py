"""Cells of a notebook as a module that a step's process can import.

Only statements that the steps reach are taken: definitions, imports and assignments, each in its newest version. Calls
for their effect, which notebooks are full of, are not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from pipelinekit.authoring.modules import NOTEBOOK_MODULE
from pipelinekit.authoring.notebooks import shell
from pipelinekit.engine.code.modules import summarise

_KEPT = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)


def notebook_source(entries: Iterable[str]) -> str:
    """Source of a module with these top-level names of the session, and all that they reach."""
    session = shell()
    if session is None:
        return ""
    statements = _newest_statements([str(cell) for cell in session.history_manager.input_hist_parsed])
    whole = "\n\n".join(statements) + "\n"
    summary = summarise(whole.encode(), NOTEBOOK_MODULE, False)
    bindings = summary.bindings()
    wanted: set[int] = set()
    names = list(entries)
    while names:
        for position in bindings.get(names.pop(), ()):
            if position not in wanted:
                wanted.add(position)
                statement = summary.statements[position]
                reads = (*statement.reads, *statement.entry_reads)
                names.extend(name.partition(".")[0] for module, name in reads if not module)
    lines = whole.splitlines()
    spans = sorted({(summary.statements[position].line, summary.statements[position].end) for position in wanted})
    return "\n\n".join("\n".join(lines[first - 1 : last]) for first, last in spans) + "\n"


def _newest_statements(cells: Iterable[str]) -> list[str]:
    """Top-level statements of all cells that define names; of those that define the same name only the newest."""
    kept: dict[tuple[str, ...], str] = {}
    for cell in cells:
        try:
            tree = ast.parse(cell)
        except SyntaxError:
            continue
        for node in tree.body:
            if isinstance(node, _KEPT) and "get_ipython()" not in (text := ast.get_source_segment(cell, node) or ""):
                decorators = [ast.get_source_segment(cell, item) for item in getattr(node, "decorator_list", [])]
                whole = "".join(f"@{decorator}\n" for decorator in decorators) + text
                names = _names(node)
                kept.pop(names, None)
                kept[names] = whole
    return list(kept.values())


def _names(node: ast.stmt) -> tuple[str, ...]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (node.name,)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return tuple(alias.asname or alias.name for alias in node.names)
    return tuple(
        sorted(item.id for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store))
    )
