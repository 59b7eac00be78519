"""What makes the worker that is named for a bundle a preference and no more, inside a Dask scheduler.

Dask goes on looking for the workers that a task named once: what waits while there are none would go to none that
come later, and what has gone to one could be taken over by another that has not what it asks for. So the names are
forgotten as soon as they have been looked at.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from distributed import Client, Scheduler, SchedulerPlugin

KEYS = "pipelinekit-"  # with which the keys of bundles begin; of others nothing is changed


class Preferences(SchedulerPlugin):
    """Forgets which worker a bundle named, once it was decided where it goes, or that it must wait."""

    name = "pipelinekit-preferences"
    idempotent = True

    async def start(self, scheduler: Scheduler) -> None:
        """Begin to look."""
        self._tasks = scheduler.tasks

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:  # noqa: ARG002 - Dask's
        """Dask tells what becomes of a task."""
        if finish in ("processing", "no-worker") and str(key).startswith(KEYS):
            task = self._tasks.get(key)
            if task is not None and task.loose_restrictions:
                task.worker_restrictions, task.loose_restrictions = set(), False


def can_prefer(client: Client) -> bool:
    """Have a scheduler take preferences for what they are; whether it can, which takes pipelinekit beside it."""
    with suppress(Exception):
        client.register_plugin(Preferences())
        return True
    return False
