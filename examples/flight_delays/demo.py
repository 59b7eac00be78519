"""The example from beginning to end: get the data, run, run again, and see what another parameter would change.

It runs the commands that a person would type, each shown before it runs, and ends with the first that fails.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run the commands; the exit code of the first that fails, else 0."""
    if not (HERE / ".pipelinekit").exists():
        heading("Get the data: twelve months of flights, the weather, the planes")
    else:
        heading("Get the data (what was run before is reused; remove .pipelinekit to begin anew)")
    command("get_data.py")
    heading("Run the pipeline")
    pipelinekit("run", "pipeline.py")
    heading("Run it again: nothing changed, so nothing is executed")
    pipelinekit("run", "pipeline.py")
    heading("Plan a run with another learning rate: only what depends on it")
    pipelinekit("plan", "pipeline.py", "-p", "learning_rate=0.2")
    heading("Save the report")
    pipelinekit("runs", "outputs", "--save", "results")
    print(f"\nOpen {HERE / 'results' / 'report.html'} in a browser. README.md beside it says what to try next.")
    return 0


def heading(text: str) -> None:
    """A line that says what comes next."""
    print(f"\n== {text}", flush=True)


def pipelinekit(*words: str) -> None:
    """Run a command of pipelinekit in the example's folder."""
    print(f"$ pipelinekit {' '.join(words)}", flush=True)
    run("-m", "pipelinekit", *words)


def command(script: str) -> None:
    """Run a script of the example."""
    print(f"$ python {script}", flush=True)
    run(script)


def run(*words: str) -> None:
    """Run Python with these words; end with its exit code if it fails."""
    done = subprocess.run([sys.executable, *words], cwd=HERE, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
