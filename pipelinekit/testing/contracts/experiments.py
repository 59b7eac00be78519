"""What finding runs and keeping experiments must do. Derive a test class, and give it `make()`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelinekit.classes import replace
from pipelinekit.domain.metrics import CHILD, SERIES, TAG, Entry
from pipelinekit.domain.run_queries import RunQuery, parse_condition, parse_sort
from pipelinekit.domain.runs import CHILD as CHILD_RUN
from pipelinekit.domain.runs import INTERACTIVE, PIPELINE, RunStatus
from pipelinekit.domain.values import plain
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.testing.contracts.records import MadeRecords, new_run, refused

QUEUED, RUNNING, COMPLETED, FAILED = RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.COMPLETED, RunStatus.FAILED


class ExperimentsContract:
    """The suite. `make` is called once for every test."""

    def make(self) -> MadeRecords:
        """Records in which nothing is written."""
        raise NotImplementedError

    def run(
        self,
        made: MadeRecords,
        name: str,
        *,
        experiment: str = "exp",
        at: float = 0.0,
        status: RunStatus = COMPLETED,
        loss: object = None,
        tags: Sequence[str] = (),
        **arguments: Any,
    ) -> str:
        """A run that has ended so, with parameters, tags and a metric."""
        values = {key: plain(value) for key, value in arguments.items()}
        record = made.runs.create(replace(new_run(name, experiment=experiment, at=at), arguments=values))
        made.facts.set_tags(record.id, dict(tag.split("=") for tag in tags))
        if status is QUEUED:
            return record.id
        taken = made.driving.take(record.id, made.alive)
        if loss is not None:
            body = {"values": [loss], "steps": None, "at": [0.0]}
            made.facts.tell_run(record.id, [Entry(SERIES, "loss", body)])
        if status.final:
            made.driving.finish(record.id, taken.epoch, status, {}, None)
        return record.id

    def found(self, made: MadeRecords, *conditions: str, sort: str = "", **query: Any) -> str:
        """The last letters of the runs that a query finds."""
        wanted = RunQuery(conditions=tuple(map(parse_condition, conditions)), sort=parse_sort(sort), **query)
        return "".join(run.id[-1] for run in made.queries.find(wanted))

    def test_runs_are_listed_newest_first_and_in_pages(self) -> None:
        """By experiment, status and time."""
        made = self.make()
        for name, experiment, at, status in [("1", "a", 1, FAILED), ("2", "b", 2, COMPLETED), ("3", "a", 3, QUEUED)]:
            self.run(made, name, experiment=experiment, at=at, status=status)
        assert self.found(made) == "321"
        assert self.found(made, ascending=True) == "123"
        assert self.found(made, experiment="a") == "31"
        assert self.found(made, limit=2) == "32"
        assert self.found(made, after=f"{'2':0>14}") == "1"
        assert self.found(made, statuses=(FAILED,)) == "1"
        assert self.found(made, statuses=(FAILED, QUEUED)) == "31"
        assert self.found(made, since=2.0) == "32"
        assert self.found(made, since=2.0, until=3.0) == "2"
        assert self.found(made, pipeline="other") == ""

    def test_runs_are_found_by_tags(self) -> None:
        """By key, by value, and by several at once."""
        made = self.make()
        self.run(made, "1", tags=["team=a", "best=yes"])
        self.run(made, "2", tags=["team=b"])
        self.run(made, "3", tags=["team=a"])
        assert self.found(made, tags={"team": "a"}) == "31"
        assert self.found(made, tags={"team": None}) == "321"
        assert self.found(made, tags={"best": None}) == "1"
        assert self.found(made, tags={"team": "a", "best": "yes"}) == "1"
        assert self.found(made, tags={"team": "a"}, after=f"{'3':0>14}") == "1"
        assert self.found(made, tags={"absent": None}) == ""

    def test_runs_are_found_by_parameters_and_metrics(self) -> None:
        """As numbers and as texts."""
        made = self.make()
        self.run(made, "1", rate=0.1, model="tree", loss=0.5)
        self.run(made, "2", rate=0.2, model="linear", loss=0.4)
        self.run(made, "3", rate=1, model="tree", status=FAILED)
        self.run(made, "4", model="10", loss="high")
        assert self.found(made, "param.rate=0.1") == "1"
        assert self.found(made, "param.rate>=0.2") == "32"
        assert self.found(made, "param.model=tree") == "31"
        assert self.found(made, "parameter.model!=tree") == "42"
        assert self.found(made, "metric.loss<0.45") == "2"
        assert self.found(made, "metric.loss=high") == "4"
        assert self.found(made, "param.model=tree", "metric.loss<=0.5") == "1"
        assert self.found(made, "param.model=tree", statuses=(FAILED,)) == "3"

    def test_runs_are_sorted_by_a_metric_or_parameter(self) -> None:
        """In pages; runs without it are left out."""
        made = self.make()
        for name, loss in [("1", 0.5), ("2", 0.1), ("3", None), ("4", 0.5), ("5", 0.9)]:
            self.run(made, name, loss=loss, size=10 - int(name))
        assert self.found(made, sort="metric.loss", ascending=True) == "2145"
        assert self.found(made, sort="metric.loss") == "5412"
        assert self.found(made, sort="metric.loss", ascending=True, limit=2) == "21"
        assert self.found(made, sort="metric.loss", ascending=True, after=f"{'1':0>14}") == "45"
        assert self.found(made, sort="metric.loss", after=f"{'4':0>14}") == "12"
        assert self.found(made, "metric.loss<0.9", sort="param.size") == "124"

    def test_conditions_and_orders_go_together(self) -> None:
        """Whichever of them is looked up first."""
        made = self.make()
        for name, loss, status, tag in [
            ("1", 0.5, COMPLETED, "a"),
            ("2", 0.1, FAILED, "b"),
            ("3", 0.7, FAILED, "a"),
            ("4", 0.3, COMPLETED, "a"),
            ("5", None, RUNNING, "a"),
        ]:
            experiment = "even" if int(name) % 2 == 0 else "odd"
            self.run(
                made,
                name,
                experiment=experiment,
                at=int(name),
                loss=loss,
                status=status,
                tags=[f"t={tag}"],
                n=int(name),
            )
        by_loss: dict[str, Any] = {"sort": "metric.loss"}
        assert self.found(made, tags={"t": "a"}, **by_loss) == "314"
        assert self.found(made, tags={"t": None}, ascending=True, **by_loss) == "2413"
        assert self.found(made, tags={"t": "a"}, after=f"{'3':0>14}", **by_loss) == "14"
        assert self.found(made, experiment="odd", **by_loss) == "31"
        assert self.found(made, statuses=(FAILED,), **by_loss) == "32"
        assert self.found(made, statuses=(RUNNING, QUEUED)) == "5"
        assert self.found(made, statuses=(RUNNING,), sort="param.n") == "5"
        assert self.found(made, "metric.loss<0.6", **by_loss) == "142"
        assert self.found(made, "metric.loss>=0.3", ascending=True, after=f"{'4':0>14}", **by_loss) == "13"
        assert self.found(made, "metric.loss!=0.3", **by_loss) == "312"
        assert self.found(made, "param.n>=2", "metric.loss<0.6", sort="param.n") == "42"
        assert self.found(made, "param.n=4", "metric.loss>0", tags={"t": "a"}) == "4"
        assert self.found(made, since=2.0, until=4.0, **by_loss) == "32"
        assert self.found(made, since=4.0, tags={"t": "a"}) == "54"
        assert self.found(made, "metric.loss>9", **by_loss) == ""

    def test_children_are_listed_when_they_are_asked_for(self) -> None:
        """And the newest run is never one."""
        made = self.make()
        run = self.run(made, "1", status=RUNNING)
        child = f"{'2':0>14}"
        made.facts.tell_run(run, [Entry(CHILD, "", {"parent": ""}, child, 1.0), Entry(TAG, "t", "", child)])
        assert self.found(made) == "1"
        assert self.found(made, children=True) == "21"
        assert self.found(made, children=True, tags={"t": None}) == "2"
        assert self.found(made, kind=CHILD_RUN) == "2"
        assert self.found(made, kind=PIPELINE) == "1"
        assert self.found(made, kind=INTERACTIVE) == ""
        assert made.runs.get("latest").id == run

    def test_runs_are_found_by_properties(self) -> None:
        """With a value, or whatever it is; beside tags."""
        made = self.make()
        for name in "123":
            self.run(made, name)
            made.facts.add_properties(f"{name:0>14}", {"seed": name, "team": "a"})
        made.facts.set_tags(f"{'3':0>14}", {"best": ""})
        assert self.found(made, properties={"seed": "2"}) == "2"
        assert self.found(made, properties={"seed": None}) == "321"
        assert self.found(made, properties={"team": "a", "seed": "1"}) == "1"
        assert self.found(made, properties={"team": "a"}, tags={"best": None}) == "3"
        assert self.found(made, properties={"team": "a"}, after=f"{'3':0>14}", limit=1) == "2"
        assert self.found(made, properties={"absent": None}) == ""

    def test_experiments_are_made_archived_and_found_again(self) -> None:
        """A new run brings one back."""
        made = self.make()
        for name, experiment in [("1", "a"), ("2", "b"), ("3", "a")]:
            self.run(made, name, experiment=experiment, at=float(name))
        experiments = made.experiments
        assert [(item.name, item.runs, item.newest) for item in experiments.list()] == [("a", 2, 3.0), ("b", 1, 2.0)]
        made.clock.turn(10)
        experiments.archive("a", archived=True)
        assert [item.name for item in experiments.list()] == ["b"]
        assert [item.name for item in experiments.list(archived=True)] == ["a"]
        assert [item.name for item in experiments.list(archived=None)] == ["a", "b"]
        assert experiments.get("a").archived_at == made.clock.now()
        experiments.archive("a", archived=False)
        assert experiments.get("a").archived_at is None
        experiments.archive("b", archived=True)
        self.run(made, "4", experiment="b", at=4.0)
        assert [item.name for item in experiments.list()] == ["b", "a"]

    def test_experiments_have_tags_and_a_description(self) -> None:
        """They are made without runs too, and deleted only without."""
        made = self.make()
        experiments = made.experiments
        assert experiments.make("new").runs == 0
        experiments.set_tags("new", {"b": "1", "a": "2"})
        experiments.set_tags("new", {"b": "3"})
        experiments.remove_tags("new", ["a"])
        experiments.describe("new", "what it is for")
        found = experiments.make("new")
        assert (found.tags, found.description) == ({"b": "3"}, "what it is for")
        experiments.delete("new")
        with refused(NotFoundError):
            experiments.get("new")
        assert experiments.make("new").tags == {}
        self.run(made, "1", experiment="new")
        with refused(UsageError):
            experiments.delete("new")
        with refused(NotFoundError):
            experiments.archive("no", archived=True)
        with refused(NotFoundError):
            experiments.describe("no", "")
