"""What providers of nodes make where the systems themselves are not here: scripts of jobs, and objects of Kubernetes."""

import http.server
import json
import re
import subprocess
import sys
import threading
import urllib.parse
from contextlib import contextmanager

import pytest
from certificates import Authority
from conftest import wait_for

from pipelinekit.compute import worker
from pipelinekit.compute.nodes import batch, hosts, kubernetes
from pipelinekit.compute.nodes.circumstances import Circumstances, scheduler_host
from pipelinekit.compute.nodes.making import make_cluster
from pipelinekit.domain.computes import Cluster
from pipelinekit.domain.providers import SYSTEMS, BatchSystem, Host, KubernetesPods
from pipelinekit.errors import ComputeError


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    """A workspace with a cluster's certificates."""
    home = tmp_path_factory.mktemp("work") / ".pipelinekit"
    folder = home / "computes" / "pool"
    folder.mkdir(parents=True)
    authority = Authority("pool")
    texts = dict(zip(("ca", "cert", "key"), (authority.ca, *authority.certify("a member")), strict=True))
    for name, text in texts.items():
        (folder / f"{name}.pem").write_text(text)
    return Circumstances("pool", home, folder, texts, shared=True)


@contextmanager
def kept(definition, around):
    made = make_cluster(definition, around)
    try:
        yield made
    finally:
        made.cluster.close()


@pytest.mark.parametrize(
    ("system", "lines"),
    [
        ("slurm", ["#SBATCH -J pipelinekit-pool", "#SBATCH -p short", "#SBATCH -A lab", "#SBATCH --cpus-per-task=2",
                   "#SBATCH -t 01:00:00", "#SBATCH --gres=gpu:1"]),
        ("pbs", ["#PBS -N pipelinekit-pool", "#PBS -q short", "#PBS -A lab", "#PBS -l walltime=01:00:00", "#PBS --gres=gpu:1"]),
        ("lsf", ["#BSUB -J pipelinekit-pool", "#BSUB -q short", '#BSUB -P "lab"', "#BSUB -n 2", "#BSUB -W 01:00:00"]),
        ("sge", ["#$ -N pipelinekit-pool", "#$ -q short", "#$ -P lab", "#$ -l h_rt=01:00:00"]),
    ],
)  # fmt: skip
def test_a_job_is_asked_for_as_the_system_wants_it_and_names_no_key(around, system, lines):
    provider = BatchSystem(
        system, "short", "lab", "01:00:00", ("--gres=gpu:1",), ("module load python",), "/opt/my python", "/scratch",
        scheduler_host="127.0.0.1",
    )  # fmt: skip
    definition = Cluster(3, cores=2, memory=2**30, resources={"gpu": 1}, provider=provider)
    with kept(definition, around) as made:
        script = made.cluster.job_script()
        assert made.cluster.scheduler_address.startswith("tls://127.0.0.1:")
    for line in lines:
        assert line in script.splitlines()
    shell = "\n".join(line for line in script.splitlines() if line and not line.startswith("#"))
    assert shell.startswith("module load python\nexport PIPELINEKIT_WORKER_FOLDER=/scratch\n'/opt/my python' -m ")
    assert f"--tls-ca-file {around.folder}/ca.pem" in shell
    assert f"--tls-key {around.folder}/key.pem" in shell
    assert "--nthreads 2 --memory-limit 1.00GiB" in shell
    assert "--resources 'cpu=2.0 memory=1073741824.0 gpu=1'" in shell
    assert "PRIVATE KEY" not in script


def test_a_system_whose_commands_are_not_here_is_told_and_left_alone_for_longer_each_time(around, tmp_path):
    provider = BatchSystem("lsf", scheduler_host="127.0.0.1", shared_folder=str(tmp_path / "shared"))
    with kept(Cluster(1, memory=2**30, provider=provider), around) as made:
        made.cluster.scale(1)
        wait_for(made.troubles)
        assert "bsub" in made.troubles()[0]
        assert str(tmp_path / "shared" / "pipelinekit-pool" / "key.pem") in made.cluster.job_script()
    assert oct((tmp_path / "shared" / "pipelinekit-pool" / "key.pem").stat().st_mode)[-3:] == "600"


def test_the_next_node_goes_where_there_are_the_fewest_and_not_where_one_has_just_failed():
    found = hosts.Hosts([Host(name, "", 22) for name in "abc"])
    names = [found.choose(6).host.name for _ in range(6)]
    assert sorted(names) == list("aabbcc")
    found = hosts.Hosts([Host(name, "", 22) for name in "ab"])
    first = found.choose(2)
    first.nodes -= 1
    first.failed("it is away")
    first.failed("it is away")
    assert found.troubles() == ["a: it is away"]
    assert 1 < first.pause <= 2
    assert [found.choose(2).host.name for _ in range(2)] == ["b", "a"], "no host gets more than its share"


def test_an_address_that_all_hosts_see_is_found_or_asked_for():
    assert scheduler_host("10.0.0.9", []) == "10.0.0.9"
    assert scheduler_host("", [("127.0.0.1", 22), ("localhost", 22)]) == "127.0.0.1"
    with pytest.raises(ComputeError, match="in no way that is known"):
        scheduler_host("", [("nowhere.invalid", 22)])


@pytest.mark.parametrize("silent", [True, False])
def test_a_node_on_a_host_ends_when_whoever_started_it_is_gone_whether_or_not_it_is_told(around, silent):
    order = {
        "software": worker.software(), "silence": 1.0 if silent else 600.0, "certificates": dict(around.certificates),
        "home": str(around.home), "mark": "computes/pool/ca.pem", "shared": False, "folder": "", "cores": 1, "memory": 0,
        "resources": {"cpu": 1}, "scheduler": "tls://127.0.0.1:9", "name": 0,
    }  # fmt: skip
    words = [sys.executable, "-P", "-m", "pipelinekit.compute.nodes.host"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, text=True, **pipes) as process:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        if not silent:
            process.stdin.close()
        process.wait(timeout=60)
        assert process.stdout.read() == "", "it neither lived nor was refused"


# -- Kubernetes --------------------------------------------------------------------------------------------------------

PODS = KubernetesPods(
    "registry.example/steps:1", "127.0.0.1", "ml", folder="/scratch", pod={"serviceAccountName": "steps"}
)


ABOUT = {
    "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": f"{name}s", "singularName": name, "namespaced": True, "kind": name.title(), "verbs": ["create"]}
            for name in ("pod", "secret")
        ],
    },
}


class Kubernetes(http.server.ThreadingHTTPServer):
    """As much of the API of Kubernetes as pods and secrets take, in memory. What is made of pods, a test says."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.objects = {}
        self.asked = []
        self.status = {"phase": "Pending"}
        self.refused = ""


class _Answers(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0].rstrip("/")
        kube = self.server
        kube.asked.append((self.command, path))
        found = re.fullmatch(r"/api/v1/namespaces/ml/(pods|secrets)(?:/[^/]+)?", path)
        if found is None:
            return self.send(200, ABOUT[path]) if path in ABOUT else self.send(404, {"code": 404, "message": path})
        kind = found[1]
        if kube.refused and self.command == "POST":
            return self.send(403, {"kind": "Status", "message": kube.refused, "code": 403})
        if self.command == "POST":
            document = json.loads(body)
            kube.objects[kind, document["metadata"]["name"]] = document
            return self.send(201, document)
        key = kind, path.rpartition("/")[2]
        if self.command == "GET" and path.endswith(kind):
            asked = urllib.parse.parse_qs(self.path.partition("?")[2])["labelSelector"][0].split(",")
            return self.send(200, {"kind": "List", "items": [item for item in made_of(kube, kind) if has(item, asked)]})
        if key not in kube.objects:
            return self.send(404, {"kind": "Status", "message": "not found", "code": 404})
        if self.command == "DELETE":
            return self.send(200, kube.objects.pop(key))
        status = {"status": kube.status} if kind == "pods" else {}
        return self.send(200, {**kube.objects[key], **status})

    def send(self, code, document):
        text = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def kube(tmp_path, monkeypatch):
    server = Kubernetes()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    yield server
    server.shutdown()
    server.server_close()


def has(document, labels):
    return all(document["metadata"]["labels"].get(text.partition("=")[0]) == text.partition("=")[2] for text in labels)


def made_of(kube, kind):
    return [document for (found, _), document in list(kube.objects.items()) if found == kind]


def test_a_node_is_a_pod_that_is_made_and_deleted_with_it(around, kube):
    definition = Cluster(2, cores=2, memory=2**30, resources={"gpu": 1}, provider=PODS)
    others = Circumstances("p-ool", around.home, around.folder, around.certificates, shared=True)
    for name, whose in (("left", around), ("other", others)):
        document = kubernetes.pod_document(definition, whose, "tls://gone:1", 0)
        document["metadata"]["labels"]["pipelinekit/keeper"] = "one that was killed"
        kube.objects["pods", name] = {**document, "metadata": {**document["metadata"], "name": name}}
    with kept(definition, around) as made:
        address = made.cluster.scheduler_address
        made.cluster.scale(1)
        wait_for(lambda: ("pods", "left") not in kube.objects and len(made_of(kube, "pods")) == 2)
        pod = next(item for item in made_of(kube, "pods") if item["metadata"]["name"] != "other")
        (secret,) = made_of(kube, "secrets")
        kube.status = {
            "phase": "Pending",
            "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}],
        }
        wait_for(made.troubles)
        assert made.troubles() == ["namespace ml: a pod waits: ErrImagePull: no such image"]
        made.cluster.scale(0)
        wait_for(lambda: [item["metadata"]["name"] for item in made_of(kube, "pods")] == ["other"])
    assert set(secret["stringData"]) == {"ca.pem", "cert.pem", "key.pem"}
    assert secret["metadata"]["labels"].items() <= pod["metadata"]["labels"].items()
    assert pod["metadata"]["labels"]["pipelinekit/cluster"] == secret["metadata"]["name"]
    assert secret["metadata"]["name"].startswith("pipelinekit-pool-")
    (container,) = pod["spec"]["containers"]
    assert container["command"][:4] == ["python", "-m", "distributed.cli.dask_worker", address]
    assert "/run/pipelinekit/key.pem" in container["command"]
    assert container["env"] == [{"name": "PIPELINEKIT_WORKER_FOLDER", "value": "/scratch"}]
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "1073741824"},
        "limits": {"cpu": "2", "memory": "1073741824", "nvidia.com/gpu": "1"},
    }
    assert pod["spec"]["serviceAccountName"] == "steps"
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["volumes"][0]["secret"]["secretName"] == secret["metadata"]["name"]
    assert "PRIVATE KEY" not in json.dumps(pod)


def test_what_kubernetes_refuses_and_how_pods_end_is_told(around, kube):
    kube.refused = "pods is forbidden: quota"
    with kept(Cluster(1, provider=PODS), around) as made:
        made.cluster.scale(1)
        wait_for(made.troubles)
        assert "quota" in made.troubles()[0]
    assert kubernetes.trouble_of({"phase": "Running"}) == ""
    unplaced = {"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert (
        kubernetes.trouble_of({"phase": "Pending", "conditions": [unplaced]}) == "it has no place for a pod: 0/3 nodes"
    )
    killed = {"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
    assert (
        kubernetes.trouble_of({"phase": "Failed", "containerStatuses": [killed]})
        == "a pod has ended: OOMKilled (exit code 137)"
    )
    assert kubernetes.trouble_of({"phase": "Failed", "reason": "Evicted"}) == "a pod has ended: Evicted"


def test_pods_need_blobs_in_an_object_store(around):
    alone = Circumstances("pool", around.home, around.folder, around.certificates)
    with pytest.raises(ComputeError, match="pods do not see the workspace folder"):
        make_cluster(Cluster(1, provider=PODS), alone)


def test_every_batch_system_that_can_be_named_is_there():
    assert set(batch.CLUSTERS) == set(SYSTEMS)
