"""Records to hold against a contract: the twins, and those in a database."""

from pipelinekit.storage import leases
from pipelinekit.storage.carrying import SQLCarrying
from pipelinekit.storage.documents import SQLDocuments
from pipelinekit.storage.experiments import SQLExperiments
from pipelinekit.storage.facts import SQLFacts
from pipelinekit.storage.logs import SQLLogs
from pipelinekit.storage.metrics import SQLMetrics
from pipelinekit.storage.reuse import SQLReuse
from pipelinekit.storage.run_queries import SQLRunQueries
from pipelinekit.storage.runs import SQLDriving, SQLRuns
from pipelinekit.testing.contracts.records import MadeRecords
from pipelinekit.testing.documents import MemoryDocuments, MemoryLogs
from pipelinekit.testing.experiments import MemoryExperiments, MemoryRunQueries
from pipelinekit.testing.facts import MemoryFacts, MemoryMetrics
from pipelinekit.testing.records import (
    MemoryCarrying,
    MemoryDriving,
    MemoryReuse,
    MemoryRuns,
)


def memory_records(state):
    """Twins; the owner `dead` has to be dead in their state."""
    return MadeRecords(
        MemoryRuns(state),
        MemoryDriving(state),
        MemoryReuse(state),
        MemoryCarrying(state),
        MemoryDocuments(state),
        MemoryLogs(state),
        MemoryFacts(state),
        MemoryMetrics(state),
        MemoryRunQueries(state),
        MemoryExperiments(state),
        state.clock,
        "alive",
        "dead",
    )


def sql_records(database, clock):
    """Records in a database; the dead owner is a process that had this one's number before."""
    host, boot, pid, _ = leases.owner_id().split("|")
    return MadeRecords(
        SQLRuns(database, clock),
        SQLDriving(database, clock),
        SQLReuse(database, clock),
        SQLCarrying(database, clock),
        SQLDocuments(database),
        SQLLogs(database),
        SQLFacts(database, clock),
        SQLMetrics(database),
        SQLRunQueries(database),
        SQLExperiments(database, clock),
        clock,
        leases.owner_id(),
        f"{host}|{boot}|{pid}|started before this process",
    )
