"""The orchestrator alone: every step is looked up, missed, claimed, started and ended, and nothing is carried out."""

import json
import os
import resource
import shutil
import sys
import time
from collections import deque
from pathlib import Path

from pipelinekit.bootstrap import open_services
from pipelinekit.cli.targets import load_target
from pipelinekit.domain.attempts import AttemptEnded, AttemptStarted, attempt_id
from pipelinekit.domain.runs import Reason, RunOptions
from pipelinekit.domain.values import plain
from pipelinekit.engine.events import Claim, Claimed, LookedUp, LookUp, Record, Start
from pipelinekit.engine.orchestrator import Orchestrator

FIRST = (Reason("first run", "it has not run before"),)


def answers(instruction):
    """What an executor that does nothing would say."""
    match instruction:
        case LookUp(keys=keys):
            yield LookedUp({}, dict.fromkeys(keys, FIRST))
        case Claim(keys=keys):
            yield Claimed(tuple(keys))
        case Start(step=step, attempt=attempt):
            yield AttemptStarted(attempt_id("run", step, attempt), 0.0)
            yield AttemptEnded(attempt_id("run", step, attempt), 0.0, 0.0, {"output": plain(1)})


count, folder = int(sys.argv[1]), Path(sys.argv[2])
here = Path(__file__).parent
for name in ("fan.py", "bodies.py"):
    shutil.copyfile(here / name, folder / name)
os.chdir(folder)
began = time.process_time()
target = load_target("fan.py", [f"count={count}"], open_services())
compiled = time.process_time()
orchestrator = Orchestrator("run", target.graph, {}, RunOptions())
waiting = deque(orchestrator.start())
decisions = records = 0
while waiting:
    instruction = waiting.popleft()
    decisions += 1
    if isinstance(instruction, Record):
        records += len(instruction.changes)
    waiting.extend(orchestrator.handle(*answers(instruction)))
ended = time.process_time()
assert orchestrator.finished is not None
print(
    json.dumps(
        {
            "steps": count + 2,
            "compile_seconds": compiled - began,
            "decide_seconds": ended - compiled,
            "decisions": decisions,
            "decisions_per_second": decisions / (ended - compiled),
            "step_records": records,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    )
)
