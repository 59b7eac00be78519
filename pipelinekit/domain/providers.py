"""Providers: where the nodes of a cluster of the workspace's own run, and what it takes to start one there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import field, frozen

PROCESSES, SSH, BATCH, KUBERNETES = "processes", "ssh", "batch", "kubernetes"
SYSTEMS = ("slurm", "pbs", "lsf", "sge")  # of those that dask-jobqueue knows
SSH_PORT = 22
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?")  # as Kubernetes names things
_OURS = ("containers", "volumes", "restartPolicy")
_DIGITS = re.compile(r"[0-9A-Fa-f:.]+")


@frozen
class Host:
    """A host to be reached by SSH."""

    name: str
    user: str
    port: int

    def __str__(self) -> str:
        return self.name if self.port == SSH_PORT else f"{self.name}:{self.port}"


@frozen
class Processes:
    """Nodes are processes on the machine whose process keeps the cluster."""

    kind = PROCESSES
    secrets = ()

    def faults(self) -> list[str]:
        """What is wrong with it, in words."""
        return []

    def __str__(self) -> str:
        return "this machine"


@frozen
class SSHHosts:
    """Nodes are processes on hosts that are reached by SSH, spread evenly over them.

    A host is written `[USER@]HOST[:PORT]`, where `user` and `port` are not those of all. The workspace's secret
    `key_secret` holds the private key; without it, keys and agent are those of the user who keeps the cluster.
    `known_hosts` is the text of such a file; without it, the user's own counts. A host key that neither names is
    refused. `python` is the program with pipelinekit, by default that of this process. `folder` is a folder of the
    hosts' own, where they do not see the workspace's. `scheduler_host` is this machine's address as the hosts see it.
    """

    kind = SSH
    hosts: Sequence[str]
    user: str = ""
    port: int = SSH_PORT
    key_secret: str = ""
    known_hosts: str = ""
    python: str = ""
    folder: str = ""
    scheduler_host: str = ""

    def faults(self) -> list[str]:
        """What is wrong with it, in words."""
        found = [f"{text!r} is not written as [USER@]HOST[:PORT]" for text in self.hosts if _host(text) is None]
        seen = [str(host) for host in self.reached()]
        found += [f"host {name} is named twice" for name in dict.fromkeys(seen) if seen.count(name) > 1]
        if not self.hosts:
            found.append("there are no hosts")
        if not 0 < self.port < 65536:
            found.append(f"{self.port} is no port")
        if self.user and not _NAME.fullmatch(self.user):
            found.append(f"{self.user!r} names no user")
        return [*found, *_common_faults(self.python, self.folder, self.scheduler_host)]

    def reached(self) -> list[Host]:
        """The hosts, each with its user and port."""
        return [host for text in self.hosts if (host := _host(text, self.user, self.port))]

    @property
    def secrets(self) -> Sequence[str]:
        """The names of the workspace's secrets that it takes."""
        return (self.key_secret,) if self.key_secret else ()

    def __str__(self) -> str:
        return f"SSH: {', '.join(self.hosts)}"


@frozen
class BatchSystem:
    """Nodes are jobs of a batch system, submitted with its own commands on the machine that keeps the cluster.

    `directives` are lines for the system at the head of a job's script, without their prefix; `prologue` are lines for
    the shell before the node begins. Their machines see the workspace's folder, or have blobs from an object store and
    a `folder` of their own; the certificates are read from `shared_folder`, by default the workspace's.
    """

    kind = BATCH
    secrets = ()
    system: str
    queue: str = ""
    account: str = ""
    walltime: str = ""
    directives: Sequence[str] = ()
    prologue: Sequence[str] = ()
    python: str = ""
    folder: str = ""
    shared_folder: str = ""
    log_folder: str = ""
    scheduler_host: str = ""

    def faults(self) -> list[str]:
        """What is wrong with it, in words."""
        lines = [self.queue, self.account, self.walltime, *self.directives, *self.prologue]
        return [
            *([] if self.system in SYSTEMS else [f"{self.system!r} is no batch system ({', '.join(SYSTEMS)})"]),
            *(f"{text!r} is not one line" for text in lines if not _is_line(text)),
            *_folder_faults((self.shared_folder, self.log_folder)),
            *_common_faults(self.python, self.folder, self.scheduler_host),
        ]

    def __str__(self) -> str:
        return f"{self.system}{f' queue {self.queue}' if self.queue else ''}"


@frozen
class KubernetesPods:
    """Nodes are pods of an image that has pipelinekit; blobs come from an object store.

    `context` chooses from the user's kubeconfig. `pod` is merged into the specification of each pod: a service account,
    tolerations, what selects nodes. `scheduler_host` is this machine's address as pods see it.
    """

    kind = KUBERNETES
    secrets = ()
    image: str
    scheduler_host: str
    namespace: str = "default"
    context: str = ""
    python: str = ""
    folder: str = ""
    pod: Mapping[str, object] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """What is wrong with it, in words."""
        return [
            *([] if self.image.strip() and _is_line(self.image) else [f"{self.image!r} names no image"]),
            *([] if _LABEL.fullmatch(self.namespace) else [f"{self.namespace!r} names no namespace"]),
            *(f"{name!r} of a pod is ours to say" for name in self.pod if name in _OURS),
            *([] if self.scheduler_host else ["pods must be told at which address of this machine the scheduler is"]),
            *_common_faults(self.python, self.folder, self.scheduler_host),
        ]

    def __str__(self) -> str:
        return f"Kubernetes, namespace {self.namespace}"


Provider = Processes | SSHHosts | BatchSystem | KubernetesPods


def _host(text: str, user: str = "", port: int = SSH_PORT) -> Host | None:
    """A host as it is written; None where it is not written so."""
    own_user, at, place = text.rpartition("@")
    name, own_port = place, str(port)
    if place.startswith("["):
        name, closed, rest = place[1:].partition("]")
        if not closed:
            return None
        if rest.startswith(":"):
            own_port = rest[1:]
        elif rest:
            return None
        named = bool(_DIGITS.fullmatch(name)) and ":" in name
    elif place.count(":") > 1:
        named = bool(_DIGITS.fullmatch(place))
    else:
        name, colon, last = place.partition(":")
        own_port = last if colon else own_port
        named = bool(_NAME.fullmatch(name))
    if not named or not own_port.isascii() or not own_port.isdigit() or not 0 < int(own_port[:6]) < 65536:
        return None
    if at and not _NAME.fullmatch(own_user):
        return None
    return Host(name, own_user or user, int(own_port))


def _common_faults(python: str, folder: str, scheduler_host: str) -> list[str]:
    return [
        *([] if _is_line(python) else [f"{python!r} is no program"]),
        *_folder_faults((folder,)),
        *(
            [f"{scheduler_host!r} is no address of this machine"]
            if scheduler_host and not (_NAME.fullmatch(scheduler_host) or _DIGITS.fullmatch(scheduler_host))
            else []
        ),
    ]


def _folder_faults(folders: Iterable[str]) -> list[str]:
    return [
        f"{folder!r} is no absolute path of a folder"
        for folder in folders
        if folder and not (folder.startswith("/") and _is_line(folder))
    ]


def _is_line(text: str) -> bool:
    return text.isprintable()
