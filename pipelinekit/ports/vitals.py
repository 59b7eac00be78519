"""What the records say of how a workspace is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.vitals import Vitals
else:
    Protocol = object


class VitalRecords(Protocol):
    """Counts over the records: cheap ones, as what has ended is counted when it ends."""

    def read(self) -> Vitals:
        """How it is now."""
