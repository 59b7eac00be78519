"""One attempt of a step, from its message to its result."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import time
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.attempts import Attempt, AttemptEnded, Task
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.steps import WHOLE_OUTPUT, Port
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ComputeError, IntegrityError, PipelinekitError, StorageError
from pipelinekit.formats.loading import load_value, revive
from pipelinekit.formats.storing import OutputError, store_value
from pipelinekit.harness.current import CURRENT, Send
from pipelinekit.harness.observation import Observation, begin_observation, end_observation
from pipelinekit.late import late
from pipelinekit.ports import Blobs

if TYPE_CHECKING:
    import shutil
    import traceback

    from pipelinekit.engine.masking import Masks
    from pipelinekit.formats import canonical
    from pipelinekit.harness import coroutines, secrets
else:
    shutil = late("shutil")
    traceback = late("traceback")
    canonical = late("pipelinekit.formats.canonical")
    coroutines = late("pipelinekit.harness.coroutines")
    secrets = late("pipelinekit.harness.secrets")

_NUMBERS = frozenset({int, float, bool, type(None)})  # what every annotation takes as it is
OF_ATTEMPTS = ("PIPELINEKIT_RUN", "PIPELINEKIT_STEP", "PIPELINEKIT_ATTEMPT")  # process variables that name one
_NAMELESS = ("", "", "")
STEP_FUNCTION = "step_function"  # where a decorated step keeps the plain function
_OWN_FOLDER = str(Path(__file__).parent.parent) + os.sep  # as it was imported: perhaps through a link


@frozen
class Place:
    """Where an attempt runs: its store, its own empty folder, and the folder that its code is imported from.

    `code` is that folder where it is a snapshot; `ignored` are folders of the workspace, which no step depends on.
    """

    blobs: Blobs
    scratch: Path
    source: Path
    code: Path | None = None
    ignored: tuple[Path, ...] = ()


class Runner(Protocol):
    """Carries out the middle of an attempt: stored inputs in, stored outputs out."""

    def __call__(self, attempt: Attempt, place: Place) -> Mapping[str, StoredValue]:
        """Execute, or raise."""


class Executor:
    """Executes attempts one after another in this process, each in an empty folder and with variables of its own.

    `find` finds functions by entry, `send` passes on what their code tells of its run. Folder and names of the last
    attempt stay until the next begins, or until `leave`.
    """

    def __init__(self, place: Place, find: Callable[[str], Any] | None = None, send: Send | None = None) -> None:
        self.place = place
        self._send = send
        self._find = functools.cache(find or find_function)
        self._observation = Observation(place.code, place.ignored)
        self._names = _NAMELESS
        self._outer = {name: os.environ.get(name) for name in OF_ATTEMPTS}
        self._home = os.getcwd()
        self._folders = 0

    def execute(
        self, attempt: Attempt, runner: Runner | None = None, given: Mapping[str, str] | None = None
    ) -> AttemptEnded:
        """Run an attempt and say how it ended. Raises nothing that the step raises.

        `given` are the values of the secrets that it is given; nothing that is told of the attempt tells them.
        """
        if not given:
            return self._execute(attempt, runner)
        with secrets.given_secrets(given, attempt.step) as masks:
            return secrets.masked_end(self._execute(attempt, runner, masks), masks)

    def _execute(self, attempt: Attempt, runner: Runner | None, masks: Masks | None = None) -> AttemptEnded:
        began = time.perf_counter()
        outputs: Mapping[str, StoredValue] = {}
        failure: Failure | None = None
        damaged: tuple[str, ...] = ()
        self._enter()
        self._name(attempt)
        rank = attempt.rank
        variables = attempt.task.variables if rank is None else {**attempt.task.variables, **rank.variables}
        replaced = _put(variables) if variables else {}
        observation = self._observation
        before = begin_observation(observation, attempt.task.known)
        hidden = secrets.MaskedEntries(masks) if masks is not None and self._send is not None else None
        CURRENT.begin(attempt, self.place.blobs, self.place.scratch, self._sending(hidden))
        try:
            outputs = runner(attempt, self.place) if runner else run_python(attempt, self.place, self._find)
            if masks is not None:
                secrets.refuse_told(outputs, masks)
        except KeyboardInterrupt:
            failure = Failure("canceled", "the step was interrupted")
        except IntegrityError as error:
            damaged = tuple(str(error.fields[name]) for name in ("digest", "folder") if name in error.fields)
            failure = Failure("input", error.message, hint=error.hint)
        except OutputError as error:
            failure = Failure("output", error.message, hint=error.hint)
        except StorageError as error:
            failure = Failure("storage", error.message, hint=error.hint)
        except ComputeError as error:
            failure = Failure("environment", error.message, hint=error.hint)
        except PipelinekitError as error:
            failure = Failure("user", error.message, _class_names(error), hint=error.hint)
        except BaseException as error:
            failure = failure_of(error, self.place.source, attempt.task)
        CURRENT.end()
        if hidden is not None and self._send is not None and (rest := hidden.rest(time.time())):
            self._send(attempt.id, rest)
        end_observation(before)
        if replaced:
            _put(replaced)
        _flush()
        self._clear()
        seconds = time.perf_counter() - began
        if failure is not None or attempt.task.kind != "python":
            return AttemptEnded(attempt.id, time.time(), seconds, outputs, failure, damaged)
        opened, hosts = observation.digests(), tuple(observation.hosts)
        return AttemptEnded(attempt.id, time.time(), seconds, outputs, observed=opened, hosts=hosts)

    def _sending(self, hidden: secrets.MaskedEntries | None) -> Send | None:
        """What passes on what an attempt tells; values of its secrets are masked."""
        send = self._send
        if send is None or hidden is None:
            return send
        return lambda attempt, entries: send(attempt, hidden.mask(entries))

    def rest(self) -> None:
        """Be in the folder where the process was before; the next attempt enters its own again."""
        with contextlib.suppress(OSError):
            os.chdir(self._home)

    def leave(self) -> None:
        """Be where the process was before, with the variables that it had; the scratch folder goes."""
        self.rest()
        _put(self._outer)
        self._names = _NAMELESS
        with contextlib.suppress(OSError):
            os.rmdir(self.place.scratch)

    def _enter(self) -> None:
        try:
            os.chdir(self.place.scratch)
        except FileNotFoundError:
            self.place.scratch.mkdir(parents=True, exist_ok=True)
            os.chdir(self.place.scratch)

    def _clear(self) -> None:
        """Leave a folder that somebody has written to, or may write to still: the next attempt gets another."""
        if not (self._observation.forked or _is_used(self.place.scratch)):
            return
        shutil.rmtree(self.place.scratch, ignore_errors=True)
        self._folders += 1
        scratch = self.place.scratch.with_name(f"{self.place.scratch.name.partition('.')[0]}.{self._folders}")
        self.place = replace(self.place, scratch=scratch)

    def _name(self, attempt: Attempt) -> None:
        """Say in process variables which attempt this is."""
        names = (attempt.run, attempt.step, str(attempt.number))
        for variable, name, before in zip(OF_ATTEMPTS, names, self._names, strict=True):
            if name != before:
                os.environ[variable] = name
        self._names = names


def _put(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """Set process variables, or remove those that are None; what they were."""
    before = {name: os.environ.get(name) for name in variables}
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before


def execute(attempt: Attempt, place: Place, runner: Runner) -> AttemptEnded:
    """Run a single attempt and say how it ended; see `Executor`."""
    executor = Executor(place)
    try:
        return executor.execute(attempt, runner)
    finally:
        executor.leave()


def run_python(attempt: Attempt, place: Place, find: Callable[[str], Any] | None = None) -> Mapping[str, StoredValue]:
    """Call a Python step's function with its inputs and store what it returns. `find` finds functions by entry."""
    function = (find or find_function)(attempt.task.entry)
    hints = type_hints(function)
    arguments: dict[str, Any] = {}
    inline = True
    for name, value in attempt.inputs.items():
        if not value.is_inline:
            inline = False
            folder = place.scratch / "inputs" / name
            arguments[name] = load_value(value, hints.get(name, Any), place.blobs, folder)
        elif type(value.inline) in _NUMBERS:
            arguments[name] = value.inline
        else:
            arguments[name] = revive(value.inline, hints.get(name, Any))
    links = {} if inline else _links(place.scratch / "inputs")
    result = call(function, arguments)
    if attempt.is_helper:
        return {}
    try:
        outputs = {
            port.name: store_value(_canonical(value, port), port.type, place.blobs, place.scratch)
            for port, value in zip(attempt.task.outputs, _parts(result, attempt), strict=True)
        }
    except IntegrityError as error:  # what was returned cannot be kept; no input is damaged
        raise OutputError(error.message, hint=error.hint) from error
    if links:
        check_links(links)
    return outputs


def _canonical(value: Any, port: Port) -> Any:
    if port.canonical is None:
        return value
    return canonical.canonical_value(value, port.canonical)


def find_function(entry: str) -> Any:
    """The plain function behind `module:name`, imported from the source folder."""
    module_name, _, name = entry.partition(":")
    return _member(importlib.import_module(module_name), name)


def find_live_function(entry: str) -> Any:
    """The plain function behind `module:name` as it lives in this process, where its module may run as `__main__`."""
    module_name, _, name = entry.partition(":")
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if module_name in sys.modules:
        return _member(sys.modules[module_name], name)
    is_main = file is None or Path(file).stem == module_name.rpartition(".")[2]
    if main is not None and is_main and hasattr(main, name.partition(".")[0]):
        return _member(main, name)
    return find_function(entry)


def _member(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return getattr(found, STEP_FUNCTION, found)


def type_hints(function: Any) -> Mapping[str, Any]:
    """The annotations of a function; none where they cannot be resolved."""
    try:
        return _type_hints(function)
    except Exception:  # annotations are the author's expressions: whatever they raise, values are loaded as they are
        return {}


@functools.lru_cache
def _type_hints(function: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(function, include_extras=True)


def call(function: Any, arguments: dict[str, Any]) -> Any:
    """Call a function; wait for a coroutine; read a generator to its end."""
    result = function(**arguments)
    if isinstance(result, types.CoroutineType):
        return coroutines.run(result)
    if isinstance(result, types.GeneratorType):
        return list(result)
    return result


def _parts(result: Any, attempt: Attempt) -> list[Any]:
    """The returned value, taken apart by the declared outputs."""
    ports = attempt.task.outputs
    if not ports:
        return []
    if len(ports) == 1 and ports[0].name == WHOLE_OUTPUT and not hasattr(result, "_fields"):
        return [result]
    missing = [port.name for port in ports if not hasattr(result, port.name)]
    if missing:
        names = ", ".join(port.name for port in ports)
        raise OutputError(
            f"the step declared the outputs {names}, but returned a {type(result).__name__} without {missing[0]!r}"
        )
    return [getattr(result, port.name) for port in ports]


# -- inputs must stay as they are --------------------------------------------------------------------------------------


def _links(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Files of a folder that share their bytes with others, as they are now."""
    links = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            state = path.stat()
            if state.st_nlink > 1:
                links[path] = (state.st_ino, state.st_size, state.st_mtime_ns)
    return links


def check_links(links: Mapping[Path, tuple[int, int, int]]) -> None:
    """Refuse a result whose inputs were written to: they share their bytes with the store."""
    for path, before in links.items():
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            if state.st_ino == before[0] and (state.st_ino, state.st_size, state.st_mtime_ns) != before:
                raise OutputError(
                    f"the step changed its input file {path.name} in place", hint="copy it and change the copy"
                )


# -- surroundings ------------------------------------------------------------------------------------------------------


def _is_used(scratch: Path) -> bool:
    try:
        with os.scandir(scratch) as entries:
            for _ in entries:
                return True
    except OSError:
        return True
    return False


def _flush() -> None:
    try:  # the step may have closed or replaced them
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
    logging = sys.modules.get("logging")
    for handler in logging.root.handlers if logging else ():
        with contextlib.suppress(Exception):
            handler.flush()


# -- failures ----------------------------------------------------------------------------------------------------------


def failure_of(error: BaseException, source: Path, task: Task | None = None) -> Failure:
    """An exception of the step as a failure, with the frames of the author's own code."""
    hint = ""
    root = _root_cause(error)
    message = _words(error) if root is error else f"{_words(error)} (because of {_words(root)})"
    if isinstance(error, SystemExit):
        message = f"the step called sys.exit({error.code!r})"
        hint = "return from the step, or raise an exception"
    elif isinstance(error, ModuleNotFoundError):
        hint = "a module of your own must lie in the source folder and not be ignored; others must be installed"
        if task is not None and task.has_environment:
            hint = (
                f"name what it needs among the packages of environment {task.environment!r}: nothing else is installed"
            )
    return Failure("user", message, _class_names(error), _traceback(error, source), hint)


def _words(error: BaseException) -> str:
    try:
        words = str(error)
    except Exception:  # the author's exception may raise while it is told
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _root_cause(error: BaseException) -> BaseException:
    """What an exception goes back to, as Python tells it: its cause, or what was being handled."""
    seen = {id(error)}
    while (below := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        if id(below) in seen:
            break
        seen.add(id(below))
        error = below
    return error


def _class_names(error: BaseException) -> tuple[str, ...]:
    return tuple(
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        for kind in type(error).__mro__
        if kind not in (object, BaseException)
    )


def _traceback(error: BaseException, source: Path) -> str:
    """The traceback without the frames of pipelinekit, and with paths as the author knows them."""
    whole = traceback.TracebackException.from_exception(error)
    stack: traceback.TracebackException | None = whole
    while stack is not None:
        kept = [frame for frame in stack.stack if not _is_own(frame.filename)]
        stack.stack = traceback.StackSummary.from_list(kept)
        stack = stack.__cause__ or stack.__context__
    text = "".join(whole.format())
    return text.replace(str(source) + os.sep, "")


def _is_own(filename: str) -> bool:
    return filename.startswith((_OWN_FOLDER, "<frozen importlib"))
