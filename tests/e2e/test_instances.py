"""One machine as a compute target: several steps at once, started and stopped by hand or by itself."""

import json

import pytest
from conftest import wait_for
from e2e.test_computes import SLOW, computes_of

from pipelinekit import SSHHosts


def test_an_instance_runs_several_steps_at_once_stops_by_itself_and_is_started_by_the_next_run(
    project, tmp_path, monkeypatch
):
    (tmp_path / "marks").mkdir()
    monkeypatch.setenv("MARKS", str(tmp_path / "marks"))
    project.write(slow=SLOW)
    words = ("--instance", "--cores", "2", "--idle-time", "2s", "--json")
    made = project("computes", "create", "lab", *words).json
    assert (made["kind"], made["cores"], made["idle_seconds_before_shutdown"]) == ("instance", 2, 2)
    computes = computes_of(project)
    try:
        run = project.start("run", "slow.py:spread", "--compute", "lab", "--json", "-p", "n=3")
        wait_for(lambda: len(list((tmp_path / "marks").iterdir())) == 2)
        assert len(computes.get("lab").nodes()) == 1, "one machine, two steps"
        shown = project("computes", "show", "lab").out
        assert "running" in shown
        assert "after 2.0 s without work" in shown
        (tmp_path / "marks" / "go").touch()
        out, err = run.communicate(timeout=120)
        assert json.loads(out)["outputs"] == {"output": 6}, err
        wait_for(lambda: project("computes", "show", "lab", "--json").json["state"] == "stopped")
        assert "this machine, 2 cores" in project("computes", "list").out
        assert project.executed("slow.py:spread", "-p", "n=3") == [], "what it computed is reused here"
        again = project.run("slow.py:spread", "--compute", "lab", "-p", "n=3", "--regenerate", "total")
        assert again["outputs"] == {"output": 6}
        changed = project("computes", "update", "lab", "--idle-time", "0", "--json").json
        assert changed["idle_seconds_before_shutdown"] == 0
    finally:
        project("computes", "delete", "lab")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--instance", "--max-nodes", "2"], "an instance is one machine"),
        (["--instance", "--ssh-host", "farm"], "how many cores does SSH: farm have?"),
        (["--instance", "--cores", "2", "--ssh-host", "a", "--ssh-host", "b"], "an instance is one host"),
        (["--ssh-host", "a b", "--ssh-port", "0"], "'a b' is not written as [USER@]HOST[:PORT]; 0 is no port"),
        (["--ssh-host", "a", "--batch", "slurm"], "--ssh-host and --batch: nodes run in one place"),
        (["--max-nodes", "2", "--ssh-user", "me"], "--ssh-user is of no use without --ssh-host"),
        (["--max-nodes", "2", "--python", "python3"], "--python is for nodes on other machines"),
        (["--ssh-host", "a", "--ssh-known-hosts", "none"], "none cannot be read"),
        (["--max-nodes", "2", "--batch", "slurm"], "a batch system must be told the memory of a node"),
        (["--max-nodes", "2", "--image", "steps:1"], "pods must be told at which address"),
        ([], "a cluster must be told its max_nodes"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_made(project, words, why):
    assert why in project("computes", "create", "lab", *words, code=2).err
    assert not (project.home / "computes").exists()


def test_an_update_of_an_instance_names_what_may_change(project):
    computes = computes_of(project)
    handle = computes.create_instance("lab", cores=1, provider=SSHHosts(("127.0.0.1:9",)))
    try:
        assert handle.kind == "instance"
        with pytest.raises(Exception, match="max_nodes of compute target 'lab' cannot be changed"):
            computes.update("lab", max_nodes=2)
        wait_for(lambda: computes.get("lab").keeper.said.errors)
        assert project("computes", "show", "lab", "--json").json["state"] == "starting"
    finally:
        computes.delete("lab")
