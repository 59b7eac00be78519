"""Steps as their author declares them: ports, and the options that never enter a key."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipelinekit.classes import field, frozen
from pipelinekit.domain.types import PortType
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
else:
    datetime = late("datetime")

_SIZES = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


_DURATIONS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

WHOLE_OUTPUT = "output"  # the output of a step that returns one value without a name


@frozen
class Canonical:
    """What does not matter in an output: `Annotated[Table, Canonical(order=True, decimals=6)]`.

    With `order` the order of rows or items, with `decimals` the digits of floats beyond so many. The output is stored
    in its canonical form, so that outputs which differ in nothing else are equal.
    """

    order: bool = False
    decimals: int | None = None


@frozen
class Port:
    """One input or output of a step. An input with `required=False` has a default of its own.

    An input with `keyed=False` does not enter the key; an output with a `canonical` form is stored in it.
    """

    name: str
    type: PortType
    required: bool = True
    keyed: bool = True
    canonical: Canonical | None = None


@frozen
class Resources:
    """What one execution of a step needs: `cpu` cores, `gpu` devices, `memory` in bytes or as text (`"4GiB"`).

    Memory is a limit as well as a reservation: a step that grows beyond it is stopped and says so. 0 means no limit.
    `scratch`, in bytes or as text, limits what it keeps in its working folder on disk, and reserves nothing.
    Numerical libraries (OpenMP, OpenBLAS, MKL, polars) are told to use as many threads as there are cores asked for.
    `named` are amounts of what else the nodes of a cluster have, by name: `{"licence": 1}`.
    """

    cpu: float = 1.0
    gpu: int = 0
    memory: int | str = 0
    named: Mapping[str, float] | tuple[tuple[str, float], ...] = ()
    scratch: int | str = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", parse_size(self.memory))
        object.__setattr__(self, "scratch", parse_size(self.scratch))
        if self.cpu <= 0 or self.gpu < 0:
            raise UsageError(f"resources cpu={self.cpu}, gpu={self.gpu} are not allowed", hint="cpu > 0 and gpu >= 0")
        if not self.named:
            object.__setattr__(self, "named", ())
        else:
            named = dict(self.named)
            odd = [name for name, amount in named.items() if name in ("cpu", "gpu", "memory") or not amount > 0]
            if odd:
                words = ", ".join(f"{name}={named[name]}" for name in odd)
                hint = "cpu, gpu and memory have words of their own; an amount is > 0"
                raise UsageError(f"named resources {words} are not allowed", hint=hint)
            object.__setattr__(self, "named", tuple(sorted((name, float(amount)) for name, amount in named.items())))

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes; 0 for none."""
        return int(self.memory)

    @property
    def scratch_bytes(self) -> int:
        """The limit of the working folder in bytes; 0 for none."""
        return int(self.scratch)

    @property
    def amounts(self) -> dict[str, float]:
        """All that is reserved, by name."""
        return {"cpu": self.cpu, "gpu": float(self.gpu), "memory": float(self.memory_bytes), **dict(self.named)}

    def document(self) -> list[Any]:
        """As JSON data, from which `Resources(*document)` makes the same."""
        named = [dict(self.named)] if self.named or self.scratch else []
        scratch = [self.scratch_bytes] if self.scratch else []
        return [self.cpu, self.gpu, self.memory_bytes, *named, *scratch]


@frozen
class Retry:
    """How often a failed step is tried again, after what delay, and for which errors.

    `attempts` counts retries after the first try. The delay before the n-th is `delay * backoff ** (n - 1)` seconds, at
    most `max_delay`, shortened by a random share of up to `jitter` (0 to 1). `on` names exception classes (or holds the
    classes themselves; a base class matches what derives from it); empty means every error of the step's own.

    Other causes have budgets of their own: attempts that took longer than their timeout (`timeouts`; by default as many
    as `attempts`), that their process, node or disk was lost for (`lost`; 3), and inputs that were damaged and are made
    again (`damaged`; 5).
    """

    attempts: int = 1
    delay: float = 1.0
    backoff: float = 2.0
    max_delay: float = 300.0
    jitter: float = 0.5
    on: tuple[str | type[BaseException], ...] = ()
    timeouts: int | None = None
    lost: int | None = None
    damaged: int | None = None

    def __post_init__(self) -> None:
        names = tuple(item if isinstance(item, str) else class_name(item) for item in _as_tuple(self.on))
        object.__setattr__(self, "on", names)
        if self.attempts < 0 or self.delay < 0 or self.backoff < 1 or not 0 <= self.jitter <= 1:
            raise UsageError(
                f"retry attempts={self.attempts}, delay={self.delay}, backoff={self.backoff}, jitter={self.jitter} is "
                "not allowed",
                hint="attempts and delay >= 0, backoff >= 1, jitter between 0 and 1",
            )
        budgets = {"timeouts": self.timeouts, "lost": self.lost, "damaged": self.damaged}
        if wrong := [f"{name}={count}" for name, count in budgets.items() if count is not None and count < 0]:
            raise UsageError(f"retry {', '.join(wrong)} is not allowed", hint="give 0 or more, or None for the default")


@frozen
class StepOptions:
    """How a step is run and whether its result may be reused. None of this enters the key, except `cache_version`.

    `variables` are set in the step's process; what they say enters the key with the step's software. `timeout` is in
    seconds for one attempt, `queue_timeout` for how long one may wait until it begins; 0 means none.
    `compute` names a compute target; empty means the run's own. A result that
    is older than `max_age` seconds is not reused; 0 means that age does not matter. `register` names, by output, the
    dataset that the output becomes a version of when the run ends. `secrets` are names of the secrets that are given to
    it, each with whether its version enters the key, with the step's definition. With `dask_client` its code gets a
    client of the Dask cluster that it runs on. It is executed by one process on each of so many `nodes` at once.
    """

    allow_reuse: bool = True
    cache_version: str = ""
    compute: str = ""
    resources: Resources = field(default_factory=Resources)
    retry: Retry = field(default_factory=lambda: Retry(attempts=0))
    timeout: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    max_age: float = 0.0
    register: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, bool] = field(default_factory=dict)
    dask_client: bool = False
    queue_timeout: float = 0.0
    nodes: int = 1

    def __post_init__(self) -> None:
        if type(self.nodes) is not int or self.nodes < 1:
            raise UsageError(f"nodes {self.nodes!r} is not allowed", hint="give a whole number of nodes, 1 or more")
        if self.nodes > 1 and self.dask_client:
            hint = "a step on several nodes keeps them to itself: leave one of the two out"
            raise UsageError(f"nodes {self.nodes} and dask_client are not allowed together", hint=hint)
        for name in ("timeout", "queue_timeout", "max_age"):
            if (value := getattr(self, name)) < 0:
                raise UsageError(f"{name} {value} is not allowed", hint="give seconds > 0, or 0 for none")


def class_name(kind: type[BaseException]) -> str:
    """The full name of an exception class, by which retries match it, such as `requests.exceptions.Timeout`."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def parse_size(size: int | str) -> int:
    """Bytes of a size given as a number or as text such as `512MiB` or `4GB`. Raises UsageError."""
    if isinstance(size, int) and size >= 0:
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(size))
    if not match or match[2].upper() not in _SIZES:
        raise UsageError(f"{size!r} is not a size", hint="write bytes as a number, or text such as '512MiB'")
    return int(float(match[1]) * _SIZES[match[2].upper()])


def parse_duration(duration: float | str | datetime.timedelta) -> float:
    """Seconds of a duration given as a number, a timedelta, or text such as `90s`, `12h` or `7d`. Raises UsageError."""
    if isinstance(duration, int | float):
        return float(duration)
    if not isinstance(duration, str) and isinstance(duration, datetime.timedelta):
        return duration.total_seconds()
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw]?)\s*", str(duration))
    if not match:
        raise UsageError(
            f"{duration!r} is not a duration", hint="write seconds as a number, or text such as '90s', '12h' or '7d'"
        )
    return float(match[1]) * _DURATIONS[match[2]]


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
