"""`@step`: a function as a reusable step. Outside a pipeline it stays the plain function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelinekit.authoring.current import current
from pipelinekit.authoring.functions import arguments_of, unwrapped
from pipelinekit.authoring.modules import SourcePlace, find_entry, source_place
from pipelinekit.classes import field, frozen, replace
from pipelinekit.domain.environments import Environment, split_label
from pipelinekit.domain.names import check_name
from pipelinekit.domain.pipelines import StepDeclaration
from pipelinekit.domain.steps import WHOLE_OUTPUT, Resources, Retry, StepOptions, parse_duration
from pipelinekit.domain.types import PortType, dataset_form
from pipelinekit.errors import Fault, UsageError
from pipelinekit.formats.registry import custom_format, is_known
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from datetime import timedelta

    import pipelinekit.authoring.annotations as annotating
    from pipelinekit.authoring import tracing
    from pipelinekit.domain import secrets as secret_rules
else:
    annotating = late("pipelinekit.authoring.annotations")
    tracing = late("pipelinekit.authoring.tracing")
    secret_rules = late("pipelinekit.domain.secrets")

P = ParamSpec("P")
R = TypeVar("R")


@frozen
class StepSettings:
    """The options of a step as its author gives them; see `step`."""

    name: str = ""
    environment: Environment | str | None = None
    options: StepOptions = field(default_factory=StepOptions)
    after: tuple[Any, ...] = ()
    not_keyed: frozenset[str] = frozenset()


class Step(Generic[P, R]):
    """A function that becomes a step where it is called in a pipeline, and just runs anywhere else."""

    def __init__(self, function: Callable[P, R], settings: StepSettings, origin: Step[P, R] | None = None) -> None:
        functools.update_wrapper(self, function)
        self.step_function = function
        self.settings = settings
        self._origin = origin or self

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """In a pipeline function: add a step and return the handle of its output. Elsewhere: call the function."""
        tracer = current.tracer
        if tracer is None:
            return self.step_function(*args, **kwargs)
        handle: R = tracer.call(self.prepared, args, kwargs, mapped=False)
        return handle

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """One execution for each element of the lists that are given, each keyed and reused on its own.

        Lists may be outputs that are known only when they have been made. Wrap what every element shares in
        `fixed(...)`. Outside a pipeline the function is called for each element, and the list of results returned.
        """
        tracer = current.tracer
        if tracer is not None:
            return tracer.call(self.prepared, args, kwargs, mapped=True)
        return _map_plain(self.step_function, args, kwargs)

    def options(self, **overrides: Any) -> Step[P, R]:
        """The same step with some options changed, for one call: `clean.options(retries=3, after=[load_])(data)`.

        Takes what `step` takes, and `after`: steps that must have ended before, without data.
        """
        return Step(self.step_function, override_settings(self.settings, overrides, self._title()), self._origin)

    @functools.cached_property
    def prepared(self) -> tracing.Traced:
        """The step as the tracer takes it."""
        declaration = self._declaration
        return tracing.Traced(
            declaration,
            id(self),
            self.settings.name if self is not self._origin else "",
            self.settings.after,
            self._defaults,
            self._problems(declaration),
        )

    @functools.cached_property
    def signature(self) -> annotating.Signature:
        """Inputs and outputs, from the function's own signature."""
        return annotating.read_signature(self.step_function)

    @functools.cached_property
    def entry(self) -> tuple[str, str]:
        """Module and top-level name under which the step is found again; the name is empty when there is none."""
        return find_entry(self._origin, self.step_function)

    @functools.cached_property
    def place(self) -> SourcePlace:
        """The module that the step is found in, as a step's process imports it, and its source folder."""
        return source_place(self.entry[0])

    @functools.cached_property
    def _defaults(self) -> dict[str, Any]:
        """Defaults of inputs, as far as they are plain data or paths."""
        kinds = {port.name: port.type for port in self.signature.inputs}
        plain = {
            name: tracing.plain_value(value, kinds[name], Path(self.place.root))
            for name, value in self.signature.defaults.items()
        }
        return {name: value for name, value in plain.items() if not tracing.why_not_given(value)}

    @functools.cached_property
    def _declaration(self) -> StepDeclaration:
        code = unwrapped(self.step_function)
        line = getattr(getattr(code, "__code__", None), "co_firstlineno", 0)
        file = getattr(getattr(code, "__code__", None), "co_filename", "")
        place = self.place
        outputs = self.signature.outputs
        return StepDeclaration(
            "python",
            self._title(),
            place.module,
            self.entry[1],
            tuple(
                replace(port, keyed=False) if port.name in self.settings.not_keyed else port
                for port in self.signature.inputs
            ),
            outputs,
            self.settings.options,
            self.settings.environment,
            tuple(_format_roots([*self.signature.inputs, *outputs])),
            tuple(sorted(self.signature.defaults.keys() - self._defaults.keys())),
            file=tracing.shorten_path(file, place.root),
            line=line,
        )

    def _problems(self, declaration: StepDeclaration) -> tuple[Fault, ...]:
        """Why the step cannot be used in any pipeline, at the place of its function."""
        found = list(self.signature.problems)
        names = [port.name for port in declaration.inputs]
        secrets = declaration.options.secrets
        others = f" or secrets ({', '.join(secrets)})" if secrets else ""
        found.extend(
            f"not_keyed names {name!r}, which is none of its inputs ({', '.join(names) or 'it has none'}){others}"
            for name in sorted(self.settings.not_keyed.difference(names, secrets))
        )
        found.extend(
            f"not_keyed names {name!r}, which is both an input and a secret: rename the input"
            for name in sorted(self.settings.not_keyed.intersection(names).intersection(secrets))
        )
        if not declaration.name:
            found.append(_not_found(self.step_function))
        elif not declaration.module:
            found.append("it was typed into an interactive session without a record: write it to a file")
        found.extend(_not_registrable(declaration))
        for port in (*declaration.inputs, *declaration.outputs):
            found.extend(f"there is no format {name!r}, see register_format" for name in _unknown_formats(port.type))
        title = declaration.title
        return tuple(Fault(f"step {title!r}: {words}", declaration.file, declaration.line) for words in found)

    def _title(self) -> str:
        own = self._origin.settings.name if hasattr(self, "_origin") else self.settings.name
        return own or self.step_function.__name__

    def __repr__(self) -> str:
        return f"<step {self._title()!r}>"


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str = "",
    environment: Environment | str | None = None,
    compute: str = "",
    resources: Resources | Mapping[str, Any] | None = None,
    retries: Retry | int = 0,
    timeout: float | str | timedelta = 0.0,
    queue_timeout: float | str | timedelta = 0.0,
    allow_reuse: bool = True,
    cache_version: str = "",
    max_age: float | str | timedelta = 0.0,
    not_keyed: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    register: Mapping[str, str] | str = "",
    secrets: Sequence[str] = (),
    dask_client: bool = False,
    nodes: int = 1,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Turn a typed function into a step.

    Inputs are its parameters; the output is its return value, or several when it returns a NamedTuple or dataclass.

    `name` is shown instead of the function's. `environment` is what must be installed for it: an `Environment`,
    or the name of a registered one (`"training"`, `"training:3"`). `compute` names where it
    runs. `resources` are `Resources(cpu=…, gpu=…, memory=…, scratch=…)`. `retries` is a number or a `Retry`. `timeout`
    is in seconds for one attempt, `queue_timeout` for how long one may wait until it begins.
    With `allow_reuse=False` it runs every time. Changing `cache_version` makes earlier results
    unusable; results older than `max_age` (seconds, a timedelta, or text such as `"7d"`) are not reused. `not_keyed`
    names inputs and secrets that cannot change the outputs: another value of theirs runs nothing. `tags` are kept with
    its runs. `register` names by output the dataset that it becomes a new version of, when the run has ended and the
    step has succeeded: `register={"clean": "sales"}`, or `register="sales"` where there is one output. `secrets` names
    those that it reads with `get_secret`. With `dask_client` its code may call `get_context().dask_client()`. With
    `nodes` above 1 it is called in one process on each of so many nodes, each with its rank; rank 0's outputs are the
    step's. Only `environment`, `cache_version`, and name and version of secrets enter the key.
    """
    settings = override_settings(StepSettings(), options, getattr(function, "__name__", "step"))
    if function is None:
        return lambda decorated: _make(decorated, settings)
    return _make(function, settings)


def _make(function: Any, settings: StepSettings) -> Step[Any, Any]:
    if isinstance(function, Step):
        raise UsageError(f"{function!r} is a step already", hint="use .options(...) to change its options")
    if not callable(function) or isinstance(function, type):
        raise UsageError(f"a step must be a function, not {function!r}")
    return Step(function, settings)


_OPTION_NAMES = (
    "compute",
    "resources",
    "retries",
    "timeout",
    "queue_timeout",
    "allow_reuse",
    "cache_version",
    "max_age",
    "tags",
    "register",
    "secrets",
    "dask_client",
    "nodes",
)


def override_settings(settings: StepSettings, given: Mapping[str, Any], title: str) -> StepSettings:
    """Settings with some options changed. Raises UsageError for an option that there is not."""
    unknown = sorted(set(given) - {*_OPTION_NAMES, "name", "environment", "after", "not_keyed"})
    if unknown:
        known = ", ".join(("name", "environment", *_OPTION_NAMES, "not_keyed", "after"))
        raise UsageError(f"step {title!r} has no option {unknown[0]!r}", hint=f"there are: {known}")
    options = {name: _option(name, given[name]) for name in _OPTION_NAMES if name in given}
    not_keyed = _names(given["not_keyed"]) if "not_keyed" in given else settings.not_keyed
    if secrets := options.get("secrets", settings.options.secrets):
        options["secrets"] = {name: name not in not_keyed for name in secrets}
    if "retries" in options:
        options["retry"] = options.pop("retries")
    after = given.get("after", settings.after)
    return replace(
        settings,
        name=check_name("step", given["name"]) if given.get("name") else settings.name,
        environment=_environment(given.get("environment", settings.environment), title),
        options=replace(settings.options, **options),
        after=tuple(after) if isinstance(after, list | tuple) else (after,),
        not_keyed=not_keyed,
    )


def _environment(given: Any, title: str) -> Environment | str | None:
    """An environment, or the name of a registered one, as far as that can be told here."""
    if isinstance(given, str) and given:
        split_label(given)
    elif given is not None and not isinstance(given, Environment | str):
        raise UsageError(
            f"step {title!r}: {given!r} is no environment",
            hint="give an Environment(…), or the name of a registered one such as 'training' or 'training:3'",
        )
    return given or None


def _names(given: str | Sequence[str]) -> frozenset[str]:
    return frozenset([given] if isinstance(given, str) else given)


def _option(name: str, value: Any) -> Any:
    match name:
        case "resources":
            return Resources(**value) if isinstance(value, Mapping) else value or Resources()
        case "secrets":
            given = [value] if isinstance(value, str) else value or ()
            return {secret_rules.check_secret_name(name): True for name in given}
        case "retries":
            return Retry(attempts=value) if isinstance(value, int) else value
        case "tags":
            return {str(key): str(item) for key, item in (value or {}).items()}
        case "register":
            named = {WHOLE_OUTPUT: value} if value and isinstance(value, str) else dict(value or {})
            return {str(output): check_name("dataset", dataset) for output, dataset in named.items()}
        case "timeout" | "queue_timeout" | "max_age":
            return parse_duration(value or 0)
        case "compute" | "cache_version":
            return str(value or "")
        case "nodes":
            return value
        case _:
            return bool(value)


def _not_found(function: Any) -> str:
    name = getattr(function, "__qualname__", repr(function))
    if name == "<lambda>" or name.endswith(".<lambda>"):
        return (
            "it is a lambda, which cannot be found again when the step runs: write it with def at the top of a module"
        )
    return (
        f"the function {name} cannot be found again when the step runs: define it at the top level of a module, "
        "or bind it to a name there"
    )


def _not_registrable(declaration: StepDeclaration) -> list[str]:
    """What of its outputs cannot become a dataset."""
    kinds = {port.name: port.type for port in declaration.outputs}
    found = []
    for output in declaration.options.register:
        if output not in kinds:
            found.append(
                f"register names {output!r}, which is none of its outputs ({', '.join(kinds) or 'it has none'})"
            )
        elif not dataset_form(kinds[output]) or kinds[output].kind == "list":
            found.append(f"its output {output!r} is {kinds[output]}: only tables, files and folders can be registered")
    return found


def _unknown_formats(kind: PortType) -> list[str]:
    own = [kind.format] if kind.format and not is_known(kind.format) else []
    return own + [name for item in kind.items for name in _unknown_formats(item)]


def _format_roots(ports: Sequence[Any]) -> list[tuple[str, str]]:
    """The functions of the author's own formats that these ports use: their code belongs to the step."""
    found: list[tuple[str, str]] = []
    stack = [port.type for port in ports]
    while stack:
        kind = stack.pop()
        stack.extend(kind.items)
        custom = custom_format(kind.format) if kind.format else None
        functions = (custom.writer, custom.reader, custom.digest) if custom else ()
        found.extend(
            (source_place(item.__module__).module, item.__qualname__) for item in functions if item is not None
        )
    return found


def _map_plain(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    from_names = [argument.name for argument in arguments_of(function)]
    given = {**dict(zip(from_names, args, strict=False)), **kwargs}
    shared = {name: value.value for name, value in given.items() if type(value).__name__ == "Fixed"}
    lists = {name: list(value) for name, value in given.items() if name not in shared}
    rows = zip(*lists.values(), strict=True)
    return [function(**dict(zip(lists, row, strict=True)), **shared) for row in rows]
