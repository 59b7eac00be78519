"""Normalised syntax: one digest for a piece of code, whatever its comments, docstrings, formatting and annotations.

Own walk instead of `ast.dump`, whose text differs between Python releases. Empty fields are left out, so that a field
that a newer release adds does not change the digest of code that does not use it.
"""

from __future__ import annotations

import ast
from typing import Any

from pipelinekit.domain.digests import digest_bytes, encode

_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores", "annotation", "returns", "simple"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_HARMLESS = frozenset(  # decorators of the standard library that do not look at annotations, by the end of their name
    {
        "staticmethod",
        "classmethod",
        "property",
        "setter",
        "getter",
        "deleter",
        "abstractmethod",
        "cached_property",
        "cache",
        "lru_cache",
        "wraps",
        "contextmanager",
        "asynccontextmanager",
        "override",
        "final",
    }
)


def syntax_digest(node: ast.AST, *, annotations: bool = False) -> str:
    """Digest of the normalised syntax of one statement or expression.

    With `annotations`, those of the outermost function's own signature count: they decide how a step's inputs are read.
    Annotations in class bodies always count, because dataclasses and their kin read them, and so do those of functions
    with decorators, because dispatch and validation by type read them.
    """
    parts: list[bytes] = []
    if annotations and isinstance(node, _FUNCTIONS) and not has_reader(node):
        _write_annotations(node, parts)
    _write(node, parts)
    return digest_bytes(b"".join(parts))


def has_reader(node: ast.AST) -> bool:
    """Whether a function has a decorator that may read its annotations."""
    decorators = node.decorator_list if isinstance(node, _FUNCTIONS) else []
    return any(_last_name(item) not in _HARMLESS for item in decorators)


def is_cosmetic(node: ast.stmt) -> bool:
    """Whether a statement does nothing: a docstring, a constant on its own, `pass`, a bare annotation."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass)


def drop_defaults(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, ast.expr]:
    """Take the default values out of a function's signature and return them by parameter name."""
    taken: dict[str, ast.expr] = {}
    positional = [*node.args.posonlyargs, *node.args.args]
    if node.args.defaults:
        for argument, default in zip(positional[-len(node.args.defaults) :], node.args.defaults, strict=True):
            taken[argument.arg] = default
    for argument, keyword_default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if keyword_default is not None:
            taken[argument.arg] = keyword_default
    node.args.defaults = []
    node.args.kw_defaults = [None for _ in node.args.kwonlyargs]
    return taken


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found += [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return found


def _last_name(decorator: ast.expr) -> str:
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    if isinstance(decorator, ast.Attribute):
        return decorator.attr
    return decorator.id if isinstance(decorator, ast.Name) else ""


def _write_annotations(node: ast.FunctionDef | ast.AsyncFunctionDef, parts: list[bytes]) -> None:
    for argument in _arguments(node.args):
        parts.append(argument.arg.encode())
        _write(argument.annotation, parts)
    _write(node.returns, parts)


def _write(value: Any, parts: list[bytes], in_class: bool = False) -> None:
    if isinstance(value, ast.AST):
        _write_node(value, parts, in_class)
    elif isinstance(value, list):
        parts.append(b"[%d:" % len(value))
        for item in value:
            _write(item, parts, in_class)
    else:
        parts.append(_constant(value))


def _write_node(node: ast.AST, parts: list[bytes], in_class: bool) -> None:
    if isinstance(node, ast.AnnAssign) and not in_class:
        _write_annotated(node, parts)
        return
    if isinstance(node, _FUNCTIONS) and has_reader(node):
        _write_annotations(node, parts)
    parts.append(b"(" + type(node).__name__.encode())
    inside_class = isinstance(node, ast.ClassDef)
    for field in node._fields:
        value = getattr(node, field, None)
        if value is None and not isinstance(node, ast.Constant):
            continue
        if field in _SKIPPED and not (in_class and field == "annotation"):
            continue
        if field in ("body", "orelse", "finalbody") and isinstance(value, list):
            value = [item for item in value if not is_cosmetic(item)]
        if value == []:
            continue
        parts.append(b"." + field.encode())
        _write(value, parts, in_class=inside_class and field == "body")
    parts.append(b")")


def _write_annotated(node: ast.AnnAssign, parts: list[bytes]) -> None:
    """`x: int = 1` counts as `x = 1`; a bare `x: int` still makes `x` local, so its target counts."""
    if node.value is None:
        _write(node.target, parts)
    else:
        _write_node(ast.Assign(targets=[node.target], value=node.value), parts, in_class=False)


def _constant(value: Any) -> bytes:
    if value is Ellipsis:
        return b"..."
    if isinstance(value, complex):
        return b"j" + encode([value.real, value.imag])
    return encode(value)
