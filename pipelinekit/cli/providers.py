"""Options of `computes create` that say where nodes run, and what is shown of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pipelinekit.domain.providers import SSH_PORT, SYSTEMS, BatchSystem, KubernetesPods, Processes, Provider, SSHHosts
from pipelinekit.errors import UsageError

# Options that only one kind of provider takes, each with the option that chooses the kind.
BELONGS = {
    "ssh_user": "ssh_host",
    "ssh_port": "ssh_host",
    "ssh_key_secret": "ssh_host",
    "ssh_known_hosts": "ssh_host",
    "queue": "batch",
    "account": "batch",
    "walltime": "batch",
    "directive": "batch",
    "prologue": "batch",
    "shared_folder": "batch",
    "log_folder": "batch",
    "namespace": "image",
    "context": "image",
    "pod": "image",
}
CHOICES = ("ssh_host", "batch", "image")


def add_provider_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    ssh = parser.add_argument_group("nodes on hosts by SSH")
    ssh.add_argument(
        "--ssh-host", action="append", metavar="[USER@]HOST[:PORT]", help="a host for nodes; may be given often"
    )
    ssh.add_argument("--ssh-user", metavar="USER", help="the user on hosts that name none; who keeps the cluster")
    ssh.add_argument("--ssh-port", type=int, metavar="PORT", help=f"the port of hosts that name none; {SSH_PORT}")
    ssh.add_argument("--ssh-key-secret", metavar="SECRET", help="the workspace's secret that holds the private key")
    ssh.add_argument("--ssh-known-hosts", metavar="FILE", help="host keys; those that the user knows by default")
    batch = parser.add_argument_group("nodes as jobs of a batch system")
    batch.add_argument("--batch", choices=SYSTEMS, help="the system, whose commands this machine has")
    batch.add_argument("--queue", metavar="NAME", help="its queue or partition")
    batch.add_argument("--account", metavar="NAME", help="whom it is charged to")
    batch.add_argument("--walltime", metavar="TIME", help="how long a job may take, as the system writes it")
    batch.add_argument("--directive", action="append", metavar="TEXT", help="a directive of the job, without prefix")
    batch.add_argument(
        "--prologue", action="append", metavar="LINE", help="a line for the shell before the node begins"
    )
    batch.add_argument("--shared-folder", metavar="FOLDER", help="where nodes read certificates; the workspace's")
    batch.add_argument("--log-folder", metavar="FOLDER", help="where the system writes what jobs print")
    pods = parser.add_argument_group("nodes as pods of Kubernetes")
    pods.add_argument("--image", metavar="IMAGE", help="the image of pods, which has pipelinekit")
    pods.add_argument("--namespace", metavar="NAME", help="where pods are made; default")
    pods.add_argument("--context", metavar="NAME", help="of the kubeconfig")
    pods.add_argument("--pod", metavar="FILE", help="JSON that is merged into the specification of each pod")
    common = parser.add_argument_group("nodes elsewhere")
    common.add_argument("--python", metavar="PROGRAM", help="Python there, with pipelinekit; the same path as here")
    common.add_argument("--folder", metavar="FOLDER", help="a folder of nodes' own, with blobs in an object store")
    common.add_argument("--scheduler-host", metavar="ADDRESS", help="this machine as nodes see it; found by itself")


def provider_of(arguments: argparse.Namespace) -> Provider:
    """The provider that the options name. Raises UsageError for those that do not belong together."""
    chosen = [name for name in CHOICES if getattr(arguments, name)]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(map(_option, chosen))}: nodes run in one place", hint="give one of them")
    given = {name: getattr(arguments, name) for name in BELONGS if getattr(arguments, name) is not None}
    if odd := [name for name in given if BELONGS[name] not in chosen]:
        raise UsageError(f"{_option(odd[0])} is of no use without {_option(BELONGS[odd[0]])}")
    common = {name: getattr(arguments, name) or "" for name in ("python", "folder", "scheduler_host")}
    if not chosen:
        if odd := [name for name, text in common.items() if text]:
            raise UsageError(f"{_option(odd[0])} is for nodes on other machines", hint="name some with --ssh-host")
        return Processes()
    if chosen == ["ssh_host"]:
        return _hosts(arguments, common)
    if chosen == ["batch"]:
        return BatchSystem(
            arguments.batch,
            arguments.queue or "",
            arguments.account or "",
            arguments.walltime or "",
            tuple(arguments.directive or ()),
            tuple(arguments.prologue or ()),
            shared_folder=arguments.shared_folder or "",
            log_folder=arguments.log_folder or "",
            **common,
        )
    return KubernetesPods(
        arguments.image,
        namespace=arguments.namespace or "default",
        context=arguments.context or "",
        pod=_pod(arguments.pod),
        **common,
    )


def _hosts(arguments: argparse.Namespace, common: dict[str, str]) -> SSHHosts:
    return SSHHosts(
        tuple(arguments.ssh_host),
        arguments.ssh_user or "",
        SSH_PORT if arguments.ssh_port is None else arguments.ssh_port,
        arguments.ssh_key_secret or "",
        _text(arguments.ssh_known_hosts) if arguments.ssh_known_hosts else "",
        **common,
    )


def _pod(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(_text(path))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no JSON object", hint='{"serviceAccountName": "steps"}')
    return found


def _text(path: str) -> str:
    try:
        found = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not found.strip():
        raise UsageError(f"{path} is empty")
    return found


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def provider_rows(provider: Provider) -> list[tuple[str, str]]:
    """What is shown of a provider, as rows."""
    return [
        ("provider", str(provider)),
        *((f"  {name.replace('_', ' ')}", text) for name in SHOWN if (text := _shown(provider, name))),
    ]


SHOWN = ("user", "key_secret", "known_hosts", "account", "walltime", "image", "python", "folder", "scheduler_host")


def _shown(provider: Provider, name: str) -> str:
    value = str(getattr(provider, name, "") or "")
    if name == "known_hosts" and isinstance(provider, SSHHosts):
        return f"{len(value.splitlines())} lines of its own" if value else "those of the user"
    return f"secret {value!r}" if name == "key_secret" and value else value
