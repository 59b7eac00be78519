"""The live display of a run: a line for each step of the graph, elements of mapped steps counted together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipelinekit.cli.output import reasons_text
from pipelinekit.cli.progress import first_line
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import StepRecord, StepStatus
from pipelinekit.domain.texts import STATUS_MARKS, seconds_text

SHOWN = 24  # lines of steps at once
LOOK_SECONDS, LOOK_SHARE = 2.0, 50.0  # between two looks at the time left; and how much longer than one takes
STYLES = {
    StepStatus.COMPLETED: "green",
    StepStatus.REUSED: "cyan",
    StepStatus.RUNNING: "yellow",
    StepStatus.QUEUED: "white",
    StepStatus.FAILED: "red",
    StepStatus.CANCELED: "magenta",
    StepStatus.SKIPPED: "bright_black",
    StepStatus.NOT_STARTED: "bright_black",
}  # in the order in which counts are shown


class LiveProgress:
    """Redraws a table of steps on standard error, four times a second at most."""

    def __init__(
        self, graph: Graph, earlier: Sequence[StepRecord], run: str = "", left: Callable[[str], str] | None = None
    ) -> None:
        self._graph = graph
        self._run, self._ask_left = run, left
        self._left, self._ask_at = "", 0.0
        self._waits = ""
        self._began = time.monotonic()
        self._steps: dict[int, dict[str, StepRecord]] = {position: {} for position in range(len(graph.nodes))}
        self._running: dict[str, float] = {}
        self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True, get_renderable=self._draw)
        self._live.start()
        self.changed(earlier)

    def changed(self, changes: Sequence[StepRecord]) -> None:
        """Take changes in."""
        for change in changes:
            self._steps[change.node][change.name] = change
            if change.status is StepStatus.RUNNING:
                self._running.setdefault(change.name, time.monotonic())
            else:
                self._running.pop(change.name, None)
        self.tick()

    def tick(self) -> None:
        """Look now and then how much time is left; for the rest the display redraws itself."""
        begun = time.monotonic()
        if self._ask_left is None or begun < self._ask_at:
            return
        self._left = self._ask_left(self._run)
        took = time.monotonic() - begun
        self._ask_at = begun + max(LOOK_SECONDS, took * LOOK_SHARE)

    def waits(self, why: str) -> None:
        """Say what steps wait for, below them."""
        self._waits = why

    def close(self) -> None:
        """Leave the final state on the screen."""
        self._live.stop()
        self._live.console.print(self._draw())

    def _draw(self) -> Group:
        table = Table(box=None, pad_edge=False, show_header=False)
        positions = self._shown()
        for position in positions:
            table.add_row(*self._row(position))
        hidden = len(self._steps) - len(positions)
        parts: list[Table | Text] = [table, self._footer()]
        if hidden:
            parts.insert(1, Text(f"  and {hidden} more steps", style="bright_black"))
        if self._waits:
            parts.append(Text(f"waits: {self._waits}", style="yellow"))
        return Group(*parts)

    def _shown(self) -> list[int]:
        if len(self._steps) <= SHOWN:
            return list(self._steps)

        # what moves or went wrong first, then what comes next, then what is done
        def rank(position: int) -> int:
            statuses = {step.status for step in self._steps[position].values()}
            if statuses & {StepStatus.RUNNING, StepStatus.FAILED}:
                return 0
            return 1 if statuses & {StepStatus.QUEUED} else 2 if not statuses else 3

        return sorted(sorted(self._steps, key=rank)[:SHOWN])

    def _row(self, position: int) -> tuple[Text, Text, Text, Text]:
        node = self._graph.nodes[position]
        steps = self._steps[position]
        counts = {status: sum(step.status is status for step in steps.values()) for status in STYLES}
        marks = Text()
        for status, style in STYLES.items():
            if counts[status] or (not steps and status is StepStatus.NOT_STARTED):
                many = counts[status] if len(steps) > 1 else ""
                marks.append(f"{STATUS_MARKS[status]}{many} ", style=style)
        name = f"{node.name} ×{len(steps)}" if node.each and steps else node.name
        return (
            marks,
            Text(name),
            Text(self._time(steps), style="bright_black"),
            Text(self._why(steps), style="bright_black"),
        )

    def _time(self, steps: dict[str, StepRecord]) -> str:
        running = [self._running[name] for name in steps if name in self._running]
        if running:
            return seconds_text(time.monotonic() - min(running))
        done = sum(step.seconds for step in steps.values() if step.status is StepStatus.COMPLETED)
        return seconds_text(done) if done else ""

    def _why(self, steps: dict[str, StepRecord]) -> str:
        for step in steps.values():
            if step.status is StepStatus.FAILED and step.failure:
                return first_line(step)[:100]
        waiting = next((step.note for step in steps.values() if step.note), "")
        reasons = next((step.reasons for step in steps.values() if step.reasons), ())
        return (waiting or reasons_text(reasons, 1))[:100]

    def _footer(self) -> Text:
        everything = [step for steps in self._steps.values() for step in steps.values()]
        done = sum(step.status.final for step in everything)
        total = max(len(everything), len(self._steps))
        text = f"{done} of {total} done, {seconds_text(time.monotonic() - self._began)}"
        return Text(f"{text}, {self._left}" if self._left and done < total else text, style="bold")
