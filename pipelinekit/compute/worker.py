"""What runs inside a Dask worker: a fixed function that takes a bundle of attempts as JSON and answers in JSON.

The supervisor of each workspace lives as long as the worker. What cannot wait for the answer travels as Dask events.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import importlib.metadata
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from distributed import get_worker, secede
from distributed.comm.addressing import get_address_host

from pipelinekit.compute.meeting import Meeting
from pipelinekit.compute.reports import Emit
from pipelinekit.compute.supervisor import Supervisor
from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptEvent, RankCame
from pipelinekit.domain.digests import PREFIX, digest
from pipelinekit.domain.environments import python_identity
from pipelinekit.domain.runs import Failure
from pipelinekit.wire.attempts import attempts_from_json, coming_to_json, event_to_json
from pipelinekit.wire.values import dumps, loads

FOLDER = "PIPELINEKIT_WORKER_FOLDER"  # a folder of the worker's own, for its copies of blobs and sources

WATCH_SECONDS = 1.0  # between two looks whether a bundle is still waited for

_lock = threading.Lock()
_supervisors: dict[str, Supervisor] = {}


def run_bundle(payload: str) -> str:
    """Execute a bundle. Dask calls this; nothing else travels through it but JSON."""
    message = loads(payload)
    home = message["home"]
    attempts = attempts_from_json(message)
    supervisor = _supervisor(home, message["maker"], message["settings"])
    refused = [_refusal(attempt, why) for attempt in attempts if (why := _misfit(attempt))]
    known = {event.attempt for event in refused}
    fitting = [attempt for attempt in attempts if attempt.id not in known]
    cluster = _lent_cluster() if any(attempt.task.dask_client for attempt in fitting) else None
    emit, meet = _emitter(message["topic"], home), _meeting(message["topic"], fitting)
    is_gone = _gone()
    with _watched(supervisor, [attempt.id for attempt in fitting], is_gone):
        events, unstarted = supervisor.run_bundle(
            fitting, emit, announce=True, cluster=cluster, meet=meet, is_gone=is_gone
        )
    told = [event_to_json(event) for event in [*refused, *events]]
    return dumps({**_where(home), "events": told, "unstarted": unstarted})


def _lent_cluster() -> dict[str, Any]:
    """What a step needs to be a client of this worker's cluster; its own thread is given back for what it computes."""
    worker = get_worker()
    secede()
    files = worker.security.get_tls_config_for_role("worker")
    credentials = {name: files[key] for name, key in (("ca", "ca_file"), ("cert", "cert"), ("key", "key"))}
    return {"address": worker.scheduler.address, "credentials": credentials}


def _gone() -> Callable[[], bool]:
    """Tells whether nobody waits for this task any more: then its driver has died, or lost this worker."""
    worker = get_worker()
    key = worker.get_current_task()

    def is_gone() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return is_gone


@contextmanager
def _watched(supervisor: Supervisor, attempts: Sequence[str], is_gone: Callable[[], bool]) -> Iterator[None]:
    """Leave the attempts to the run's next driver, or stop them, when nobody waits for them any more."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(WATCH_SECONDS):
            if is_gone():
                supervisor.leave(attempts)
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def claim(home: str, attempts: Sequence[str]) -> list[str]:
    """Those of these attempts that are to go on here, with what an earlier driver began."""
    with _lock:
        supervisor = _supervisors.get(home)
    return supervisor.claim(attempts) if supervisor is not None else []


def cancel(home: str, attempts: Sequence[str]) -> None:
    """Stop attempts on this worker; those that are not here are unknown to it and ignored."""
    with _lock:
        supervisor = _supervisors.get(home)
    if supervisor is not None:
        supervisor.cancel(attempts)


async def end_run(home: str, run: str, for_good: bool) -> None:
    """End what is at work here of a run; where it has ended `for_good`, begin none of it any more."""
    with _lock:
        supervisor = _supervisors.get(home)
    if supervisor is not None:
        await asyncio.to_thread(supervisor.end_run, run, for_good=for_good)


def release(home: str) -> None:
    """End this worker's idle step processes of a workspace."""
    with _lock:
        supervisor = _supervisors.get(home)
    if supervisor is not None:
        supervisor.retire_idle()


def facts(home: str) -> dict[str, Any]:
    """What a driver must know before it trusts a worker with attempts.

    A worker with a folder of its own, or that does not see the workspace, needs a store that it can reach from there.
    """
    return {**software(), "sees_workspace": not is_apart(home)}


def software() -> dict[str, str]:
    """The versions which scheduler, workers and drivers must have in common."""
    return {"pipelinekit": importlib.metadata.version("pipelinekit"), "python": python_identity()}


def is_apart(home: str) -> bool:
    """Whether this worker keeps what belongs to a workspace in a folder of its own."""
    return FOLDER in os.environ or not Path(home).is_dir()


def home_here(home: str) -> Path:
    """Where this worker keeps what belongs to a workspace: in its folder, or below one of the worker's own."""
    if not is_apart(home):
        return Path(home)
    own = Path(os.environ.get(FOLDER) or Path(tempfile.gettempdir(), f"pipelinekit-{os.getuid()}"))
    return own.absolute() / digest(home).removeprefix(PREFIX)[:16] / Path(home).name


def _supervisor(home: str, maker: str, settings: Mapping[str, Any]) -> Supervisor:
    """The supervisor of a workspace; made by `module:function`, which the driver's bootstrap names."""
    with _lock:
        if home not in _supervisors:
            module, _, name = maker.partition(":")
            make = getattr(importlib.import_module(module), name)
            supervisor: Supervisor = make(home_here(home), settings, apart=is_apart(home))
            atexit.register(supervisor.close, now=True)
            _supervisors[home] = supervisor
        return _supervisors[home]


def _emitter(topic: str, home: str) -> Emit:
    worker, where = get_worker(), _where(home)

    def emit(events: Sequence[AttemptEvent]) -> None:
        worker.log_event(topic, {**where, "events": [event_to_json(event) for event in events]})

    return emit


def _where(home: str) -> dict[str, Any]:
    """Which node this is, and how much it does at once; without a name where it has no folder of its own."""
    worker = get_worker()
    return {"node": worker.address if is_apart(home) else "", "threads": worker.state.nthreads}


def _meeting(topic: str, attempts: Sequence[Attempt]) -> Meeting | None:
    """Where a rank, which travels alone, waits for the others; its driver is told that it has a place."""
    if not any(attempt.rank for attempt in attempts):
        return None
    worker = get_worker()

    def tell(event: RankCame) -> None:
        worker.log_event(topic, {"node": "", "threads": 0, "events": [coming_to_json(event)]})

    meeting = Meeting(worker.address, get_address_host(worker.address), tell)
    meeting.place(attempts[0])
    return meeting


def _misfit(attempt: Attempt) -> str:
    """Why this worker's software is not what the attempt was keyed with; empty when it is."""
    if attempt.task.has_environment:
        return ""
    if attempt.task.python != python_identity():
        return f"the step was keyed for Python {attempt.task.python}, this worker has {python_identity()}"
    for name, version in attempt.task.packages:
        found = _version(name)
        if found != version:
            return f"the step was keyed with {name} {version}, this worker has {found or 'none'}"
    return ""


@cache
def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _refusal(attempt: Attempt, why: str) -> AttemptEnded:
    hint = "install the same versions on the workers as where the pipeline is compiled"
    return AttemptEnded(attempt.id, 0.0, 0.0, failure=Failure("environment", why, hint=hint))
