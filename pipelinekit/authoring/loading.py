"""Loading a pipeline from a file, as the command line names it: `FILE` or `FILE:PIPELINE`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType

from pipelinekit.authoring.modules import place_of_file
from pipelinekit.authoring.pipelines import Pipeline
from pipelinekit.authoring.tracing import shorten_path
from pipelinekit.errors import CompileError, Fault, NotFoundError, UsageError
from pipelinekit.harness.bytecode import distrust_young_bytecode
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import difflib
    import traceback
else:
    difflib = late("difflib")
    traceback = late("traceback")

SPINS = "OPENBLAS_THREAD_TIMEOUT"  # how long threads of NumPy spin before they sleep: 2 to this, in cycles; 4 at least
_OWN_FOLDER = str(Path(__file__).parent.parent) + os.sep


def split_target(target: str) -> tuple[Path, str]:
    """File and pipeline name of `FILE[:PIPELINE]`."""
    file, colon, name = target.rpartition(":")
    return (Path(file), name) if colon and name.isidentifier() else (Path(target), "")


def load_pipeline(target: str, *, computes: bool = True) -> Pipeline:
    """The pipeline that `FILE[:PIPELINE]` names. Unless this process `computes`, its libraries' threads sleep at once.

    Raises NotFoundError, UsageError, or CompileError when it cannot be imported.
    """
    path, name = split_target(target)
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="give the .py file in it that has the pipeline")
    if not path.is_file():
        raise NotFoundError(f"there is no file {str(path)!r}", hint=_near(path))
    if path.suffix != ".py":
        raise UsageError(f"{path} is no Python file", hint="give a .py file, or a graph.json that 'compile' wrote")
    with nullcontext() if computes else _sleeping_threads():
        module = _import(path.resolve())
    found = {key: value for key, value in vars(module).items() if isinstance(value, Pipeline)}
    if name:
        if name not in found:
            known = ", ".join(found) or "none"
            raise NotFoundError(f"{path} has no pipeline {name!r}", hint=f"its pipelines: {known}")
        return found[name]
    own = {key: value for key, value in found.items() if value.function.__module__ == module.__name__} or found
    if len({id(value) for value in own.values()}) != 1:
        if not own:
            raise NotFoundError(f"{path} has no pipeline", hint="decorate a function with @pipeline")
        raise UsageError(f"{path} has several pipelines: {', '.join(own)}", hint=f"name one: {path}:{next(iter(own))}")
    return next(iter(own.values()))


def _near(path: Path) -> str:
    """Files beside a path that may have been meant."""
    there = [str(file) for file in path.parent.glob("*.py")]
    near = [name for text in (f"{path}.py", str(path)) for name in difflib.get_close_matches(text, there, 1, 0.75)]
    return f"did you mean {near[0]!r}?" if near else ""


@contextmanager
def _sleeping_threads() -> Iterator[None]:
    """Have threads that NumPy starts for other cores sleep at once, where nobody has said how long they are to spin.

    They would spin for the tenth of a second in which the pipeline is compiled, on every core of the machine.
    """
    if SPINS in os.environ:
        yield
        return
    os.environ[SPINS] = "4"
    try:
        yield
    finally:
        os.environ.pop(SPINS, None)


def _import(path: Path) -> ModuleType:
    place = place_of_file(path)
    if place.root not in sys.path:
        sys.path.insert(0, place.root)
    distrust_young_bytecode(place.root)
    try:
        module = importlib.import_module(place.module)
    except SyntaxError as error:
        file = shorten_path(error.filename or str(path), place.root)
        raise CompileError(f"{path} cannot be read", faults=[Fault(error.msg, file, error.lineno or 0)]) from error
    except Exception as error:  # the author's module may raise anything
        raise CompileError(f"{path} cannot be imported", faults=[_fault(error, place.root)]) from error
    loaded = Path(getattr(module, "__file__", None) or "").resolve()
    if loaded != path:
        raise UsageError(
            f"{path} would be imported as {place.module!r}, but that is the name of {loaded}", hint="rename the file"
        )
    return module


def _fault(error: Exception, root: str) -> Fault:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_OWN_FOLDER, "<frozen"))
    ]
    file, line = (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)
    hint = getattr(error, "hint", "")
    return Fault(f"{type(error).__name__}: {getattr(error, 'message', error)}", shorten_path(file, root), line, hint)
