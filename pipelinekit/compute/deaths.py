"""How attempts end without a result, in words: a process that died, one that could not be started."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pipelinekit.compute.processes import Death
from pipelinekit.domain.attempts import Attempt, AttemptEnded
from pipelinekit.domain.runs import Failure
from pipelinekit.errors import PipelinekitError


def ended_without(attempt: Attempt, began: float, failure: Failure, death: Death | None = None) -> AttemptEnded:
    """The end of an attempt that gave no result; of one whose process died, with how long it took."""
    now = time.time()
    return AttemptEnded(attempt.id, now, now - began if death else 0.0, failure=failure)


def setup_failure(error: Exception) -> Failure:
    """What an error before the attempt began means for it."""
    hint = error.hint if isinstance(error, PipelinekitError) else ""
    return Failure(
        "environment", f"the step's process could not be started: {getattr(error, 'message', error)}", hint=hint
    )


def failure_of_death(attempt: Attempt, death: Death, out_of_memory: bool) -> Failure:
    """What the death of a step process means for its attempt."""
    details: Mapping[str, Any] = {
        "exit_code": death.exit_code,
        "signal": death.signal,
        "peak_memory": death.peak_memory,
        "traceback": death.last_lines,
    }
    used = f"its peak memory was {death.peak_memory / 2**20:.0f} MiB"
    if death.cause == "canceled":
        return Failure("canceled", "the attempt was canceled", **details)
    if death.cause == "timeout":
        return Failure("timeout", f"the step ran longer than its timeout of {attempt.task.timeout:g} s", **details)
    if death.cause == "memory":
        limit = attempt.task.resources.memory_bytes / 2**20
        hint = "give it more in resources, or use less"
        return Failure("memory", f"the step used more than its {limit:.0f} MiB of memory", hint=hint, **details)
    if death.cause == "scratch":
        limit = attempt.task.resources.scratch_bytes / 2**20
        hint = "give it more in resources, or remove what it needs no longer"
        words = f"the step kept more than its {limit:.0f} MiB in its working folder"
        return Failure("scratch", words, hint=hint, **details)
    if death.signal == "SIGKILL" and out_of_memory:
        return Failure("memory", f"the system killed the step's process for want of memory; {used}", **details)
    if death.signal == "SIGKILL":
        return Failure("lost", f"the step's process was killed by SIGKILL from outside; {used}", **details)
    if death.signal:
        return Failure("user", f"the step's process died of {death.signal}; {used}", ("ProcessDied",), **details)
    return Failure(
        "user", f"the step's process exited with code {death.exit_code}; {used}", ("ProcessDied",), **details
    )


@cache
def _vmstat() -> Path:
    return Path("/proc/vmstat")


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot; 0 where it does not say."""
    with suppress(OSError, ValueError):
        for line in _vmstat().read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
