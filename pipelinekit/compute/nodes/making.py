"""The one table of providers: each is a module with `make`, whose libraries are loaded where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelinekit.classes import replace
from pipelinekit.compute.nodes.circumstances import Circumstances, Made
from pipelinekit.domain import providers
from pipelinekit.domain.computes import Cluster
from pipelinekit.errors import ComputeError
from pipelinekit.late import late

if TYPE_CHECKING:
    from pipelinekit.compute.nodes import batch, kubernetes, processes, ssh
else:
    batch = late("pipelinekit.compute.nodes.batch")
    kubernetes = late("pipelinekit.compute.nodes.kubernetes")
    processes = late("pipelinekit.compute.nodes.processes")
    ssh = late("pipelinekit.compute.nodes.ssh")

MAKERS = {
    providers.PROCESSES: processes,
    providers.SSH: ssh,
    providers.BATCH: batch,
    providers.KUBERNETES: kubernetes,
}
EXTRAS = {providers.SSH: "ssh", providers.BATCH: "batch", providers.KUBERNETES: "kubernetes"}


def make_cluster(definition: Cluster, around: Circumstances) -> Made:
    """A cluster without nodes, of the kind that its provider gives. Raises ComputeError where that cannot be."""
    kind = definition.provider.kind
    try:
        made: Made = MAKERS[kind].make(definition, replace(around, dashboard=definition.dashboard))
        return made
    except ImportError as error:
        raise ComputeError(
            f"nodes by {kind} need a library that is not installed: {error}",
            hint=f"pip install 'pipelinekit[{EXTRAS.get(kind, 'clusters')}]'",
        ) from error
