"""What may happen to a run, and what a run may ask of the world.

Events go into the orchestrator, instructions come out. A step is named by its full name in the run, which is unique.
That attempts have begun and ended are events, too (`domain.attempts`).
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.classes import field, frozen
from pipelinekit.domain.attempts import AttemptEnded, AttemptStarted
from pipelinekit.domain.runs import Completion, Failure, Reason, RunStatus, StepRecord
from pipelinekit.domain.values import StoredValue

# -- events ------------------------------------------------------------------------------------------------------------


@frozen
class LookedUp:
    """Answer to `LookUp`: the valid completions by step, and why each of the other steps has to run.

    `unusable` are those of the others that have a completion under their key which cannot be used any more.
    """

    found: Mapping[str, Completion]
    reasons: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    unusable: frozenset[str] = frozenset()


@frozen
class Claimed:
    """Answer to `Claim`: steps whose key is ours now, those another run executes, and those just completed."""

    granted: tuple[str, ...]
    held: Mapping[str, str] = field(default_factory=dict)
    landed: Mapping[str, Completion] = field(default_factory=dict)


@frozen
class Expanded:
    """Answer to `Expand`: the elements by port, or why the value is no list."""

    step: str
    elements: Mapping[str, tuple[StoredValue, ...]]
    failure: Failure | None = None


@frozen
class Woken:
    """The time that `Sleep` asked for has passed."""

    step: str
    attempt: int = 0


@frozen
class CancelRequested:
    """Somebody wants the run to end, or what it may take is over: then `failure` says so."""

    failure: Failure | None = None


Event = LookedUp | Claimed | Expanded | AttemptStarted | AttemptEnded | Woken | CancelRequested

# -- instructions ------------------------------------------------------------------------------------------------------


@frozen
class Record:
    """Write these step runs as they stand now; all other instructions of the same answer come after it."""

    changes: tuple[StepRecord, ...]


@frozen
class LookUp:
    """Find valid completions for these keys, by step. `inputs` are what the keys are made of, to explain a miss."""

    keys: Mapping[str, str]
    inputs: Mapping[str, Mapping[str, StoredValue]] = field(default_factory=dict)


@frozen
class Claim:
    """Claim these keys for execution, by step. `forced` steps want a new result even if a completion exists."""

    keys: Mapping[str, str]
    forced: frozenset[str] = frozenset()


@frozen
class Release:
    """Give these claimed keys up without a result."""

    keys: tuple[str, ...]


@frozen
class Expand:
    """Take stored lists apart into their elements, by port."""

    step: str
    lists: Mapping[str, StoredValue]


@frozen
class Observed:
    """Remember that a step with these inputs opened undeclared files: its result is filed under `key`, with them."""

    step: str
    key: str
    inputs: Mapping[str, StoredValue]
    files: Mapping[str, str]


@frozen
class Start:
    """Execute an attempt of a step with these inputs. `position` is the step's place in the graph's steps.

    An `idle` attempt only shows whether a result comes out again, and leaves room to all others. One that `continues`
    may find that of before still at work, which an earlier driver began, or which was lost.
    """

    step: str
    attempt: int
    position: int
    key: str
    inputs: Mapping[str, StoredValue]
    idle: bool = False
    continues: bool = False


@frozen
class Stop:
    """Stop an attempt that is queued or running; it then ends as any other."""

    step: str
    attempt: int


@frozen
class Sleep:
    """Send `Woken` for this step after so many seconds; with the `attempt`, where it is one that waits for room."""

    step: str
    seconds: float
    attempt: int = 0


@frozen
class Finish:
    """The run has ended, with these outputs as far as they are there."""

    status: RunStatus
    outputs: Mapping[str, StoredValue]
    failure: Failure | None = None


Instruction = Record | LookUp | Claim | Release | Expand | Observed | Start | Stop | Sleep | Finish
