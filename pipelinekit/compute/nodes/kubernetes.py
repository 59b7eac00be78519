"""Nodes that are pods, each made and looked at by itself, with a secret of the cluster's that holds the certificates.

Dask's operator for Kubernetes keeps schedulers in pods of its own and scales by its own rules, without certificates: a
scheduler in our keeper does not fit into it. What it stands on, kr8s, makes the objects here.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
import kr8s
from distributed import Status
from distributed.deploy.spec import ProcessInterface
from kr8s.asyncio.objects import Pod, Secret

from pipelinekit.compute.nodes.circumstances import DEATH_SECONDS, Circumstances, Made, spec_cluster
from pipelinekit.compute.nodes.hosts import STEADY_SECONDS, Hosts, Place
from pipelinekit.compute.worker import FOLDER
from pipelinekit.domain.computes import CREDENTIALS, Cluster
from pipelinekit.domain.digests import PREFIX, digest
from pipelinekit.domain.providers import Host, KubernetesPods
from pipelinekit.errors import ComputeError

LOOK_SECONDS = 2.0  # between two looks at a pod
KEYS = "/run/pipelinekit"  # where a pod has the certificates
CLUSTER_LABEL, KEEPER_LABEL = "pipelinekit/cluster", "pipelinekit/keeper"
KEEPER = secrets.token_hex(8)  # this process, among those that keep the cluster one after another
GPU = "nvidia.com/gpu"
TROUBLE = (httpx.HTTPError, kr8s.ServerError, kr8s.NotFoundError, kr8s.APITimeoutError, OSError, ValueError)
WIDTH = 500


def make(definition: Cluster, around: Circumstances) -> Made:
    """A cluster whose nodes are pods. Raises ComputeError where they could not get at blobs."""
    provider = definition.provider
    assert isinstance(provider, KubernetesPods)
    if not around.shared:
        raise ComputeError(
            "pods do not see the workspace folder", hint="keep the blobs in an object store (setting 'blobs')"
        )
    front = Hosts([Host(f"namespace {provider.namespace}", "", 22)])
    options = {"front": front, "definition": definition, "around": around}
    return Made(spec_cluster(around, provider.scheduler_host, PodNode, options), front.troubles)


def base_name(around: Circumstances) -> str:
    """What the names of a cluster's objects begin with; no other cluster's do."""
    plain = re.sub(r"[^a-z0-9]+", "-", around.name.lower()).strip("-")[:30].rstrip("-")
    own = digest([str(around.home), around.name.lower()]).removeprefix(PREFIX)[:8]
    return "-".join(filter(None, ("pipelinekit", plain, own)))


def labels_of(around: Circumstances) -> dict[str, str]:
    """By what the objects of a cluster are known."""
    return {"app.kubernetes.io/managed-by": "pipelinekit", CLUSTER_LABEL: base_name(around)}


def secret_document(around: Circumstances) -> dict[str, Any]:
    """The secret with the certificates, as Kubernetes reads it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": base_name(around), "labels": labels_of(around)},
        "type": "Opaque",
        "stringData": {f"{name}.pem": around.certificates[name] for name in CREDENTIALS},
    }


def pod_document(definition: Cluster, around: Circumstances, scheduler: str, name: object) -> dict[str, Any]:
    """A pod, as Kubernetes reads it."""
    provider = definition.provider
    assert isinstance(provider, KubernetesPods)
    amounts = {"cpu": str(definition.cores)}
    if definition.memory:
        amounts["memory"] = str(definition.memory)
    limits = {**amounts, **({GPU: f"{gpus:g}"} if (gpus := definition.resources.get("gpu")) else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{base_name(around)}-{name}-{secrets.token_hex(3)}",
            "labels": {**labels_of(around), KEEPER_LABEL: KEEPER},
        },
        "spec": {
            **provider.pod,
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "node",
                    "image": provider.image,
                    "command": _command(definition, scheduler, name),
                    "env": [{"name": FOLDER, "value": provider.folder}] if provider.folder else [],
                    "resources": {"requests": amounts, "limits": limits},
                    "volumeMounts": [{"name": "certificates", "mountPath": KEYS, "readOnly": True}],
                }
            ],
            "volumes": [
                {"name": "certificates", "secret": {"secretName": base_name(around), "defaultMode": 0o440}},
            ],
        },
    }


def _command(definition: Cluster, scheduler: str, name: object) -> list[str]:
    provider = definition.provider
    assert isinstance(provider, KubernetesPods)
    resources = " ".join(f"{kind}={amount!r}" for kind, amount in definition.node_resources.items())
    files = [word for kind, option in zip(CREDENTIALS, ("ca-file", "cert", "key"), strict=True)
             for word in (f"--tls-{option}", f"{KEYS}/{kind}.pem")]  # fmt: skip
    return [
        *(provider.python or "python", "-m", "distributed.cli.dask_worker", scheduler),
        *("--name", str(name), "--nthreads", str(definition.cores), "--memory-limit", str(definition.memory or "auto")),
        *("--resources", resources, "--death-timeout", str(DEATH_SECONDS), "--nanny", "--no-dashboard"),
        *files,
    ]


def trouble_of(status: Mapping[str, Any]) -> str:
    """Why a pod does not run, from what Kubernetes says of it; empty where it runs, or may yet."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return f"it has no place for a pod: {condition.get('message', '')}"[:WIDTH]
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"a pod waits: {waiting['reason']}: {waiting.get('message', '')}"[:WIDTH]
        if ended:
            return f"a pod has ended: {ended.get('reason', '')} (exit code {ended.get('exitCode')})"
    return f"a pod has ended: {status.get('reason') or status['phase']}" if is_over(status) else ""


def is_over(status: Mapping[str, Any]) -> bool:
    """Whether a pod has ended."""
    return status.get("phase") in ("Failed", "Succeeded")


class PodNode(ProcessInterface):
    """A pod, as a cluster of Dask's starts and ends it."""

    def __init__(self, scheduler: str, name: object, front: Hosts, definition: Cluster, around: Circumstances) -> None:
        super().__init__()
        self._front, self._around = front, around
        self._document = pod_document(definition, around, scheduler, name)
        self._most = definition.max_nodes
        assert isinstance(definition.provider, KubernetesPods)
        self._provider = definition.provider
        self._life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to make the pod; what comes of it is seen later."""
        self._life = asyncio.create_task(self._live())
        await super().start()

    async def close(self) -> None:
        """Delete the pod."""
        if self._life is not None and not self._life.done():
            self._life.cancel()
            await asyncio.wait([self._life])
        await super().close()

    async def _live(self) -> None:
        place = self._front.choose(self._most)
        try:
            await asyncio.sleep(place.pause)
            why = await self._run(place)
        except Exception as error:  # whatever it is, there is no node
            why = (str(error) or type(error).__name__)[:WIDTH]
        finally:
            place.nodes -= 1
        place.failed(why)
        self.status = Status.failed

    async def _run(self, place: Place) -> str:
        api = await kr8s.asyncio.api(namespace=self._provider.namespace, context=self._provider.context or None)
        await self._put_secret(api)
        await self._delete_left(api)
        pod = await Pod(self._document, namespace=self._provider.namespace, api=api)
        await pod.create()
        lived = 0.0
        try:
            while not is_over(pod.raw.get("status") or {}):
                await asyncio.sleep(LOOK_SECONDS)
                await pod.refresh()
                place.trouble = trouble_of(pod.raw.get("status") or {})
                lived += LOOK_SECONDS
            if lived > STEADY_SECONDS:
                place.failures = 0
            return trouble_of(pod.raw["status"])
        finally:
            with suppress(*TROUBLE):
                await pod.delete()

    async def _put_secret(self, api: Any) -> None:
        document = secret_document(self._around)
        found = await Secret(document, namespace=self._provider.namespace, api=api)
        if await found.exists():
            await found.patch({"stringData": document["stringData"]})
        else:
            await found.create()

    async def _delete_left(self, api: Any) -> None:
        """Delete pods of an earlier keeper, which was killed."""
        async for pod in api.async_get(Pod, namespace=self._provider.namespace, label_selector=labels_of(self._around)):
            if pod.labels.get(KEEPER_LABEL) != KEEPER:
                with suppress(kr8s.NotFoundError):
                    await pod.delete()
