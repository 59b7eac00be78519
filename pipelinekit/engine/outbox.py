"""What the orchestrator is about to say: collected while it decides, and given out as one answer in the right order."""

from __future__ import annotations

from pipelinekit.engine.events import Claim, Instruction, LookUp, Record, Release
from pipelinekit.engine.work import Work


class Outbox:
    """Instructions of one answer. Records come first, so that nothing is asked for that is not written down."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._changed: dict[str, Work] = {}
        self._lookups: list[Work] = []
        self._claims: list[Work] = []
        self._released: list[str] = []
        self._others: list[Instruction] = []

    def record(self, work: Work) -> None:
        """Write this work down as it stands when the answer is given."""
        self._changed[work.name] = work

    def look_up(self, work: Work) -> None:
        """Ask for a completion under the work's key."""
        self._lookups.append(work)

    def claim(self, work: Work) -> None:
        """Ask for the right to execute the work's key."""
        self._claims.append(work)

    def release(self, key: str) -> None:
        """Give a claimed key up."""
        self._released.append(key)

    def ask(self, instruction: Instruction) -> None:
        """Any other instruction; they keep their order."""
        self._others.append(instruction)

    def take(self) -> list[Instruction]:
        """The answer; the outbox is empty afterwards."""
        answer: list[Instruction] = []
        if self._changed:
            answer.append(Record(tuple(work.record(self._run) for work in self._changed.values())))
        if self._released:
            answer.append(Release(tuple(self._released)))
        if self._lookups:
            keys = {work.name: work.key for work in self._lookups}
            answer.append(LookUp(keys, {work.name: work.inputs for work in self._lookups}))
        if self._claims:
            forced = frozenset(work.name for work in self._claims if work.forced)
            answer.append(Claim({work.name: work.key for work in self._claims}, forced))
        answer.extend(self._others)
        self._changed, self._lookups, self._claims, self._released, self._others = {}, [], [], [], []
        return answer
