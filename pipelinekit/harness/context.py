"""`get_context()`: what a step's code can ask of its run, and tell of it.

Outside of any run the same calls do nothing, and say so once.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.metrics import PARENT
from pipelinekit.errors import UsageError
from pipelinekit.formats.telling import MOST_CHILDREN, ChildRun, Teller, Telling, keep_in, make_child
from pipelinekit.harness import script_telling
from pipelinekit.harness.current import CURRENT
from pipelinekit.harness.secrets import get_secret, refuse_file
from pipelinekit.late import late
from pipelinekit.ports import Blobs

if TYPE_CHECKING:
    import distributed

    from pipelinekit.harness import dask_clients
else:
    dask_clients = late("pipelinekit.harness.dask_clients")


class ParentRun(Telling):
    """The run that a step belongs to."""

    def __init__(self, run: str) -> None:
        super().__init__(_teller, PARENT)
        self.id = run

    def __repr__(self) -> str:
        return f"ParentRun({self.id!r})"


class RunContext(Telling):
    """The step run that this code is part of. Outside of a run `id` is empty, and everything told is dropped.

    `parameters` are the plain values that the step was given by name: exactly those that its key takes care of. A step
    on several nodes runs `world_size` times at once, each time with a `rank` from 0 on.
    """

    def __init__(
        self,
        run: str = "",
        step: str = "",
        number: int = 0,
        parameters: Mapping[str, Any] | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(_teller)
        self.id = run
        self.step = step
        self.attempt = number
        self.parameters = dict(parameters or {})
        self.rank = rank
        self.world_size = world_size

    @property
    def parent(self) -> ParentRun:
        """The run that this step belongs to. What is told to it is told again when the step is reused."""
        return ParentRun(self.id)

    def child_run(self, name: str = "", tags: Mapping[str, str] | None = None) -> ChildRun:
        """A run below this one, with metrics, tags and children of its own."""
        return make_child(_teller, name, tags or {}, "")

    def create_children(self, count: int = 0, tag_key: str = "", tag_values: Sequence[object] = ()) -> list[ChildRun]:
        """Several runs below this one, at most a hundred: so many, or one for each value of a tag."""
        if bool(count) is bool(tag_key) or bool(tag_key) is not bool(tag_values):
            raise UsageError(
                "children are made by their number, or by the values of a tag",
                hint="give count=3, or tag_key='fold' with tag_values=[1, 2, 3]",
            )
        wanted = [{tag_key: str(value)} for value in tag_values] if tag_key else [{} for _ in range(max(count, 0))]
        if not 0 < len(wanted) <= MOST_CHILDREN:
            raise UsageError(
                f"{len(wanted) or count} children cannot be made at once",
                hint=f"give a number from 1 to {MOST_CHILDREN}",
            )
        return [self.child_run(tags=tags) for tags in wanted]

    def get_secret(self, name: str) -> str:
        """The value of a secret that the step declares; see `pipelinekit.get_secret`."""
        return get_secret(name)

    def dask_client(self) -> distributed.Client:
        """A client of the Dask cluster that this step runs on; the same again when it is called again.

        On this machine it computes in threads of the step's process. Dask's collections use it by themselves. The step
        must declare that it needs one, `@step(dask_client=True)`: it then leaves its place in the cluster to what it
        computes there. Raises UsageError where it has not.
        """
        attempt = CURRENT.attempt
        if attempt is None or not attempt.task.dask_client:
            place = f"step {attempt.step!r} has asked for no Dask client" if attempt else "this code is no step"
            raise UsageError(place, hint="declare it with @step(dask_client=True)")
        if CURRENT.client is None:
            client = dask_clients.make_client(CURRENT.cluster, attempt.task.resources.cpu, attempt.task.entry)
            CURRENT.lend(client, lambda: dask_clients.close_client(client))
        found: distributed.Client = CURRENT.client
        return found

    def __repr__(self) -> str:
        return f"RunContext({self.id!r}, {self.step!r})" if self.id else "RunContext(outside of any run)"

    def flush(self) -> None:
        """Send on what was told so far; otherwise that takes up to half a second, or until more is told."""
        if teller := _teller():
            teller.flush()


def get_context(*, allow_offline: bool = True) -> RunContext:
    """The step run that this code is part of; outside of any run, one that drops what it is told, and says so once.

    With `allow_offline=False` it raises UsageError there.
    """
    attempt = CURRENT.attempt
    if attempt is not None:
        values = {name: value.inline for name, value in attempt.inputs.items() if value.is_inline}
        ranked = (attempt.rank.number, attempt.rank.count) if attempt.rank is not None else ()
        return RunContext(attempt.run, attempt.step, attempt.number, values, *ranked)
    if script_telling.is_script():
        return RunContext(*script_telling.names(), script_telling.parameters(), *script_telling.rank())
    if not allow_offline:
        raise UsageError("this code is not part of a run", hint="run it as a step, or call it without allow_offline")
    _say_once("pipelinekit: this code is not part of a run; what it logs is not kept")
    return RunContext()


def _teller() -> Teller | None:
    """What gathers for this attempt; None outside of any run, and in processes that a step has forked."""
    teller = _teller_of_step() if CURRENT.attempt is not None else script_telling.teller()
    if teller is not None and not teller.is_here:
        _say_once("pipelinekit: a process that a step has forked cannot log; what it logs is not kept")
        return None
    return teller


def _teller_of_step() -> Teller | None:
    attempt, send, blobs = CURRENT.attempt, CURRENT.send, CURRENT.blobs
    if CURRENT.teller is None and attempt is not None and send is not None and blobs is not None:
        CURRENT.teller = Teller(functools.partial(send, attempt.id), functools.partial(_keep, blobs))
    return CURRENT.teller


def _keep(blobs: Blobs, path: Path) -> dict[str, Any]:
    refuse_file(path)
    return keep_in(blobs, path)


_said: set[str] = set()


def _say_once(words: str) -> None:
    if words not in _said:
        _said.add(words)
        sys.stderr.write(words + "\n")
