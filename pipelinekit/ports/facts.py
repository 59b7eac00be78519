"""Records of what is told of runs, and what finds runs by it: metrics, tags, files, children, experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.runs import RunRecord
from pipelinekit.domain.values import StoredValue

if TYPE_CHECKING:
    from typing import Protocol

    from pipelinekit.domain.attempts import Told
    from pipelinekit.domain.experiments import Experiment
    from pipelinekit.domain.metrics import Entry, Metric, Series
    from pipelinekit.domain.run_queries import RunQuery
else:
    Protocol = object


class RunQueries(Protocol):
    """Finds runs; see `domain.run_queries`."""

    def find(self, query: RunQuery) -> Sequence[RunRecord]:
        """The runs that a query asks for, in its order."""


class ExperimentRecords(Protocol):
    """Experiments. Each call but `make` raises NotFoundError where there is none of that name."""

    def make(self, name: str) -> Experiment:
        """The experiment of this name, made when it is not there."""

    def get(self, name: str) -> Experiment:
        """The experiment of this name."""

    def list(self, *, archived: bool | None = False) -> Sequence[Experiment]:
        """Experiments, those with the newest runs first; `archived` None asks for all."""

    def archive(self, name: str, *, archived: bool) -> None:
        """Leave an experiment out of lists, or have it in them again."""

    def describe(self, name: str, description: str) -> None:
        """Say what an experiment is for."""

    def limit(self, name: str, most: int) -> None:
        """Limit how many of its runs are under way at once; 0 for no limit. Raises UsageError."""

    def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        """Set tags; others stay."""

    def remove_tags(self, name: str, keys: Sequence[str]) -> None:
        """Remove tags; those that are not there need not be."""

    def delete(self, name: str) -> None:
        """Delete an experiment that has no runs. Raises UsageError when it has some."""


class MetricRecords(Protocol):
    """Metrics of runs and steps. A reused step shows those of its original; see `domain.metrics`."""

    def of_run(self, run: str) -> Sequence[Metric]:
        """Metrics of a run itself, and what its steps told it."""

    def listed(self, run: str) -> Sequence[Metric]:
        """Metrics that a run is found and sorted by: those `of_run`, and of a run with one step those of the step.

        A script run is one. What was told to the run hides what the step has under the same name.
        """

    def of_steps(self, run: str) -> Sequence[tuple[str, Metric]]:
        """Metrics of the steps of a run, with the names of the steps."""

    def of_step(self, run: str, step: str) -> Sequence[Metric]:
        """Metrics of one step run that executed."""

    def series(self, metric: Metric) -> Series:
        """All points of a series."""

    def rows(self, metric: Metric) -> Mapping[str, Sequence[Any]]:
        """All rows of a table by column; None where a row lacks a column."""

    def body(self, metric: Metric) -> Any:
        """What was logged last as an image (a stored value, as JSON data) or a confusion matrix."""


class FactRecords(Protocol):
    """What is told of runs and steps besides metrics. An empty step means the run itself."""

    def tell(self, told: Sequence[Told]) -> None:
        """Keep what attempts told, metrics too, in its order.

        What an earlier attempt of a step told as metrics goes.
        """

    def tell_run(self, run: str, entries: Sequence[Entry]) -> None:
        """Keep what was told of a run that has no steps."""

    def end_children(self, owner: str) -> None:
        """Fail the child runs that the steps of this driver left open."""

    def set_tags(self, run: str, tags: Mapping[str, str], *, step: str = "") -> None:
        """Set tags; others stay."""

    def remove_tags(self, run: str, keys: Sequence[str], *, step: str = "") -> None:
        """Remove tags; those that are not there need not be."""

    def add_properties(self, run: str, properties: Mapping[str, str], *, step: str = "") -> None:
        """Add properties; one that is there stays as it is."""

    def put_file(self, run: str, name: str, value: StoredValue, *, step: str = "") -> None:
        """Keep a stored file with a run; one of the same name is replaced."""

    def rename(self, run: str, *, display_name: str | None = None, description: str | None = None) -> None:
        """Change how a run is shown; None leaves it as it is."""

    def tags(self, run: str, *, step: str = "") -> Mapping[str, str]:
        """Tags by key."""

    def properties(self, run: str, *, step: str = "") -> Mapping[str, str]:
        """Properties by key."""

    def files(self, run: str, *, step: str = "") -> Mapping[str, StoredValue]:
        """Files by name."""

    def children(self, run: str, *, step: str = "") -> Sequence[RunRecord]:
        """Child runs in the order in which they began: of any step of a run, or of one."""
