"""Script runs: one script or command with all that it needs, its defaults, and the file that it is saved to."""

import textwrap

import pytest
from checklist.lab import lab  # noqa: F401 - a fixture

from pipelinekit import Environment, Folder, RunStatus, ScriptRunConfig
from pipelinekit.errors import PipelinekitError

SCRIPT = """
    import os, pathlib, sys
    from pipelinekit import get_context

    run = get_context()
    run.log("rate", float(sys.argv[1]))
    run.tag("mode", os.environ.get("MODE", ""))
    with run.child_run("part") as part:
        print("part says")
    folder = pathlib.Path(os.environ["PIPELINEKIT_OUTPUT_model"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.txt").write_text(sys.argv[1])
    print("trained")
"""


def test_a_script_runs_is_saved_and_runs_again_from_its_file(lab):  # noqa: F811
    (lab.folder / "src").mkdir()
    (lab.folder / "src" / "train.py").write_text(textwrap.dedent(SCRIPT))
    config = ScriptRunConfig(
        "train.py",
        ["{inputs.rate}"],
        source_directory="src",
        inputs={"rate": 0.5},
        outputs={"model": Folder},
        max_run_duration_seconds=600,
        environment=Environment("strict", variables={"MODE": "strict"}),
        compute="local",  # in a process of its own, whatever the run says: else its output is this process's
    )
    run = lab.workspace.experiments.get("scripts").submit(config, tags={"by": "script"}).wait()
    assert (run.record.options.max_seconds, run.tags) == (600.0, {"by": "script"})
    step = run.step("train")
    assert (step.metrics(), step.tags) == ({"rate": 0.5}, {"mode": "strict"})
    assert "trained" in step.logs()
    assert [child.logs() for child in run.all_children()] == ["part says\n"]
    assert (run.outputs["model"].load() / "weights.txt").read_text() == "0.5"
    assert [entry.path for entry in lab.workspace.snapshots.get(run.id).files] == ["train.py"]
    config.save("train.json")
    loaded = ScriptRunConfig.load("train.json")
    assert loaded.max_run_duration_seconds == 600
    assert str(lab.workspace.submit(loaded).wait().step("train").status) == "Reused"
    again = lab.cli("run", "train.json", "--experiment", "scripts", "--tag", "again")
    assert [item["status"] for item in again["steps"]] == ["Reused"]
    assert lab.workspace.runs.get(again["id"]).record.options.max_seconds == 600
    repeated = lab.cli("runs", "resume", run.id)
    assert [item["status"] for item in repeated["steps"]] == ["Reused"]


def test_a_command_needs_no_script_and_defaults_are_plain(lab):  # noqa: F811
    config = ScriptRunConfig(command=["sh", "-c", "echo said; exit 3"], compute="local")
    assert (config.name, config.root, config.max_run_duration_seconds) == ("sh", lab.folder, 0.0)
    run = lab.workspace.submit(config)
    assert (run.status, run.record.experiment) == (RunStatus.FAILED, "sh")
    assert "said" in run.logs()
    graph = config.trace().steps[0]
    assert (graph.options.retry.attempts, graph.options.timeout, graph.options.allow_reuse) == (0, 0.0, True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "nothing to run"),
        ({"script": "a.py", "command": "b"}, "and not both"),
        ({"command": "b", "arguments": [1]}, "arguments in itself"),
        ({"script": "absent.py"}, "there is no script"),
        ({"command": "b", "max_run_duration_seconds": -1}, "is not allowed"),
        ({"command": "b", "max_run_duration_seconds": "soon"}, "is not a duration"),
        ({"script": "a.py", "arguments": "--rate 3"}, "a list of words"),
    ],
)
def test_what_does_not_go_together_is_refused(lab, given, words):  # noqa: F811
    with pytest.raises(PipelinekitError, match=words):
        ScriptRunConfig(**given)
    with pytest.raises(PipelinekitError, match="there is no file"):
        ScriptRunConfig.load("absent.json")
