"""Where an author's function lies: module name, source folder, and the name by which it is found again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pipelinekit.classes import frozen
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelinekit.authoring import notebooks
else:
    notebooks = late("pipelinekit.authoring.notebooks")

NOTEBOOK_MODULE = "notebook_cells"  # what the cells of a notebook are imported as


@frozen
class SourcePlace:
    """`module` as a step's process imports it, from the source folder `root`; both empty without a source."""

    module: str
    root: str


def source_place(module_name: str) -> SourcePlace:
    """The place of a loaded module. What runs as `__main__` goes by the name of its file."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if module_name == "__main__":
        if file:
            return place_of_file(Path(file).resolve())
        return SourcePlace(NOTEBOOK_MODULE, str(Path.cwd())) if notebooks.in_notebook() else SourcePlace("", "")
    if file is None:
        return SourcePlace(module_name, "")
    return SourcePlace(module_name, str(_root(Path(file).resolve(), module_name)))


def place_of_file(path: Path) -> SourcePlace:
    """The module name and source folder of a file that is given by its path."""
    parts = [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return SourcePlace(name, str(_root(path, name)))


def _root(path: Path, name: str) -> Path:
    """The folder that a module's top-level name lies in."""
    depth = name.count(".") + (1 if path.stem == "__init__" else 0)
    return path.parents[depth] if depth < len(path.parents) else path.parent


def find_entry(wanted: Any, function: Any) -> tuple[str, str]:
    """Module and name under which a step is found again; an empty name when there is none.

    Its function's own name first; else any top-level name that is bound to the very step, as a factory's results are.
    """
    home = function.__module__
    qualified = getattr(function, "__qualname__", "")
    if "<lambda>" in qualified:
        return home, ""
    for name, value in _candidates(home, qualified):
        if value is wanted or getattr(value, "step_function", None) is function:
            return home, name
    for module in _author_modules():
        for name, value in list(vars(module).items()):
            if value is wanted:
                return module.__name__, name
    return home, ""


def _candidates(module_name: str, qualified: str) -> Iterator[tuple[str, Any]]:
    module = sys.modules.get(module_name)
    if module is not None:
        if qualified.isidentifier() and hasattr(module, qualified):
            yield qualified, getattr(module, qualified)
        yield from list(vars(module).items())


def _author_modules() -> list[ModuleType]:
    return [
        module
        for module in list(sys.modules.values())
        if "site-packages" not in (getattr(module, "__file__", None) or "site-packages")
    ]
