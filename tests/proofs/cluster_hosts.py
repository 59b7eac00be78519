"""Clusters on what a machine room has: OpenSSH's server on hosts with networks of their own, and SLURM.

`make clusters` installs both from Debian's packages and runs this, as root. What is missing is a failure here.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import alive, wait_for
from e2e.test_computes import SLOW, keeper_of
from e2e.test_dask import PIPELINE
from e2e.test_gangs import STEPS

from pipelinekit import Workspace
from pipelinekit.domain.providers import BatchSystem, SSHHosts

DEMO = Path(__file__).parents[2] / "examples" / "flight_delays"
PROGRAMS = ("ip", "sshd", "ssh-keygen", "munged", "slurmctld", "slurmd", "sbatch", "scancel")
NETWORK = "10.231.7"
SECONDS = 120.0
pytestmark = pytest.mark.timeout(900)


def test_all_programs_are_here():
    assert [name for name in PROGRAMS if shutil.which(name, path=PATH) is None] == [], "see 'make clusters'"
    assert os.getuid() == 0, "networks are made by root alone"


PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def command(*words):
    subprocess.run(words, check=True, env={**os.environ, "PATH": PATH}, stdout=subprocess.DEVNULL)


@contextmanager
def programs(folder):
    """Starts programs, whose words go to a log; they are ended with the block."""
    begun = []

    def start(*words, **variables):
        with (folder / f"{Path(words[0]).name}-{len(begun)}.log").open("w") as log:
            environment = {**os.environ, "PATH": PATH, **variables}
            begun.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment))
        return begun[-1]

    try:
        yield start
    finally:
        for process in reversed(begun):
            process.terminate()
            process.wait(timeout=60)


# -- hosts -------------------------------------------------------------------------------------------------------------


class Namespace:
    """A host with a network of its own and OpenSSH's server in it."""

    def __init__(self, number, folder, start):
        self.folder = folder
        self.address = f"{NETWORK}.{number}"
        self.name, self.outer, self.inner = f"pk-{number}", f"pkout{number}", f"pkin{number}"
        command("ip", "netns", "add", self.name)
        command("ip", "link", "add", self.outer, "type", "veth", "peer", "name", self.inner)
        command("ip", "link", "set", self.inner, "netns", self.name)
        command("ip", "link", "set", self.outer, "master", "pkbridge", "up")
        for words in (
            ["addr", "add", f"{self.address}/24", "dev", self.inner],
            ["link", "set", self.inner, "up"],
            ["link", "set", "lo", "up"],
        ):
            command("ip", "-n", self.name, *words)
        self.known = sshd(folder, self.address, 22, lambda *words: start("ip", "netns", "exec", self.name, *words))

    def cut(self):
        command("ip", "link", "set", self.outer, "down")

    def mend(self):
        command("ip", "link", "set", self.outer, "up")

    def processes(self):
        """What runs there: of a namespace the kernel knows its processes."""
        told = subprocess.run(["ip", "netns", "pids", self.name], check=True, capture_output=True, text=True).stdout
        return [int(pid) for pid in told.split()]

    def nodes(self):
        found = [Path(f"/proc/{pid}/cmdline") for pid in self.processes()]
        words = [path.read_bytes().split(b"\0") for path in found if path.exists()]
        return len([text for text in words if b"pipelinekit.compute.nodes.host" in text])


def sshd(folder, address, port, start):
    """OpenSSH's server at an address; its line of a file of known hosts."""
    os.makedirs("/run/sshd", exist_ok=True)
    command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / f"host-{address}-{port}"))
    settings = folder / f"sshd-{address}-{port}"
    settings.write_text(
        f"ListenAddress {address}\nPort {port}\nHostKey {folder}/host-{address}-{port}\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/key.pub\nStrictModes no\nPermitRootLogin prohibit-password\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    start(shutil.which("sshd", path=PATH), "-D", "-e", "-f", str(settings))
    public = (folder / f"host-{address}-{port}.pub").read_text()
    return f"{address if port == 22 else f'[{address}]:{port}'} {public}"


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Three hosts with networks of their own; the key to them lies in their folder."""
    folder = tmp_path_factory.mktemp("room")
    command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
    command("ip", "link", "add", "name", "pkbridge", "type", "bridge")
    try:
        with programs(folder) as start:
            command("ip", "addr", "add", f"{NETWORK}.1/24", "dev", "pkbridge")
            command("ip", "link", "set", "pkbridge", "up")
            yield [Namespace(number, folder, start) for number in (11, 12, 13)]
    finally:
        for number in (11, 12, 13):
            subprocess.run(["ip", "netns", "del", f"pk-{number}"], check=False, capture_output=True)
            subprocess.run(["ip", "link", "del", f"pkout{number}"], check=False, capture_output=True)
        command("ip", "link", "del", "pkbridge")


@pytest.fixture
def lab(project, room):
    """A project that has the key to the hosts."""
    project.write(spread=PIPELINE, slow=SLOW)
    Workspace.open(project.folder).secrets.set("KEY", (room[0].folder / "key").read_text())
    return project


def provider(hosts, **others):
    known = "".join(host.known for host in hosts)
    return SSHHosts(
        **{"hosts": tuple(host.address for host in hosts), "key_secret": "KEY", "known_hosts": known, **others}
    )


def test_openssh_on_loopback(lab, room, tmp_path):
    (tmp_path / "key.pub").write_text((room[0].folder / "key.pub").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with programs(tmp_path) as start:
        known = sshd(tmp_path, "127.0.0.1", port, start)
        computes = Workspace.open(lab.folder).computes
        where = SSHHosts((f"127.0.0.1:{port}",), key_secret="KEY", known_hosts=known)
        computes.create("pool", max_nodes=2, provider=where)
        try:
            assert lab.run("spread.py", "--compute", "pool")["outputs"] == {"output": 150}
            assert computes.get("pool").keeper.said.address.startswith("tls://127.0.0.1:")
        finally:
            computes.delete("pool")
    assert lab.executed("spread.py") == []


def test_a_host_whose_network_is_cut_is_waited_for_and_its_steps_are_done_elsewhere(lab, room, tmp_path):
    computes = Workspace.open(lab.folder).computes
    computes.create("pool", provider=provider(room), min_nodes=3)
    first = room[0]
    try:
        nodes = computes.get("pool").wait(3)
        assert [host.nodes() for host in room] == [1, 1, 1]
        said = computes.get("pool").keeper.said
        assert said.address.startswith(f"tls://{NETWORK}.1:"), "it listens where hosts reach this machine"
        assert {node.address.split(":")[1] for node in nodes} == {f"//{host.address}" for host in room}
        lost = [pid for pid in first.processes() if b"sshd" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(lost) >= 2
        first.cut()
        assert lab.run("spread.py", "--compute", "pool")["outputs"] == {"output": 150}
        wait_for(lambda: any(first.address in text for text in computes.get("pool").keeper.said.errors), SECONDS)
        wait_for(lambda: not any(alive(pid) for pid in lost), SECONDS)
        first.mend()
        computes.get("pool").wait(3, "3m")
        wait_for(lambda: computes.get("pool").keeper.said.errors == [])
    finally:
        first.mend()
        computes.delete("pool")
    wait_for(lambda: [host.nodes() for host in room] == [0, 0, 0])


def test_the_processes_of_a_step_find_each_other_over_the_network_of_their_hosts(lab, room):
    lab.write(steps=STEPS)
    computes = Workspace.open(lab.folder).computes
    computes.create("pool", provider=provider(room))
    try:
        found = lab.run("steps.py:pairs", "--compute", "pool", "-p", "first=1")
        assert found["outputs"] == {"output": [2, 4, 6]}, found["error"]
    finally:
        computes.delete("pool")


# -- SLURM -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """SLURM with this machine as its only node."""
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    name = socket.gethostname()
    paths = {"StateSaveLocation": "state", "SlurmdSpoolDir": "spool", "SlurmctldPidFile": "slurmctld.pid",
             "SlurmdPidFile": "slurmd.pid", "SlurmctldLogFile": "slurmctld.log", "SlurmdLogFile": "slurmd.log"}  # fmt: skip
    for path in ("state", "spool"):
        (folder / path).mkdir()
    settings = {
        "ClusterName": "room", "SlurmctldHost": f"{name}(127.0.0.1)", "SlurmctldPort": ports[0], "SlurmdPort": ports[1],
        "AuthType": "auth/munge", "AuthInfo": f"socket={folder}/munge.socket", "CredType": "cred/munge",
        "ProctrackType": "proctrack/linuxproc", "TaskPlugin": "task/none", "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core", "SlurmUser": "root", "SlurmdUser": "root", "SwitchType": "switch/none",
        "JobAcctGatherType": "jobacct_gather/none", "MpiDefault": "none", "ReturnToService": 2,
        **{key: folder / path for key, path in paths.items()},
    }  # fmt: skip
    lines = [f"{key}={value}" for key, value in settings.items()]
    lines += [f"NodeName={name} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory=1000 State=UNKNOWN",
              "PartitionName=short Nodes=ALL Default=YES MaxTime=INFINITE State=UP"]  # fmt: skip
    (folder / "slurm.conf").write_text("\n".join(lines) + "\n")
    variables = {"SLURM_CONF": str(folder / "slurm.conf")}
    files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log",
             "seed-file": "munged.seed"}  # fmt: skip
    with programs(folder) as start:
        start("munged", "-F", "--force", *(f"--{key}={folder / path}" for key, path in files.items()))
        wait_for(lambda: (folder / "munge.socket").exists())
        start("slurmctld", "-D", **variables)
        start("slurmd", "-D", **variables)

        def squeue(*words):
            told = subprocess.run(
                ["squeue", "-h", *words], env={**os.environ, **variables}, capture_output=True, text=True
            )
            return None if told.returncode else told.stdout.split()

        wait_for(lambda: squeue() == [])
        os.environ.update(variables)
        yield squeue
        del os.environ["SLURM_CONF"]


def test_jobs_of_slurm_come_as_work_is_queued_and_go(lab, slurm):
    computes = Workspace.open(lab.folder).computes
    batch = (
        "--batch",
        "slurm",
        "--queue",
        "short",
        "--walltime",
        "10:00",
        "--memory",
        "300MB",
        "--scheduler-host",
        "127.0.0.1",
    )
    lab("computes", "create", "pool", "--max-nodes", "2", "--idle-time", "3s", *batch)
    try:
        assert slurm() == [], "where nothing runs, no job is asked for"
        assert lab.run("spread.py", "--compute", "pool")["outputs"] == {"output": 150}
        assert lab.executed("spread.py") == []
        wait_for(lambda: slurm() == [])
        assert computes.update("pool", min_nodes=1).wait()
        (job,) = slurm("-o", "%A")
        command("scancel", job)
        wait_for(lambda: slurm("-o", "%A") not in ([job], []), SECONDS)
        assert computes.get("pool").wait(timeout="2m"), "a job that was ended by others is replaced"
        os.kill(keeper_of(lab), signal.SIGKILL)
        wait_for(lambda: slurm() == [], SECONDS)
    finally:
        computes.delete("pool")
    wait_for(lambda: slurm() == [])


def test_a_step_on_several_jobs_says_that_they_have_not_begun_and_goes_on_once_they_have(lab, slurm):
    lab.write(steps=STEPS)
    workspace, node = Workspace.open(lab.folder), f"NodeName={socket.gethostname()}"
    where = BatchSystem("slurm", scheduler_host="127.0.0.1")
    workspace.computes.create("jobs", max_nodes=2, memory="300MB", provider=where)
    try:
        command("scontrol", "update", node, "State=DRAIN", "Reason=test")
        run = lab.start("run", "steps.py:pairs", "--compute", "jobs", "--json", "-p", "first=1")
        words = "compute target 'jobs' has no node; 2 are to be there, and what was submitted to slurm has not begun"
        wait_for(lambda: any(why.startswith(words) for why in workspace.runs.waits().values()))
        command("scontrol", "update", node, "State=RESUME")
        out, err = run.communicate(timeout=SECONDS)
        assert json.loads(out)["outputs"] == {"output": [2, 4, 6]}, err
    finally:
        workspace.computes.delete("jobs")
    wait_for(lambda: slurm() == [])


def test_what_slurm_refuses_is_told(lab, slurm):
    computes = Workspace.open(lab.folder).computes
    where = BatchSystem("slurm", "nowhere", scheduler_host="127.0.0.1")
    computes.create("pool", max_nodes=1, min_nodes=1, memory="300MB", provider=where)
    try:
        wait_for(lambda: computes.get("pool").keeper.said.errors)
        assert "invalid partition" in lab("computes", "show", "pool").out
    finally:
        computes.delete("pool")


# -- all of them -------------------------------------------------------------------------------------------------------


def test_the_demo_runs_unchanged_on_hosts_and_is_reused_whole_on_every_other_target(lab, room, slurm):
    shutil.copytree(DEMO, lab.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("results", "data", ".*"))
    subprocess.run([sys.executable, "get_data.py"], cwd=lab.folder, check=True, capture_output=True)
    demo = ("pipeline.py", "-p", "iterations=10")
    computes = Workspace.open(lab.folder).computes
    computes.create("hosts", provider=provider(room))
    computes.create("pool", max_nodes=2)
    computes.create("jobs", max_nodes=2, memory="400MB", provider=BatchSystem("slurm", scheduler_host="127.0.0.1"))
    computes.create_instance("lab", cores=2, provider=provider(room[:1]))
    names = ("hosts", "pool", "jobs", "lab")
    try:
        first = lab.run(*demo, "--compute", "hosts")
        assert {step["status"] for step in first["steps"]} == {"Completed"}
        for target in ("local", *names):
            again = lab.run(*demo, "--compute", target)
            assert {step["status"] for step in again["steps"]} == {"Reused"}, target
            assert again["outputs"] == first["outputs"]
        months = [f"prepare_month[{month}]" for month in range(12)]
        for target in ("jobs", "lab", "local"):
            anew = lab.run(*demo, "--compute", target, "--regenerate", "prepare_month*")
            executed = [step["name"] for step in anew["steps"] if step["status"] == "Completed"]
            assert executed == months, f"{target} gives the same bytes, so that all that follows is reused"
            assert json.dumps(anew["outputs"]) == json.dumps(first["outputs"])
    finally:
        for name in names:
            computes.delete(name)
