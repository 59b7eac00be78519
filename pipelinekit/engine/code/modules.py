"""Reading one source file: from its text to its summary."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from pipelinekit.domain.digests import digest, digest_bytes
from pipelinekit.engine.code.scopes import Facts, absolute_module, dotted, facts_of
from pipelinekit.engine.code.summaries import Read, Statement, Summary, Target
from pipelinekit.engine.code.syntax import drop_defaults, is_cosmetic, syntax_digest

_FIXED_MAKERS = frozenset(  # what they give is not changed by its own methods, or only how it logs
    {"getLogger", "get_logger", "compile", "frozenset", "namedtuple", "NewType", "TypeVar"}
)
_OWN_DECORATORS = frozenset({"step", "pipeline"})
_OWN_PACKAGE = "pipelinekit"
_ANYTHING = frozenset({"Any", "object"})
_COLLECTIONS = frozenset({"list", "dict", "tuple", "List", "Dict", "Tuple", "Sequence", "Mapping", "Iterable"})


def summarise(source: bytes, name: str, is_package: bool) -> Summary:
    """Summary of a module's source. Raises SyntaxError as the compiler does."""
    tree = ast.parse(source)
    package = name if is_package else name.rpartition(".")[0]
    body = list(_effective(tree.body))
    own = _own_decorators(body)
    imports = _imported_names(body, package)
    lines = source.splitlines(keepends=True)
    statements: list[Statement] = []
    loads: list[str] = []
    stars: list[str] = []
    for node in body:
        loads.extend(_loaded_modules(node, package))
        if isinstance(node, ast.Import | ast.ImportFrom):
            stars.extend(_star(node, package))
            statements.extend(_import_statements(node, package))
        else:
            _strip_own(node, own)
            statements.append(_statement(node, package, imports, lines))
    return Summary(name, is_package, tuple(statements), tuple(dict.fromkeys(loads)), tuple(stars), _exported(body))


def _effective(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported: no docstrings, no `__main__` block, no typing-only block."""
    for node in body:
        if is_cosmetic(node) or (isinstance(node, ast.AnnAssign) and node.value is None):
            continue
        if isinstance(node, ast.If) and _is_left_out(node.test):
            yield from _effective(node.orelse)
            continue
        yield node


def _is_left_out(test: ast.expr) -> bool:
    if dotted(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        return True
    if not isinstance(test, ast.Compare) or len(test.comparators) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = [test.left, test.comparators[0]]
    return any(dotted(side) == "__name__" for side in sides) and any(
        isinstance(side, ast.Constant) and side.value == "__main__" for side in sides
    )


def _imported_names(body: list[ast.stmt], package: str) -> dict[str, Target]:
    """What the module's own import statements bind."""
    found: dict[str, Target] = {}
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for statement in _import_statements(node, package):
                found.update((name, targets[-1]) for name, targets in statement.imported.items())
    return found


def _own_decorators(body: list[ast.stmt]) -> frozenset[str]:
    """The names under which this module knows pipelinekit's own decorators."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == _OWN_PACKAGE:
            names.update(alias.asname or alias.name for alias in node.names if alias.name in _OWN_DECORATORS)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == _OWN_PACKAGE:
                    names.update(f"{alias.asname or alias.name}.{own}" for own in _OWN_DECORATORS)
    return frozenset(names)


def _strip_own(node: ast.stmt, own: frozenset[str]) -> None:
    """Take out pipelinekit's decorators and their options: they are components of the key elsewhere, or none of it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        node.decorator_list = [item for item in node.decorator_list if _callee(item) not in own]
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and dotted(inner.func) in own:
            inner.keywords = []


def _callee(node: ast.expr) -> str:
    return dotted(node.func if isinstance(node, ast.Call) else node)


def _loaded_modules(node: ast.stmt, package: str) -> Iterator[str]:
    """Modules that a statement imports when the module is imported, not those that its functions import later."""
    stack: list[ast.AST] = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(inner, ast.If) and _is_left_out(inner.test):
            stack.extend(inner.orelse)
            continue
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            module = absolute_module(inner.module, inner.level, package)
            yield module
            yield from (f"{module}.{alias.name}" for alias in inner.names if alias.name != "*")
        stack.extend(ast.iter_child_nodes(inner))


def _star(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        yield absolute_module(node.module, node.level, package)


def _import_statements(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[Statement]:
    """One statement per imported name, so that adding a name to a line changes nothing for the others."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            name = alias.asname or alias.name.partition(".")[0]
            target = (alias.name if alias.asname else name, "")
            identity = ["import", alias.name, alias.asname or ""]
        elif alias.name == "*":
            continue
        else:
            name = alias.asname or alias.name
            target = (absolute_module(node.module, node.level, package), alias.name)
            identity = ["from", *target]
        yield Statement(
            "import",
            node.lineno,
            node.end_lineno or node.lineno,
            digest(identity),
            binds=(name,),
            imported={name: (target,)},
        )


def _statement(node: ast.stmt, package: str, imports: Mapping[str, Target], lines: list[bytes]) -> Statement:
    facts = facts_of(node, package, imports=imports)
    plain_digest = syntax_digest(node)
    kind, entry_digest = "other", ""
    entry_reads: tuple[Read, ...] = ()
    defaults: dict[str, tuple[str, tuple[Read, ...]]] = {}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        kind = "function"
        defaults = {
            name: (syntax_digest(value), _sorted_reads(facts_of(ast.Expr(value), package, imports=imports)))
            for name, value in drop_defaults(node).items()
        }
        entry_digest = syntax_digest(node, annotations=True)
        entry_reads = _sorted_reads(facts_of(node, package, annotations=True, imports=imports))
    elif isinstance(node, ast.ClassDef):
        kind = "class"
    elif _is_fixed(node):
        kind = "fixed"
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(item.lineno for item in decorators)])
    return Statement(
        kind,
        first,
        node.end_lineno or node.lineno,
        plain_digest,
        entry_digest,
        tuple(sorted(facts.binds)),
        {name: tuple(targets) for name, targets in facts.imported.items()},
        _sorted_reads(facts),
        entry_reads,
        defaults,
        tuple(sorted(facts.calls)),
        tuple(sorted(facts.touches)),
        tuple(sorted(facts.mutates)),
        tuple(sorted(facts.loads)),
        tuple(sorted(facts.variables)),
        tuple(facts.dynamic),
        facts.ambient,
        facts.registers,
        kind == "function" and _takes_anything(node),
        digest_bytes(b"".join(lines[first - 1 : node.end_lineno])),
    )


def _is_fixed(node: ast.stmt) -> bool:
    """Whether a statement gives a name to the very result of a call like `re.compile(...)`, not to what holds it."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] in _FIXED_MAKERS


def _takes_anything(node: ast.stmt) -> bool:
    """Whether a parameter has no type, or one that leaves open what its value or its elements are."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return any(_is_open(item.annotation) for item in ast.walk(node.args) if isinstance(item, ast.arg))


def _is_open(annotation: ast.AST | None) -> bool:
    if annotation is None or dotted(annotation).rpartition(".")[2] in _ANYTHING | _COLLECTIONS:
        return True
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return _is_open(ast.parse(annotation.value, mode="eval").body)
        except SyntaxError:
            return False  # words in `Annotated[…]`
    if isinstance(annotation, ast.Subscript):
        literal = dotted(annotation.value).rpartition(".")[2] == "Literal"
        return not literal and _is_open(annotation.slice)
    return any(_is_open(item) for item in ast.iter_child_nodes(annotation) if isinstance(item, ast.expr))


def _sorted_reads(facts: Facts) -> tuple[Read, ...]:
    return tuple(sorted(facts.reads))


def _exported(body: list[ast.stmt]) -> tuple[str, ...] | None:
    for node in body:
        if isinstance(node, ast.Assign) and any(dotted(target) == "__all__" for target in node.targets):
            try:
                return tuple(ast.literal_eval(node.value))
            except ValueError:
                return None
    return None
