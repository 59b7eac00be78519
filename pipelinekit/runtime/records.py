"""All records of a workspace together, as whoever keeps runs moving needs them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from pipelinekit.classes import frozen
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.ports import CarryRecords, Documents, DriverRecords, LogRecords, ReuseRecords, RunRecords
    from pipelinekit.ports.facts import FactRecords


@frozen
class Records:
    """All records of a workspace, on one connection. `batch` groups what is written inside it into one transaction.

    After `lock`, inside a batch, nobody else writes until its end.

    `facts` gives what few runs need: records of what is told of runs.
    """

    runs: RunRecords
    driving: DriverRecords
    reuse: ReuseRecords
    carrying: CarryRecords
    documents: Documents
    logs: LogRecords
    facts: Callable[[], FactRecords]
    batch: Callable[[], AbstractContextManager[None]]
    lock: Callable[[], None]
