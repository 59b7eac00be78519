"""Which compute targets there may be: names, addresses, certificates."""

import pytest

from pipelinekit.domain.computes import (
    Attached,
    Cluster,
    ComputeTarget,
    KeeperState,
    Keeping,
    check_address,
    check_compute_name,
    why_fewer,
)
from pipelinekit.domain.providers import BatchSystem
from pipelinekit.errors import UsageError

PEM = {"ca": "CA", "cert": "CERT", "key": "KEY"}


@pytest.mark.parametrize("name", ["local", "LOCAL", "in-process", "", "a/b", "tcp://a:1", 3])
def test_names_that_no_target_may_have(name):
    with pytest.raises(UsageError, match=r"reserved|not allowed"):
        check_compute_name(name)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:8786",
        "tcp://127.8.0.1:1",
        "tcp://localhost:8786",
        "tcp://[::1]:8786",
        "tls://farm.example:8786",
        "tls://10.0.0.1:1",
        "inproc://1.2.3.4/5/6",
    ],
)
def test_addresses_that_need_no_permission(address):
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "farm", "tcp://", "tcp://farm", "http://farm:1", "tcp://:1", "tcp://farm:x", "tcp://farm:99999", "tls://farm:0",
     "tls://me:word@farm:1", "tls://farm:1/x", "tls://farm:1?x", "tls://farm:1#x", "TCP://farm:1", " tls://farm:1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="is not the address of a Dask scheduler"):
        check_address(address)


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.1:8786", "tcp://farm:8786", "tcp://localhost.evil:1", "tcp://[::2]:1"]
)
def test_beyond_this_machine_it_takes_tls_or_permission(address):
    with pytest.raises(UsageError, match="neither encrypted nor protected"):
        check_address(address)
    assert check_address(address, allow_plain=True) == address


@pytest.mark.parametrize(
    ("address", "secrets", "words"),
    [
        ("tls://farm:1", {"password": "P"}, "takes no secret 'password'"),
        ("tcp://localhost:1", PEM, "certificates are for TLS"),
        ("tls://farm:1", {"ca": "CA"}, "incomplete without cert, key"),
    ],
)
def test_certificates_that_do_not_fit_are_refused(address, secrets, words):
    with pytest.raises(UsageError, match=words):
        Attached(address, secrets)
    assert ComputeTarget("farm", Attached("tls://farm:1", PEM)).kind == "attached"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_nodes": 0}, "max_nodes 0 is no number of nodes"),
        ({"max_nodes": 2.5}, "max_nodes 2.5 is no number of nodes"),
        ({"max_nodes": 2, "min_nodes": -1}, "min_nodes -1 is no number of nodes"),
        ({"max_nodes": 2, "min_nodes": 3}, "min_nodes 3 is more than max_nodes 2"),
        ({"max_nodes": 2, "cores": 0}, "cores 0 is no number of cores"),
        ({"max_nodes": 2, "idle_seconds_before_scaledown": -1}, "is less than 0"),
        ({"max_nodes": 2, "resources": {"gpu": 0}}, "gpu 0 is no amount"),
        ({"max_nodes": 2, "resources": {"cpu": 4}}, "'cpu' follows from cores and memory"),
        ({"max_nodes": True, "cores": "x"}, "max_nodes True is no number of nodes; cores 'x' is no number of cores"),
    ],
)
def test_clusters_that_there_cannot_be_are_refused_with_every_fault(given, words):
    with pytest.raises(UsageError, match=words):
        Cluster(**given)


def test_what_steps_can_ask_of_a_node():
    assert Cluster(2, cores=4, memory=2**30, resources={"gpu": 1}).node_resources == {
        "cpu": 4.0,
        "memory": float(2**30),
        "gpu": 1,
    }
    assert Cluster(2).node_resources == {"cpu": 1.0}


ERRORS = [f"host {number}: Connection refused" for number in range(5)]


@pytest.mark.parametrize(
    ("state", "there", "needed", "words"),
    [
        (KeeperState(), 0, 1, "is stopped; 'pipelinekit computes start pool' starts it"),
        (KeeperState(True, False), 0, 1, "has lost the process that kept it, which is started again"),
        (KeeperState(True, True), 0, 1, "is being started"),
        (KeeperState(True, True, Keeping("tls://a:1", {}, 1)), 0, 1, "has no node; 1 is to be there, and none has come yet"),
        (KeeperState(True, True, Keeping("tls://a:1", {}, 2, errors=ERRORS[:1])), 1, 2,
         f"has 1 node of 2 that a step asks for; 2 are to be there: {ERRORS[0]} (see 'pipelinekit computes show pool')"),
        (KeeperState(True, True, Keeping("tls://a:1", {}, 5, errors=ERRORS)), 0, 1,
         f"has no node; 5 are to be there: {'; '.join(ERRORS[:3])}; and 2 more (see 'pipelinekit computes show pool')"),
    ],
)  # fmt: skip
def test_why_a_cluster_has_fewer_nodes_than_a_step_needs_is_told_with_what_to_do(state, there, needed, words):
    assert why_fewer(ComputeTarget("pool", Cluster(5)), state, there, needed) == words


def test_what_a_batch_system_has_not_begun_is_to_be_asked_of_it():
    jobs = ComputeTarget("jobs", Cluster(2, memory=10**9, provider=BatchSystem("slurm")))
    told = why_fewer(jobs, KeeperState(True, True, Keeping("tls://a:1", {}, 1)), 0, 1)
    assert told.endswith("what was submitted to slurm has not begun: its own list of jobs says why")
