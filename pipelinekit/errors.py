"""The error tree: what can go wrong, in words for people and in fields for machines.

    PipelinekitError
    ├── UsageError           a name, option, setting or argument that cannot be used
    │   └── ConflictError    a name or definition that is there already
    ├── CompileError         a pipeline with faults; carries all of them
    ├── ParameterError       arguments that do not fit a pipeline's parameters
    ├── ScheduleError        a schedule with faults; carries all of them
    ├── NotFoundError        no such run, step, document or blob
    ├── IntegrityError       stored bytes that are not what their digest says
    ├── StorageError         the records or the blobs cannot be used (locked, full, too new)
    ├── LeaseLostError       another driver took the run over; this one must stop
    ├── UnauthenticatedError a token that is not valid: unknown, expired, revoked or mistyped
    ├── ForbiddenError       a valid token whose role does not allow what was asked for
    ├── ComputeError         the cluster cannot be reached or does not fit
    └── RunFailedError       a run that was waited for did not complete

Errors cross process borders, so every class pickles by its fields. They know nothing of HTTP or of the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelinekit.classes import frozen
from pipelinekit.typed import Any


@frozen
class Fault:
    """One thing wrong with what an author wrote, and where.

    `file` is relative to the source folder where possible, `line` counts from 1; both are empty when there is no
    source.
    """

    message: str
    file: str = ""
    line: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{advice}"


class PipelinekitError(Exception):
    """Base of every error that pipelinekit raises on purpose.

    `message` says what happened and to which object, `hint` what to do next.
    """

    code = "error"

    def __init__(self, message: str, *, hint: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.hint, self.fields)


def _rebuild(kind: type[PipelinekitError], message: str, hint: str, fields: dict[str, Any]) -> PipelinekitError:
    return kind(message, hint=hint, **fields)


class UsageError(PipelinekitError):
    """A name, option, setting or argument that cannot be used as given."""

    code = "usage"


class FaultyError(PipelinekitError):
    """An error made of several faults, all reported at once."""

    code = "faults"

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), hint: str = "", **fields: Any) -> None:
        super().__init__(message, hint=hint, faults=tuple(faults), **fields)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        lines = [self.message, *(f"  {fault}" for fault in self.faults)]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class CompileError(FaultyError):
    """A pipeline that cannot be compiled; `faults` holds everything that is wrong with it."""

    code = "compile"


class ParameterError(FaultyError):
    """Arguments that do not fit the parameters of a pipeline."""

    code = "parameter"


class ScheduleError(FaultyError):
    """A schedule that cannot be as it was given; `faults` holds everything that is wrong with it."""

    code = "schedule"


class ConflictError(UsageError):
    """A name or definition that is there already."""

    code = "conflict"


class NotFoundError(PipelinekitError):
    """There is no object of that name, id or digest."""

    code = "not_found"


class IntegrityError(PipelinekitError):
    """Stored bytes are missing or are not what their digest says."""

    code = "integrity"


class StorageError(PipelinekitError):
    """The records or the blobs cannot be used: locked, full, unreadable, of another version."""

    code = "storage"


class UnreachableError(StorageError):
    """A place that somebody names cannot be reached, such as a datastore that is to be registered."""

    code = "unreachable"


class LeaseLostError(PipelinekitError):
    """The run belongs to another driver now, or has ended; whatever this driver still does is void."""

    code = "lease_lost"


class UnauthenticatedError(PipelinekitError):
    """Who asks has no valid token. Why it is not valid stands in the audit log alone."""

    code = "unauthenticated"


class ForbiddenError(PipelinekitError):
    """Who asks is known, and may not do this."""

    code = "forbidden"


class ComputeError(PipelinekitError):
    """The compute target cannot be reached, or cannot run what it is asked to run."""

    code = "compute"


class RunFailedError(PipelinekitError):
    """A run that was waited for ended as Failed or Canceled."""

    code = "run_failed"
