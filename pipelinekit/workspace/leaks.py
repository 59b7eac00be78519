"""Rule I10 of the checks: every secret can be opened, and nothing that is kept in the records tells the value of one.

Values are masked where steps write them. But a value may have been written before it became a secret, given as a
parameter, or returned by a step that got it otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipelinekit.classes import frozen
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.upkeep import StoreFault
from pipelinekit.domain.values import StoredValue
from pipelinekit.engine.masking import Masks, texts_in
from pipelinekit.errors import StorageError
from pipelinekit.ports import Documents, LogRecords, RunRecords
from pipelinekit.ports.secrets import SecretKeys, SecretRecords
from pipelinekit.ports.upkeep import UpkeepRecords

_HINT = "take another value where it is used, and set that; 'pipelinekit gc --help' says how runs are removed"


def secret_faults(records: SecretRecords, keys: SecretKeys, texts: Texts | None) -> list[StoreFault]:
    """What is wrong with secrets, in all of these texts, or in none where it is to be quick."""
    faults, values = [], {}
    for name, sealed in records.sealed().items():
        try:
            values[name] = keys.open(name, sealed)
        except StorageError as error:
            faults.append(StoreFault("I10", f"secret {name}", error.message, error.hint))
    if not values or texts is None:
        return faults
    masks = Masks(values)
    found = {(where, name): None for where, text in texts.all() if (name := masks.told_by(text))}
    return [
        *faults,
        *(StoreFault("I10", where, f"it tells the value of secret {name!r}", _HINT) for where, name in found),
    ]


@frozen
class Texts:
    """Every text in the records in which a value could stand, with where that is."""

    upkeep: UpkeepRecords
    documents: Documents
    runs: RunRecords
    logs: LogRecords

    def all(self) -> Iterator[tuple[str, str]]:
        """Place and text, of every one."""
        inventory = self.upkeep.inventory()
        for run, entry in inventory.runs.items():
            if entry.removed:
                continue
            yield from _of_values(f"a parameter or output of run {run}", entry.values)
            yield from _of_failure(f"the failure of run {run}", self.runs.get(run).failure)
            for step in self.runs.steps(run):
                yield from _of_failure(f"the failure of step {step.name!r} of run {run}", step.failure)
                yield from ((f"a reason of step {step.name!r} of run {run}", item.message) for item in step.reasons)
        for item in inventory.completions:
            yield from _of_values(f"an output of step {item.step!r} of run {item.run}", item.outputs)
        for run, name in self.upkeep.logs():
            chunks = [chunk for _, chunk in self.logs.read(run, name)]
            for stream in ("stdout", "stderr"):
                text = "".join(chunk.text for chunk in chunks if chunk.stream == stream)
                yield f"the log of step {name!r} of run {run}", text
        for digest in self.upkeep.documents():
            for text in self.documents.get([digest]).values():
                yield f"document {digest}", text


def _of_values(where: str, values: tuple[StoredValue, ...]) -> Iterator[tuple[str, str]]:
    for value in values:
        for text in texts_in(value.data() if value.is_at_hand else None):
            yield where, text


def _of_failure(where: str, failure: Failure | None) -> Iterator[tuple[str, str]]:
    if failure is not None:
        yield from ((where, text) for text in (failure.message, failure.traceback, failure.hint))
