"""Names and effects of one statement: what it reads from outside itself, and what running it may change.

Python's scoping rules decide whether a name is local to a function, bound by an import inside it, or global. A read is
a pair (module, dotted name): the module is empty for a global name of the statement's own module, and set for a name
that an import inside a function bound. What cannot be told statically is noted as *dynamic*, with its line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from pipelinekit.classes import field, mutable
from pipelinekit.engine.code import unsteady
from pipelinekit.engine.code.summaries import Dynamic, Read, Target
from pipelinekit.engine.code.syntax import has_reader

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_EVALUATORS = frozenset({"eval", "exec", "compile"})
_NAMESPACES = frozenset({"globals", "vars"})
_IMPORTERS = frozenset({"importlib.import_module", "importlib.__import__", "__import__"})
_REGISTER = "pipelinekit.register_format"
_FINDERS = frozenset(  # functions of the standard library that find or run code by a name or path
    {
        "pkgutil.resolve_name",
        "pydoc.locate",
        "runpy.run_module",
        "runpy.run_path",
        "importlib.reload",
        "importlib.util.spec_from_file_location",
        "importlib.machinery.SourceFileLoader",
    }
)
_TEXTS = frozenset(  # functions that read what is otherwise cosmetic: docstrings, annotations, the text of code
    {
        "inspect.getdoc",
        "inspect.getcomments",
        "inspect.getsource",
        "inspect.getsourcelines",
        "inspect.signature",
        "inspect.getfullargspec",
        "inspect.get_annotations",
        "typing.get_type_hints",
        "pydoc.getdoc",
        "pydoc.render_doc",
    }
)
_READS = "reads docstrings, annotations or text of code"
_TEXT_ATTRIBUTES = {
    "__doc__": _READS,
    "__annotations__": _READS,
    "__text_signature__": _READS,
    "__code__": _READS,
    "__subclasses__": "finds classes in whatever was imported",
}


@mutable
class Facts:
    """What is known of one statement.

    `binds` are the global names it sets and `imported` those of them that an import sets, with (module, attribute).
    `calls` are the functions called when the statement itself runs, with whether the result is called in turn (a
    decorator factory). `touches` are global names whose objects it may change when it runs; `mutates` those that
    calling a function defined in it may change, with the depth of nesting. `ambient` says that it calls something for
    its effect; `registers` that all it does is to register a format for this type. `loads` are modules imported inside
    functions.
    """

    binds: set[str] = field(default_factory=set)
    imported: dict[str, list[Target]] = field(default_factory=dict)
    reads: set[Read] = field(default_factory=set)
    calls: set[tuple[str, bool]] = field(default_factory=set)
    touches: set[str] = field(default_factory=set)
    mutates: set[tuple[str, int]] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    dynamic: list[Dynamic] = field(default_factory=list)
    ambient: bool = False
    registers: str = ""


@mutable
class _Scope:
    names: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)  # declared global here
    imports: dict[str, list[Target]] = field(default_factory=dict)


def facts_of(
    node: ast.AST, package: str, *, annotations: bool = False, imports: Mapping[str, Target] | None = None
) -> Facts:
    """Facts of one top-level statement of a module that lies in `package`.

    With `annotations`, the names in function annotations count as read. `imports` says what the module's own top-level
    imports bind, so that functions are known under any name.
    """
    reader = _Reader(package, annotations, imports or {})
    bound = _bound_names([node], package)
    reader.facts.binds |= bound.names
    reader.facts.imported.update(bound.imports)
    reader.read(node)
    return reader.facts


def absolute_module(module: str | None, level: int, package: str) -> str:
    """The absolute name of the module that `from ..module import` means inside `package`."""
    if level == 0:
        return module or ""
    parts = package.split(".") if package else []
    base = parts[: len(parts) - level + 1] if level > 1 else parts
    return ".".join([*base, *([module] if module else [])])


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain that begins with a name; empty for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    names.append(node.id)
    return ".".join(reversed(names))


def _constant_name(node: ast.Call) -> str:
    """The absolute module name that is the first argument of a call; empty when it is computed or relative."""
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
        return first.value
    return ""


def _bound_names(body: list[ast.AST], package: str) -> _Scope:
    """The names that statements bind in the scope they stand in, without those of scopes nested in it."""
    scope = _Scope()
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            scope.names.add(node.name)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                scope.names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            _bind_import(node, package, scope)
        elif isinstance(node, ast.Global):
            scope.outer.update(node.names)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            scope.names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            scope.names.add(node.rest)
        elif isinstance(node, _COMPREHENSIONS):
            # only a walrus inside a comprehension binds outside it
            for inner in ast.walk(node):
                if isinstance(inner, ast.NamedExpr):
                    scope.names.add(inner.target.id)
            continue
        stack.extend(ast.iter_child_nodes(node))
    scope.names -= scope.outer
    return scope


def _bind_import(node: ast.Import | ast.ImportFrom, package: str, scope: _Scope) -> None:
    for alias in node.names:
        if isinstance(node, ast.Import):
            name = alias.asname or alias.name.partition(".")[0]
            target = (alias.name if alias.asname else name, "")
        elif alias.name == "*":
            continue
        else:
            name = alias.asname or alias.name
            target = (absolute_module(node.module, node.level, package), alias.name)
        scope.names.add(name)
        scope.imports.setdefault(name, []).append(target)


class _Reader:
    """Walks one statement with a stack of function scopes; an empty stack means that the code runs at import."""

    def __init__(self, package: str, annotations: bool, imports: Mapping[str, Target]) -> None:
        self.facts = Facts()
        self.imports = imports
        self.package = package
        self.annotations = annotations
        self.scopes: list[_Scope] = []

    def read(self, node: ast.AST) -> None:
        method = getattr(self, f"read_{type(node).__name__}", None)
        if method is not None:
            method(node)
        else:
            self.read_children(node)

    def read_children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.read(child)

    def read_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.read(node)

    # -- names ---------------------------------------------------------------------------------------------------

    def resolve(self, name: str) -> list[Read]:
        """The reads that a dotted name means, several where imports compete; none when it is local to a function."""
        base, _, rest = name.partition(".")
        for scope in reversed(self.scopes):
            if base in scope.outer:
                break
            if base in scope.imports:
                targets = scope.imports[base]
                return [(module, ".".join(part for part in (attribute, rest) if part)) for module, attribute in targets]
            if base in scope.names:
                return []
        return [("", name)]

    def note_read(self, name: str, line: int, *, loads: bool = True) -> None:
        self.facts.reads.update(self.resolve(name))
        known = self.canonical(name)
        if known in _IMPORTERS:
            self.facts.dynamic.append(("source", line, "a module is imported under a computed name"))
        elif known in _FINDERS or known in _EVALUATORS:
            self.facts.dynamic.append(("source", line, f"{known}() runs code that cannot be seen"))
        elif known in _TEXTS:
            self.facts.dynamic.append(("texts", line, f"{known} {_READS}"))
        elif loads and (found := _TEXT_ATTRIBUTES.keys() & name.split(".")):
            self.note_text(name, min(found), line)

    def note_text(self, name: str, attribute: str, line: int) -> None:
        """Something is read that the digest of code leaves out, or that no name leads to."""
        reach = "imported" if attribute == "__subclasses__" else "text" if name == "__doc__" else "texts"
        self.facts.dynamic.append((reach, line, f"{name} {_TEXT_ATTRIBUTES[attribute]}"))

    def canonical(self, name: str) -> str:
        """A dotted name as the module that defines it knows it: `il.import_module` is `importlib.import_module`."""
        reads = self.resolve(name)
        if len(reads) != 1:
            return ""
        module, rest = reads[0]
        if not module:
            base, _, attributes = rest.partition(".")
            if base not in self.imports:
                return rest
            module, attribute = self.imports[base]
            rest = ".".join(part for part in (attribute, attributes) if part)
        return f"{module}.{rest}" if rest else module

    def note_change(self, name: str) -> None:
        """The object behind a global name may be changed: now, or when the function around is called."""
        if self.resolve(name) == [("", name)]:
            if self.scopes:
                self.facts.mutates.add((name, len(self.scopes)))
            else:
                self.facts.touches.add(name)

    def read_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.note_read(node.id, node.lineno)
        elif self.scopes and node.id in self.scopes[-1].outer:
            self.facts.mutates.add((node.id, len(self.scopes)))

    def read_Attribute(self, node: ast.Attribute) -> None:
        name = dotted(node)
        if not name:
            self.read_attribute_of(node)
            return
        loads = isinstance(node.ctx, ast.Load)
        self.note_read(name, node.lineno, loads=loads)
        if not loads:
            self.note_change(name)

    def read_attribute_of(self, node: ast.Attribute) -> None:
        """An attribute of something else than a name: `import_module("plug").clean` is `plug.clean`."""
        if node.attr in _TEXT_ATTRIBUTES:
            self.note_text(f"(…).{node.attr}", node.attr, node.lineno)
        names, base = [node.attr], node.value
        while isinstance(base, ast.Attribute):
            names.append(base.attr)
            base = base.value
        module = self.imported_by(base) if isinstance(base, ast.Call) else ""
        if module:
            self.facts.loads.add(module)
            self.facts.reads.add((module, ".".join(reversed(names))))
        else:
            self.read(node.value)

    def read_Subscript(self, node: ast.Subscript) -> None:
        name = dotted(node.value)
        if name and not isinstance(node.ctx, ast.Load):
            self.note_change(name)
        if name and self.canonical(name) == "os.environ":
            self.note_variable(node.slice, node.lineno)
        self.read(node.value)
        self.read(node.slice)

    # -- scopes --------------------------------------------------------------------------------------------------

    def read_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.read_decorators(node.decorator_list)
        # whoever decorates a function may read its annotations: dispatch and validation by type do
        if self.annotations or has_reader(node):
            self.read_annotations(node)
        self.read_signature(node.args)
        self.read_body(node.args, node.body)

    read_AsyncFunctionDef = read_FunctionDef

    def read_Lambda(self, node: ast.Lambda) -> None:
        self.read_signature(node.args)
        self.read_body(node.args, [node.body])

    def read_annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg) and argument.annotation is not None:
                self.read_annotation(argument.annotation)
        if node.returns is not None:
            self.read_annotation(node.returns)

    def read_annotation(self, node: ast.expr) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    self.read(ast.parse(part.value, mode="eval").body)
                except SyntaxError:
                    continue
        self.read(node)

    def read_signature(self, arguments: ast.arguments) -> None:
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self.read(default)

    def read_body(self, arguments: ast.arguments, body: list[ast.stmt] | list[ast.expr]) -> None:
        scope = _bound_names(list(body), self.package)
        scope.names.update(argument.arg for argument in ast.walk(arguments) if isinstance(argument, ast.arg))
        self.scopes.append(scope)
        for node in body:
            self.read(node)
        self.scopes.pop()

    def read_ClassDef(self, node: ast.ClassDef) -> None:
        self.read_decorators(node.decorator_list)
        for base in [*node.bases, *(keyword.value for keyword in node.keywords)]:
            if not self.scopes and (name := dotted(base)):
                self.facts.calls.add((name, False))
            self.read(base)
        for item in node.body:
            self.read(item)

    def read_decorators(self, decorators: list[ast.expr]) -> None:
        for decorator in decorators:
            factory = isinstance(decorator, ast.Call)
            name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if name and not self.scopes:
                self.facts.calls.add((name, factory))
                if "." in name:
                    self.note_change(name.rpartition(".")[0])  # @app.route, @function.register
            self.read(decorator)

    def read_comprehension_scope(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.read(node.generators[0].iter)  # the first iterable belongs to the enclosing scope
        scope = _Scope()
        for generator in node.generators:
            scope.names |= _bound_names([generator.target], self.package).names
        if self.scopes:
            self.scopes.append(scope)
            self.read_children(node)
            self.scopes.pop()
        else:
            self._read_at_import(node, scope)

    def _read_at_import(self, node: ast.AST, scope: _Scope) -> None:
        """A comprehension at module level still runs at import: its scope hides names, but effects stay effects."""
        before = set(self.facts.reads), set(self.facts.touches)
        self.read_children(node)
        for name in scope.names:
            self.facts.reads -= {read for read in self.facts.reads - before[0] if read[1].partition(".")[0] == name}
            self.facts.touches -= {item for item in self.facts.touches - before[1] if item.partition(".")[0] == name}

    read_ListComp = read_SetComp = read_DictComp = read_GeneratorExp = read_comprehension_scope

    # -- statements ----------------------------------------------------------------------------------------------

    def read_Assign(self, node: ast.Assign) -> None:
        self.read_all(list(node.targets))
        match node:
            case ast.Assign(targets=[ast.Attribute(attr="__doc__")], value=ast.Attribute(attr="__doc__", value=owner)):
                self.read(owner)  # a docstring that is handed on is not read yet
            case _:
                self.read(node.value)

    def read_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.read(node.target)
        if node.value is not None:
            self.read(node.value)
        if not self.scopes:
            self.read_annotation(node.annotation)

    def read_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        if not self.scopes:
            return
        if isinstance(node, ast.Import):
            self.facts.loads.update(alias.name for alias in node.names)
        else:
            module = absolute_module(node.module, node.level, self.package)
            self.facts.loads.add(module)
            self.facts.loads.update(f"{module}.{alias.name}" for alias in node.names if alias.name != "*")
        bound = _Scope()
        _bind_import(node, self.package, bound)
        for name in bound.names & self.scopes[-1].outer:  # what is behind the global name is told nowhere else
            self.facts.mutates.add((name, len(self.scopes)))
            self.facts.reads.update(bound.imports[name])

    read_ImportFrom = read_Import

    def read_Expr(self, node: ast.Expr) -> None:
        if not self.scopes and any(isinstance(part, ast.Call) for part in ast.walk(node.value)):
            self.facts.ambient = True
            self.facts.registers = self.registered_type(node.value)
        self.read(node.value)

    def registered_type(self, node: ast.expr) -> str:
        """The type in `register_format(Type, …)`: such a call matters only to those who use the type."""
        if isinstance(node, ast.Call) and self.canonical(dotted(node.func)) == _REGISTER and node.args:
            return dotted(node.args[0])
        return ""

    def read_Call(self, node: ast.Call) -> None:
        name = dotted(node.func)
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        if name:
            self.read_named_call(node, name)
        if module := self.imported_by(node):
            self.facts.loads.add(module)
            self.facts.reads.add((module, ""))
            return
        if self.is_constant_getattr(node, name):
            arguments = arguments[2:]  # read_getattr took the attribute; the bare object must not widen to all of it
        self.read(node.func)
        for argument in arguments:
            self.read(argument)

    def imported_by(self, node: ast.Call) -> str:
        """The module that `import_module("name")` imports, under whatever name the function is called."""
        name = dotted(node.func)
        return _constant_name(node) if name and self.canonical(name) in _IMPORTERS else ""

    def read_named_call(self, node: ast.Call, name: str) -> None:
        base = name.rpartition(".")[0]
        if not self.scopes:
            self.facts.calls.add((name, False))
        if base:
            self.note_change(base)  # a method may change its object
        known = self.canonical(name)
        if known in ("os.getenv", "os.environ.get"):
            if node.args:
                self.note_variable(node.args[0], node.lineno)
        elif known == "getattr":
            self.read_getattr(node)
        elif found := unsteady.finding(node, known):
            self.facts.dynamic.append((found[0], node.lineno, found[1]))
        elif known in _NAMESPACES and not node.args:
            self.facts.dynamic.append(("module", node.lineno, f"{known}() reads names that cannot be seen"))

    def is_constant_getattr(self, node: ast.Call, name: str) -> bool:
        return (
            name == "getattr"
            and len(node.args) > 1
            and isinstance(node.args[1], ast.Constant)
            and dotted(node.args[0]) != ""
        )

    def read_getattr(self, node: ast.Call) -> None:
        """`getattr(module, "name")` is `module.name`; a computed name makes the whole module count."""
        if self.is_constant_getattr(node, "getattr") and isinstance(node.args[1], ast.Constant):
            self.note_read(f"{dotted(node.args[0])}.{node.args[1].value!s}", node.lineno)

    def note_variable(self, name: ast.expr, line: int) -> None:
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            self.facts.variables.add(name.value)
        elif not isinstance(name, ast.Slice):
            self.facts.dynamic.append(("note", line, "an environment variable is read under a computed name"))
