"""`@pipeline`: a function that calls steps as a pipeline, and the helpers that it may use inside."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pipelinekit.authoring.current import current
from pipelinekit.authoring.functions import unwrapped
from pipelinekit.authoring.modules import NOTEBOOK_MODULE, SourcePlace, source_place
from pipelinekit.domain.graphs import Binding
from pipelinekit.domain.names import check_name
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.pipelines import Draft
from pipelinekit.domain.steps import WHOLE_OUTPUT
from pipelinekit.domain.types import ANY, coerce, problem
from pipelinekit.errors import Fault, PipelinekitError, UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:  # steps import this module too, and need no workspace
    import ast
    import traceback

    import pipelinekit.authoring.annotations as annotating
    from pipelinekit import bootstrap
    from pipelinekit.authoring import cells, handles, tracing
    from pipelinekit.bootstrap import Workspace
    from pipelinekit.workspace.published_pipelines import PublishedPipelineHandle
    from pipelinekit.workspace.runs import Run
else:
    ast = late("ast")
    traceback = late("traceback")
    bootstrap = late("pipelinekit.bootstrap")
    cells = late("pipelinekit.authoring.cells")
    annotating = late("pipelinekit.authoring.annotations")
    handles = late("pipelinekit.authoring.handles")
    tracing = late("pipelinekit.authoring.tracing")

_GUARD = "steps import the script again: put what submits under  if __name__ == '__main__':"
_OWN_FOLDER = str(Path(__file__).parent.parent) + os.sep


class Pipeline:
    """A pipeline function. Its parameters are the pipeline's; what it returns names the pipeline's outputs."""

    max_run_duration_seconds: float = 0.0

    def __init__(self, function: Callable[..., Any], name: str = "", description: str = "") -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = check_name("pipeline", name or function.__name__)
        self.description = description or (function.__doc__ or "").strip().partition("\n")[0]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run this pipeline's steps inside another pipeline; elsewhere call the function, with plain values."""
        tracer = current.tracer
        if tracer is None:
            return self.function(*args, **kwargs)
        tracer.enter_scope(self.name)
        try:
            return self.function(*args, **kwargs)
        finally:
            tracer.leave_scope()

    @functools.cached_property
    def signature(self) -> annotating.Signature:
        """The parameters, from the function's own signature."""
        return annotating.read_signature(self.function)

    @functools.cached_property
    def place(self) -> SourcePlace:
        """The module and the source folder."""
        return source_place(self.function.__module__)

    def trace(self, values: Mapping[str, Any] | None = None) -> Draft:
        """Run the function once with handles; the draft has every fault that was met on the way.

        `values` are those of structural parameters, where they differ from the defaults.
        """
        draft = Draft(self.name, self.place.root, self.description)
        self._declare_parameters(draft)
        given = {name: value for name, value in (values or {}).items() if name in self.signature_names}
        known = {parameter.name: parameter.default for parameter in draft.parameters if not parameter.required}
        tracer = tracing.Tracer(draft, {**known, **self.plain_values(given)}, self.signature.annotations)
        handles = {parameter.name: tracer.parameter(parameter.name) for parameter in draft.parameters}
        try:
            result = tracer.run(lambda: self.function(**handles))
        except Exception as error:  # the author's function may raise anything
            draft.faults.append(self._fault_of(error, draft.root))
        else:
            self._name_outputs(tracer, result)
        self._add_notebook(draft)
        return draft

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters as they are declared, before the function has run; `trace` tells what is wrong with them."""
        draft = Draft(self.name, self.place.root)
        self._declare_parameters(draft)
        return draft.parameters

    @property
    def signature_names(self) -> list[str]:
        """Names of the parameters."""
        return [port.name for port in self.signature.inputs]

    def plain_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Values given in Python as plain data and path references."""
        kinds = {port.name: port.type for port in self.signature.inputs}
        return {name: tracing.plain_value(value, kinds.get(name, ANY), Path.cwd()) for name, value in given.items()}

    def submit(
        self,
        *,
        experiment: str = "",
        parameters: Mapping[str, Any] | None = None,
        compute: str = "",
        regenerate: bool | str | list[str] = False,
        continue_on_step_failure: bool = False,
        workspace: Workspace | None = None,
        **options: Any,
    ) -> Run:
        """Compile and submit; returns the run at once. See `Workspace.submit`."""
        refuse_submit_on_import(self.name)
        opened: Workspace = workspace or bootstrap.Workspace.open()
        return opened.submit(
            self,
            experiment=experiment,
            parameters=parameters,
            compute=compute,
            regenerate=regenerate,
            continue_on_step_failure=continue_on_step_failure,
            **options,
        )

    def publish(self, *, workspace: Workspace | None = None, **options: Any) -> PublishedPipelineHandle:
        """Publish it, so that it runs without its source; see `Workspace.publish`."""
        refuse_submit_on_import(self.name)
        opened: Workspace = workspace or bootstrap.Workspace.open()
        made: PublishedPipelineHandle = opened.publish(self, **options)
        return made

    # -- tracing -----------------------------------------------------------------------------------------------------

    def _declare_parameters(self, draft: Draft) -> None:
        file, line = self._place()
        draft.faults.extend(Fault(f"pipeline {self.name!r}: {words}", file, line) for words in self.signature.problems)
        for port in self.signature.inputs:
            if port.required:
                draft.parameters.append(Parameter(port.name, port.type))
                continue
            default = tracing.plain_value(self.signature.defaults[port.name], port.type, Path(draft.root))
            if why := tracing.why_not_given(default) or problem(port.type, default):
                draft.faults.append(Fault(f"default of parameter {port.name!r}: {why}", file, line))
                continue
            draft.parameters.append(Parameter(port.name, port.type, False, coerce(port.type, default)))

    def _place(self) -> tuple[str, int]:
        code = unwrapped(self.function).__code__
        return tracing.shorten_path(code.co_filename, self.place.root), code.co_firstlineno

    def _fault_of(self, error: Exception, root: str) -> Fault:
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OWN_FOLDER)
        ]
        file, line = (frames[-1].filename, frames[-1].lineno or 0) if frames else self._place()
        words = str(error) if isinstance(error, handles.LookedAtParameterError) else f"{type(error).__name__}: {error}"
        hint = error.hint if isinstance(error, PipelinekitError) else ""
        if isinstance(error, PipelinekitError):
            words = error.message
        return Fault(words, tracing.shorten_path(file, root), line, hint)

    def _name_outputs(self, tracer: tracing.Tracer, result: Any) -> None:
        draft = tracer.draft
        file, line = self._place()
        for name, value in _named_results(result).items():
            fault = _output_fault(draft, name, file, line)
            binding = tracer.binding(value, ANY, fault)
            if binding is not None:
                draft.outputs[name] = binding

    def _add_notebook(self, draft: Draft) -> None:
        entries = [step.name for step in draft.steps if step.module == NOTEBOOK_MODULE]
        if entries:
            draft.texts[f"{NOTEBOOK_MODULE}.py"] = cells.notebook_source(entries)

    def __repr__(self) -> str:
        return f"<pipeline {self.name!r}>"


def _output_fault(draft: Draft, name: str, file: str, line: int) -> Callable[[str], None]:
    return lambda words: draft.faults.append(Fault(f"pipeline output {name!r}: {words}", file, line))


def _named_results(result: Any) -> dict[str, Any]:
    """What a pipeline returned, by name."""
    if result is None:
        return {}
    if isinstance(result, handles.OutputsHandle):
        return dict(result.named)
    if isinstance(result, dict):
        return {str(name): value for name, value in result.items()}
    if fields := annotating.output_fields(type(result)):
        return {name: getattr(result, name) for name in fields}
    return {WHOLE_OUTPUT: result}


@overload
def pipeline(function: Callable[..., Any], /) -> Pipeline: ...
@overload
def pipeline(*, name: str = "", description: str = "") -> Callable[[Callable[..., Any]], Pipeline]: ...
def pipeline(function: Callable[..., Any] | None = None, /, *, name: str = "", description: str = "") -> Any:
    """Turn a function that calls steps into a pipeline.

    Its parameters, with their types and defaults, are the pipeline's. Inside they are placeholders: passed to steps
    they may vary from run to run; looked at (in a loop's count, a branch, a text) they shape the graph and are fixed in
    it.
    """
    if function is None:
        return lambda decorated: Pipeline(decorated, name, description)
    return Pipeline(function, name, description)


def refuse_submit_on_import(name: str) -> None:
    """Refuse a submission that would be made again by every step process, when it imports the script that makes it."""
    if os.environ.get("PIPELINEKIT_STEP_PROCESS") == "1":
        raise UsageError(f"pipeline {name!r} was submitted while a step's process imported its module", hint=_GUARD)
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frame = frame.f_back
    file = frame.f_globals.get("__file__") if frame is not None else None
    if (
        frame is None
        or not file
        or not os.path.isfile(file)
        or frame.f_code.co_name != "<module>"
        or frame.f_globals.get("__name__") != "__main__"
    ):
        return
    for node in ast.parse(Path(file).read_bytes()).body:
        if node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno) and not isinstance(node, ast.If):
            raise UsageError(f"{file}:{frame.f_lineno}: submit() at the top level of a script", hint=_GUARD)


# -- helpers inside pipeline functions ---------------------------------------------------------------------------------


def _tracer(helper: str) -> tracing.Tracer:
    tracer = current.tracer
    if tracer is None:
        raise UsageError(f"{helper} may be used only inside a pipeline function")
    return tracer


@contextmanager
def when(condition: Any) -> Iterator[None]:
    """Steps called inside run only if the condition holds: an output (its truth), or a comparison of one with a value.

    Steps that were not taken are shown as Skipped, and so is what needs their outputs.
    """
    tracer = _tracer("when(...)")
    tracer.enter_branch(condition)
    try:
        yield
    finally:
        tracer.leave_branch()


@contextmanager
def otherwise() -> Iterator[None]:
    """Steps called inside run only if the condition of the `when` block before did not hold."""
    tracer = _tracer("otherwise()")
    tracer.enter_otherwise()
    try:
        yield
    finally:
        tracer.leave_branch()


def first_of(*outputs: Any) -> Any:
    """The first of these outputs whose step was not skipped: where branches meet again."""
    tracer = _tracer("first_of(...)")
    bindings: list[Binding] = []
    for output in outputs:
        if not isinstance(output, handles.OutputHandle):
            raise UsageError(f"first_of takes outputs of steps, not a {type(output).__name__}")
        bindings.append(output.binding)
    if not bindings:
        raise UsageError("first_of needs at least one output")
    assert tracer is not None
    return handles.FirstHandle(tuple(bindings))


def sequence(*steps: Any) -> None:
    """Let each of these steps begin only when the one before has ended, without data between them."""
    _tracer("sequence(...)").order(steps)
