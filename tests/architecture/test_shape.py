"""The shape of the code: small modules and functions, no cycles, no hidden imports, nothing without a word on what it is.

The floors themselves are a contract of `lint-imports`, which `make check` runs.
"""

import ast
from pathlib import Path

import pytest

import pipelinekit

PACKAGE = Path(pipelinekit.__file__).parent
STEPS = PACKAGE.parent / "steps" / "pipelinekit_steps"
LINES_OF_A_MODULE = 500
LINES_OF_A_FUNCTION = 80

# Functions that import: each with the reason why the import cannot stand at the top of its module.
HIDDEN = {
    "steps/pipelinekit_steps/evaluation.py": "a step's own helpers need scikit-learn, which compiling must not load",
    "steps/pipelinekit_steps/reporting.py": "a step's own helpers need matplotlib, which compiling must not load",
    "steps/pipelinekit_steps/training.py": "a step's own helpers need scikit-learn, which compiling must not load",
}

# Modules that import what only data or authors name: each with the reason.
BY_NAME = {
    "pipelinekit/__init__.py": "public names cost nothing until they are used",
    "pipelinekit/authoring/loading.py": "imports the author's file",
    "pipelinekit/cli/main.py": "the module of a command is loaded by that command",
    "pipelinekit/compute/worker.py": "is told by name who makes its supervisor",
    "pipelinekit/formats/registry.py": "a format's library is loaded with its first value",
    "pipelinekit/harness/execute.py": "imports the author's step",
    "pipelinekit/harness/process.py": "imports the author's steps",
    "pipelinekit/late.py": "is how the others load what they name at their top",
}


def shown(path):
    """A file as the lists above name it."""
    return str(path.relative_to(PACKAGE.parent))


FILES = sorted([*PACKAGE.rglob("*.py"), *STEPS.rglob("*.py")])
TREES = {shown(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
MODULES = {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in TREES}


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_the_code_is_there():
    assert len(TREES) > 100
    assert "pipelinekit/engine/orchestrator.py" in TREES
    assert "steps/pipelinekit_steps/training.py" in TREES


def test_modules_are_short():
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LINES_OF_A_MODULE} == {}


def test_functions_are_short():
    found = {
        f"{name}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for name, tree in TREES.items()
        for node in functions(tree)
    }
    assert len(found) > 500
    assert {place: length for place, length in found.items() if length > LINES_OF_A_FUNCTION} == {}


def public_names(tree, owner=""):
    """Public classes, functions and methods with their places; what lies in functions is nobody's business."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            is_overload = any("overload" in ast.unparse(item) for item in node.decorator_list)
            if not is_overload:
                yield f"{owner}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_names(node, f"{node.name}.")


def test_modules_classes_and_functions_say_what_they_are():
    silent = [name for name, tree in TREES.items() if not ast.get_docstring(tree)]
    assert silent == []
    silent = [
        f"{name}: {public}"
        for name, tree in TREES.items()
        if not name.startswith("pipelinekit/testing/contracts/")  # the name of a test says what it proves
        for public, node in public_names(tree)
        if not ast.get_docstring(node)
    ]
    assert silent == []


def hidden_imports(tree):
    return sorted(
        {
            node.name
            for node in functions(tree)
            for inner in ast.walk(node)
            if isinstance(inner, ast.Import | ast.ImportFrom)
        }
    )


def test_functions_import_only_where_it_is_listed_with_a_reason():
    found = {name for name, tree in TREES.items() if hidden_imports(tree)}
    assert found == set(HIDDEN), {name: hidden_imports(TREES[name]) for name in found - set(HIDDEN)}


def test_modules_import_by_name_only_where_it_is_listed_with_a_reason():
    def by_name(node):
        return (isinstance(node, ast.Attribute) and node.attr == "import_module") or (
            isinstance(node, ast.Name) and node.id in ("import_module", "__import__")
        )

    found = {name for name, tree in TREES.items() if any(by_name(node) for node in ast.walk(tree))}
    assert found == set(BY_NAME)


def late_modules(tree):
    """Names and modules of `name = late("module")`, and of what type checkers are told these names are."""
    told, loaded, elsewhere = {}, {}, 0
    for node in ast.walk(tree):
        elsewhere += isinstance(node, ast.Call) and getattr(node.func, "id", "") == "late"
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for item in node.body:
                if isinstance(item, ast.Import):
                    told.update((alias.asname or alias.name, alias.name) for alias in item.names)
                elif isinstance(item, ast.ImportFrom):
                    told.update((alias.asname or alias.name, f"{item.module}.{alias.name}") for alias in item.names)
            for item in node.orelse:
                assert isinstance(item, ast.Assign)
                if ast.unparse(item) != "Protocol = object":  # what only type checkers need is nothing to load
                    loaded[ast.unparse(item.targets[0])] = ast.literal_eval(item.value.args[0])
    return told, loaded, elsewhere - len(loaded)


def test_what_is_loaded_late_is_named_at_the_top_and_is_what_type_checkers_and_the_floors_are_told():
    found = 0
    for name, tree in TREES.items():
        told, loaded, elsewhere = late_modules(tree)
        assert elsewhere == 0, name
        assert loaded.items() <= told.items(), name
        found += len(loaded)
    assert found > 30


def imports_of(name, tree):
    """Modules of ours that a module imports when it is imported, those for type checkers aside."""
    package = name.removesuffix(".py").replace("/", ".").rpartition(".")[0]
    for node in at_import(tree.body):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        else:
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
            wanted = [item for alias in node.names for item in (f"{base}.{alias.name}", base)]
        for item in wanted:
            if item in MODULES:
                yield item


def at_import(body):
    """Import statements that are carried out when the module is."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from at_import(node.body)
            yield from at_import(node.orelse)
        elif isinstance(node, ast.Try):
            yield from at_import([*node.body, *node.orelse, *node.finalbody])
            for handler in node.handlers:
                yield from at_import(handler.body)
        elif isinstance(node, ast.With | ast.ClassDef):
            yield from at_import(node.body)


def cycle_in(graph):
    """Modules that import one another in a circle; empty where there is none."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        path.append(module)
        for other in sorted(graph.get(module, ())):
            if found := visit(other):
                return found
        path.pop()
        done.add(module)
        return []

    for module in sorted(graph):
        if found := visit(module):
            return found
    return []


def test_no_module_imports_itself_in_a_circle():
    graph = {
        module: {item for item in imports_of(name, TREES[name]) if item != module} for module, name in MODULES.items()
    }
    assert sum(map(len, graph.values())) > 300
    assert cycle_in(graph) == []


def test_a_circle_would_be_found():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("name", sorted(name for name in TREES if name.startswith("steps/")))
def test_the_catalogue_stands_on_public_names_only(name):
    public = set(pipelinekit.__all__)
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pipelinekit":
            assert node.module == "pipelinekit"
            assert {alias.name for alias in node.names} <= public
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("pipelinekit.") for alias in node.names)
