"""What the flows of this folder share: commands and runs in this process, where all modules are loaded already."""

import contextlib
import io
import textwrap

from conftest import Result

from pipelinekit import StepStatus
from pipelinekit.authoring.loading import load_pipeline
from pipelinekit.cli.main import main


def here(folder, *words, code=0):
    """Run a command in a folder; it must end with this code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        ended = main([str(word) for word in words])
    assert ended == code, out.getvalue() + err.getvalue()
    return Result(ended, out.getvalue(), err.getvalue())


def json_of(folder, *words, code=0):
    """The document that a command gives."""
    return here(folder, *words, "--json", code=code).json


def write(folder, name, text):
    """Write a module; modules of different tests must have different names, for they stay loaded."""
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder / f"{name}.py"


def submit(workspace, file, pipeline, **parameters):
    """Run a pipeline to its end; the run."""
    loaded = load_pipeline(f"{file}:{pipeline}")
    return workspace.submit(loaded, parameters=parameters, compute="in-process").wait()


def values(run):
    """What a run returned."""
    return {name: output.load() for name, output in run.outputs.items()}


def executed(run):
    """The steps that were executed."""
    return [step.name for step in run.steps if step.status is StepStatus.COMPLETED]
