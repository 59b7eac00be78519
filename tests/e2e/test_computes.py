"""Clusters by name: attached with certificates, used, looked at, changed, and detached."""

import pytest
from certificates import Authority
from conftest import dask_cluster, set_secret
from e2e.test_dask import PIPELINE

from pipelinekit import Workspace
from pipelinekit.errors import ComputeError, ConflictError, NotFoundError, UsageError

CREDENTIALS = ("ca", "cert", "key")
SECRETS = [word for name in CREDENTIALS for word in ("--secret", f"{name}=DASK_{name.upper()}")]


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    """Three workers and a scheduler that talk to nobody without a certificate of their authority, and its texts."""
    folder = tmp_path_factory.mktemp("farm")
    authority = Authority("farm")
    texts = dict(zip(CREDENTIALS, (authority.ca, *authority.certify("a member")), strict=True))
    words = ["--protocol", "tls", "--host", "127.0.0.1"]
    for name, option in zip(CREDENTIALS, ("--tls-ca-file", "--tls-cert", "--tls-key"), strict=True):
        (folder / f"{name}.pem").write_text(texts[name])
        words += [option, str(folder / f"{name}.pem")]
    with dask_cluster(folder, *words, workers=3) as address:
        yield address, texts


def keep(project, texts):
    for name in CREDENTIALS:
        set_secret(project, f"DASK_{name.upper()}", texts[name])


def test_a_cluster_with_certificates_is_attached_and_used_by_name(project, farm):
    address, texts = farm
    assert address.startswith("tls://")
    project.write(spread=PIPELINE)
    keep(project, texts)
    attached = project("computes", "attach", "farm", address, *SECRETS, "--tag", "team=a", "--json").json
    assert (attached["name"], attached["kind"], attached["tags"]) == ("farm", "attached", {"team": "a"})
    ready = project("computes", "wait", "farm", "--nodes", "3", "--timeout", "60s", "--json").json
    assert [node["cores"] for node in ready["nodes"]] == [1, 1, 1]

    document = project.run("spread.py", "--compute", "farm")
    assert document["outputs"] == {"output": 150}
    assert {step["status"] for step in document["steps"]} == {"Completed"}
    assert project.executed("spread.py") == [], "what a cluster computed is reused here"
    handle = Workspace.open(project.folder).computes.get("FARM")
    assert (handle.name, handle.address, len(handle.nodes())) == ("farm", address, 3)


def test_a_step_names_its_own_target(project, farm):
    address, texts = farm
    project.write(spread=PIPELINE.replace("@step\n    def total", '@step(compute="farm")\n    def total'))
    refused = project("run", "spread.py", code=2)
    assert "there is no compute target 'farm'" in refused.err
    assert "local, in-process" in refused.err
    assert project("runs", "list", "--json").json["runs"] == [], "it is refused before anything is recorded"
    keep(project, texts)
    project("computes", "attach", "farm", address, *SECRETS)
    assert project.run("spread.py")["outputs"] == {"output": 150}


def test_what_is_seen_of_it_is_shown(project, farm):
    address, texts = farm
    keep(project, texts)
    project("computes", "attach", "farm", address, *SECRETS, "--description", "three machines")
    listed = project("computes", "list").out.splitlines()
    assert [line.split()[0] for line in listed] == ["compute", "local", "in-process", "farm"]
    shown = project("computes", "show", "farm").out
    assert "three machines" in shown
    assert "secret 'DASK_KEY'" in shown
    assert "PRIVATE KEY" not in shown
    assert "3, of which 0 at work; 3 cores" in shown
    assert len(project("computes", "nodes", "farm").out.splitlines()) == 4


def test_nobody_without_the_right_certificates_gets_in(project, farm):
    address, _ = farm
    stranger = Authority("another")
    keep(project, dict(zip(CREDENTIALS, (stranger.ca, *stranger.certify("a stranger")), strict=True)))
    bare = project("computes", "attach", "farm", address, code=1)
    assert "cannot be used without certificates" in bare.err
    set_secret(project, "NONE", "no key")
    odd = project("computes", "attach", "farm", address, *SECRETS[:5], "key=NONE", code=1)
    assert "cannot be used" in odd.err
    refused = project("computes", "attach", "farm", address, *SECRETS, code=1)
    assert f"the Dask cluster at {address} cannot be used" in refused.err
    assert "certificate" in refused.err
    assert project("computes", "list", "--json").json["computes"] == []


def test_a_target_is_changed_and_detached(project, farm):
    address, texts = farm
    keep(project, texts)
    nowhere = "tls://127.0.0.1:9"
    workspace = Workspace.open(project.folder)
    computes = workspace.computes
    handle = computes.attach("farm", nowhere, tags={"team": "a"}, skip_validation=True)
    with pytest.raises(ComputeError, match="cannot be used without certificates"):
        handle.nodes()
    computes.update("farm", secrets={name: f"DASK_{name.upper()}" for name in CREDENTIALS})
    handle = computes.get("farm")
    with pytest.raises(ComputeError, match=f"the Dask cluster at {nowhere} cannot be used: "):
        handle.nodes()
    with pytest.raises(TimeoutError, match="compute target 'farm' is not ready: the Dask cluster"):
        handle.wait(timeout=0)
    shown = project("computes", "show", "farm", "--json").json
    assert shown["nodes"] == []
    assert "cannot be used" in shown["error"]
    with pytest.raises(ConflictError, match="there is a compute target 'FARM' already"):
        computes.attach("FARM", nowhere, skip_validation=True)
    changed = project("computes", "update", "farm", "--address", address, *SECRETS, "--tag", "team=b", "--json").json
    assert (changed["address"], changed["tags"]) == (address, {"team": "b"})
    with pytest.raises(TimeoutError, match="it has 3 nodes of 5"):
        computes.get("farm").wait(nodes=5, timeout=0)
    assert "its cluster goes on" in project("computes", "detach", "farm").out
    with pytest.raises(NotFoundError):
        computes.get("farm")
    with pytest.raises(NotFoundError):
        computes.detach("farm")
    with pytest.raises(UsageError, match="is this machine"):
        computes.get("local")


def test_a_network_that_is_not_protected_is_refused(project):
    project.write(spread=PIPELINE)
    for words in (["run", "spread.py", "--compute", "tcp://10.0.0.1:8786"],
                  ["computes", "attach", "farm", "tcp://10.0.0.1:8786"]):  # fmt: skip
        refused = project(*words, code=2)
        assert "would be neither encrypted nor protected" in refused.err
        assert "--allow-plain" in refused.err
    project("computes", "attach", "farm", "tcp://10.0.0.1:8786", "--allow-plain", "--skip-validation")
    assert project("computes", "list", "--json").json["computes"][0]["allow_plain"] is True
