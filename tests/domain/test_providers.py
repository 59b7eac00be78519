"""Where nodes may run: hosts as they are written, and what is refused, with every fault at once."""

import pytest

from pipelinekit.domain.computes import Cluster, ComputeTarget, Instance
from pipelinekit.domain.providers import BatchSystem, Host, KubernetesPods, Processes, SSHHosts
from pipelinekit.errors import UsageError
from pipelinekit.wire.computes import compute_document, compute_from_document, definition_from_json, definition_to_json

PODS = KubernetesPods("registry.example/steps:1", "10.0.0.1", "ml", pod={"serviceAccountName": "steps"})
BATCH = BatchSystem("slurm", "short", "lab", "01:00:00", ("--gres=gpu:1",), ("module load python",))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("farm", Host("farm", "all", 2222)),
        ("me@farm-1.example:22", Host("farm-1.example", "me", 22)),
        ("10.0.0.1", Host("10.0.0.1", "all", 2222)),
        ("::1", Host("::1", "all", 2222)),
        ("me@[fe80::1]:23", Host("fe80::1", "me", 23)),
        ("[::1]", Host("::1", "all", 2222)),
    ],
)
def test_hosts_as_they_are_written(text, host):
    assert SSHHosts((text,), "all", 2222).reached() == [host]


@pytest.mark.parametrize(
    "text", ["", "-farm", "a b", "@farm", "me@", "a@b@c", "farm:", "farm:0", "farm:65536", "farm:x", "farm;ls", "[::1", "[::1]x",
             "[farm]", "farm:²", "me;ls@farm", "farm/"],
)  # fmt: skip
def test_what_names_no_host_is_refused(text):
    with pytest.raises(UsageError, match="is not written as"):
        Cluster(1, provider=SSHHosts((text,)))


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (SSHHosts(()), ["there are no hosts"]),
        (SSHHosts(("a", "me@a:22", "b:2")), ["host a is named twice"]),
        (SSHHosts(("a",), "x y", 0, python="a\nb", folder="here", scheduler_host="a b"),
         ["0 is no port", "'x y' names no user", r"'a\nb' is no program", "'here' is no absolute path", "'a b' is no address"]),
        (BatchSystem("cron", "a\nb", directives=("x\ny",), log_folder="logs"),
         ["'cron' is no batch system (slurm,", r"'a\nb' is not one line", r"'x\ny' is not one line", "'logs' is no absolute", "must be told the memory"]),
        (KubernetesPods("", "", "A b", pod={"containers": []}),
         ["'' names no image", "'A b' names no namespace", "'containers' of a pod is ours", "at which address"]),
    ],
)  # fmt: skip
def test_providers_that_there_cannot_be_are_refused_with_every_fault(provider, words):
    with pytest.raises(UsageError) as refused:
        Cluster(0, provider=provider)
    for text in ["max_nodes 0 is no number of nodes", *words]:
        assert text in refused.value.message


def test_an_instance_is_one_machine():
    assert Instance(4, provider=SSHHosts(("farm",))).cluster == Cluster(1, 1, 0.0, 4, provider=SSHHosts(("farm",)))
    for provider, words in (
        (SSHHosts(("a", "b")), "one host"),
        (BATCH, "cannot be provided by slurm"),
        (PODS, "Kubernetes"),
    ):
        with pytest.raises(UsageError, match=words):
            Instance(4, 2**30, provider=provider)
    with pytest.raises(UsageError, match=r"cores 0 is no number of cores.* -1 is less than 0"):
        Instance(0, idle_seconds_before_shutdown=-1)


@pytest.mark.parametrize(
    "definition",
    [
        Cluster(4, 1, 60.0, 2, 2**30, {"gpu": 1.0}, SSHHosts(("a", "me@b"), "all", 23, "KEY", "a ssh-ed25519 AAAA\n", "/py", "/tmp/x", "10.0.0.1")),
        Cluster(4, memory=2**30, provider=BATCH),
        Cluster(4, provider=PODS),
        Instance(4, 2**30, {"gpu": 1.0}, 600.0),
        Instance(4, provider=SSHHosts(("a",))),
    ],
)  # fmt: skip
def test_definitions_are_read_as_they_were_written(definition):
    target = ComputeTarget("pool", definition, "what", {"a": "b"}, 1.0)
    assert definition_from_json(target.kind, definition_to_json(definition)) == definition
    assert compute_from_document(compute_document(target)) == target


def test_definitions_from_before_there_were_providers_are_read():
    old = {
        "min_nodes": 0,
        "max_nodes": 2,
        "idle_seconds_before_scaledown": 1.0,
        "cores": 1,
        "memory": 0,
        "resources": {},
    }
    assert definition_from_json("cluster", old) == Cluster(2, 0, 1.0, provider=Processes())
    assert definition_to_json(definition_from_json("cluster", old)) == old, "and written as they were"
