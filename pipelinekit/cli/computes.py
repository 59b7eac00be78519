"""`pipelinekit computes`: create, attach, list, show, nodes, wait, start, stop, update, delete, detach, keep."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli.datastores import pairs
from pipelinekit.cli.ending import Ending, on_signals
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.providers import add_provider_arguments, provider_of, provider_rows
from pipelinekit.cli.servers import open_services, refuse_at_server
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.computes import (
    ATTACHED,
    BUILT_IN,
    CREDENTIALS,
    IDLE_SECONDS,
    INSTANCE,
    Attached,
    Definition,
    Instance,
    Node,
)
from pipelinekit.domain.providers import Processes
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.texts import counted, seconds_text, size_text
from pipelinekit.errors import ComputeError, UsageError
from pipelinekit.wire.computes import compute_document, keeping_to_json, nodes_document
from pipelinekit.workspace.computes import ComputeHandle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `computes`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    if arguments.verb == "keep":
        refuse_at_server(f"computes {arguments.verb}")
    return VERBS[arguments.verb][2](arguments, open_services(create=arguments.verb in ("create", "attach")))


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the compute target's name")


def _none(_: argparse.ArgumentParser) -> None:
    """No arguments."""


def _described(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--description", metavar="TEXT", help="what it is")
    parser.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="a tag; may be given often")


def _secrets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--secret",
        action="append",
        metavar="NAME=SECRET",
        help=f"the workspace's secret that holds a PEM text for TLS ({', '.join(CREDENTIALS)})",
    )


def _scale(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-nodes", type=int, metavar="COUNT", help="nodes that there may be; as many as SSH hosts")
    parser.add_argument("--min-nodes", type=int, metavar="COUNT", help="nodes that there are always; 0")
    parser.add_argument(
        "--idle-time",
        metavar="DURATION",
        help="after which a node that nothing needs is given back (90s, 30m; 30m), or an instance stops (never)",
    )


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument("--instance", action="store_true", help="one machine, for several steps at once")
    _scale(parser)
    parser.add_argument("--cores", type=int, metavar="COUNT", help="cores of a node; 1, an instance has all")
    parser.add_argument("--memory", default="0", metavar="SIZE", help="memory of a node: 4GiB; its share")
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        metavar="NAME=AMOUNT",
        help="what else a node has: gpu=1",
    )
    parser.add_argument("--dashboard", action="store_true", help="serve Dask's own pages, to this machine")
    _described(parser)
    add_provider_arguments(parser)


def _create(arguments: argparse.Namespace, services: Services) -> int:
    common: dict[str, Any] = {
        "memory": arguments.memory,
        "resources": {name: _amount(name, text) for name, text in pairs(arguments.resource, "resource").items()},
        "provider": provider_of(arguments),
        "description": arguments.description or "",
        "tags": _tags(arguments) or {},
    }
    if arguments.instance:
        if arguments.max_nodes is not None or arguments.min_nodes is not None:
            raise UsageError("an instance is one machine: it takes no number of nodes", hint="leave out --instance")
        if arguments.dashboard:
            raise UsageError("an instance has no dashboard", hint="leave out --instance, or --dashboard")
        idle = arguments.idle_time or 0.0
        handle = services.computes.create_instance(
            arguments.name, cores=arguments.cores, idle_seconds_before_shutdown=idle, **common
        )
    else:
        handle = services.computes.create(
            arguments.name,
            max_nodes=arguments.max_nodes,
            min_nodes=arguments.min_nodes or 0,
            idle_seconds_before_scaledown=IDLE_SECONDS if arguments.idle_time is None else arguments.idle_time,
            cores=1 if arguments.cores is None else arguments.cores,
            dashboard=arguments.dashboard,
            **common,
        )
    return _say(arguments, handle, f"compute target {handle.name} is created; use it with --compute {handle.name}")


def _amount(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"resource {name!r} has no amount: {text!r}", hint="write it as gpu=1") from None


def _attach_arguments(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument("address", metavar="ADDRESS", help="of a Dask scheduler: tls://HOST:PORT or tcp://HOST:PORT")
    _secrets(parser)
    _described(parser)
    parser.add_argument(
        "--allow-plain", action="store_true", help="it may be on another machine without TLS: you trust the network"
    )
    parser.add_argument("--skip-validation", action="store_true", help="do not look whether it can be used")


def _attach(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.attach(
        arguments.name,
        arguments.address,
        secrets=pairs(arguments.secret or [], "secret"),
        allow_plain=arguments.allow_plain,
        description=arguments.description or "",
        tags=_tags(arguments) or {},
        skip_validation=arguments.skip_validation,
    )
    return _say(arguments, handle, f"compute target {handle.name} is attached; use it with --compute {handle.name}")


def _update_arguments(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    _scale(parser)
    parser.add_argument("--address", metavar="ADDRESS", help="another address of an attached cluster's scheduler")
    _secrets(parser)
    _described(parser)
    parser.add_argument(
        "--allow-plain", action=argparse.BooleanOptionalAction, help="whether it may be elsewhere without TLS"
    )
    parser.add_argument(
        "--dashboard", action=argparse.BooleanOptionalAction, help="Dask's own pages, from its next start on"
    )
    parser.add_argument(
        "--max-runs", type=int, metavar="COUNT", help="runs that may be under way on it at once; 0 for no limit"
    )


def _update(arguments: argparse.Namespace, services: Services) -> int:
    if arguments.name in BUILT_IN and arguments.max_runs is not None:
        services.computes.limit_runs(arguments.name, arguments.max_runs)
        document = {"name": arguments.name, "max_runs": arguments.max_runs}
        print_json(document) if arguments.json else print(f"compute target {arguments.name} is changed")
        return 0
    is_instance = arguments.idle_time is not None and services.computes.get(arguments.name).kind == INSTANCE
    handle = services.computes.update(
        arguments.name,
        description=arguments.description,
        tags=_tags(arguments),
        address=arguments.address,
        secrets=None if arguments.secret is None else pairs(arguments.secret, "secret"),
        allow_plain=arguments.allow_plain,
        min_nodes=arguments.min_nodes,
        max_nodes=arguments.max_nodes,
        idle_seconds_before_scaledown=None if is_instance else arguments.idle_time,
        idle_seconds_before_shutdown=arguments.idle_time if is_instance else None,
        dashboard=arguments.dashboard,
        max_runs=arguments.max_runs,
    )
    return _say(arguments, handle, f"compute target {handle.name} is changed")


def _tags(arguments: argparse.Namespace) -> dict[str, str] | None:
    return None if arguments.tag is None else {key: value or "" for key, value in map(parse_tag, arguments.tag)}


def _say(arguments: argparse.Namespace, handle: ComputeHandle, words: str) -> int:
    print_json(compute_document(handle.record)) if arguments.json else print(words)
    return 0


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found, limits = services.computes.list(), services.computes.limits()
    if arguments.json:
        computes = [{**compute_document(item.record), "state": state_of(item)} for item in found]
        print_json({"computes": computes, "limits": dict(limits)})
        return 0
    rows = [(name, "built in", "this machine", "", "") for name in BUILT_IN]
    rows += [
        (item.name, item.kind, _place(item.record.definition), state_of(item), time_text(item.record.created_at))
        for item in found
    ]
    if limits:
        most = [str(limits.get(row[0].lower(), "")) for row in rows]
        rows = [(*row, count) for row, count in zip(rows, most, strict=True)]  # type: ignore[misc]
    print(table(rows, ("compute target", "kind", "where", "state", "since", *(["runs at most"] if limits else []))))
    return 0


def state_of(handle: ComputeHandle) -> str:
    """The state of a target in a word."""
    if handle.kind == ATTACHED:
        return "attached"
    keeper = handle.keeper
    if keeper.said is None:
        return "starting" if keeper.alive else "lost" if keeper.wanted else "stopped"
    if handle.kind == INSTANCE:
        return "running" if keeper.said.nodes else "starting"
    return "steady" if keeper.said.is_steady else "resizing"


def _place(definition: Definition) -> str:
    if isinstance(definition, Attached):
        return definition.address
    if isinstance(definition, Instance):
        return f"{definition.provider}, {counted(definition.cores, 'core')}"
    return f"{definition.provider}, {definition.min_nodes} to {definition.max_nodes} nodes"


def _show(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.get(arguments.name)
    nodes, problem = [], ""
    try:
        nodes = handle.nodes()
    except ComputeError as error:
        problem = error.message
    state, said = state_of(handle), handle.keeper.said
    if arguments.json:
        kept = None if said is None else keeping_to_json(said)
        document = {**compute_document(handle.record), "state": state, "keeper": kept, "nodes": nodes_document(nodes)}
        print_json({**document, "max_runs": _limit(handle, services), "error": problem or None})
        return 0
    record = handle.record
    rows = [
        ("compute target", record.name),
        ("kind", record.kind),
        ("state", state),
        *_definition_rows(record.definition),
        *([("description", record.description)] if record.description else []),
        *((f"  {key}", value) for key, value in record.tags.items()),
        ("since", time_text(record.created_at)),
        *([("at once", f"at most {counted(limit, 'run')}")] if (limit := _limit(handle, services)) else []),
        *([("scheduler", f"{said.address} on {said.host}")] if said else []),
        *([("dashboard", f"{said.dashboard} on {said.host}")] if said and said.dashboard else []),
        ("nodes", problem or _counts(nodes)),
        *(("error", text) for text in (said.errors if said else ())),
    ]
    print(table(rows))
    return 0


def _limit(handle: ComputeHandle, services: Services) -> int:
    return services.computes.limits().get(handle.name.lower(), 0)


def _definition_rows(definition: Definition) -> list[tuple[str, str]]:
    if isinstance(definition, Attached):
        return [
            ("address", definition.address),
            *((f"  {name}", f"secret {secret!r}") for name, secret in definition.secrets.items()),
            *([("plain", "it may be on another machine without TLS")] if definition.allow_plain else []),
        ]
    memory = size_text(definition.memory) if definition.memory else "a share of the machine's"
    if isinstance(definition, Instance):
        idle = definition.idle_seconds_before_shutdown
        scale = [("stops", f"after {seconds_text(idle)} without work" if idle else "by hand")]
    else:
        scale = [
            ("scale", f"{definition.min_nodes} to {definition.max_nodes} nodes"),
            ("idle time", seconds_text(definition.idle_seconds_before_scaledown)),
        ]
    return [
        *scale,
        *([] if definition.provider == Processes() else provider_rows(definition.provider)),
        ("node", f"{counted(definition.cores, 'core')}, memory {memory}"),
        *((f"  {name}", f"{amount:g}") for name, amount in definition.resources.items()),
    ]


def _counts(nodes: Sequence[Node]) -> str:
    busy = sum(node.running > 0 for node in nodes)
    return f"{len(nodes)}, of which {busy} at work; {sum(node.cores for node in nodes)} cores"


def _nodes(arguments: argparse.Namespace, services: Services) -> int:
    return _show_nodes(arguments, services.computes.get(arguments.name).nodes())


def _show_nodes(arguments: argparse.Namespace, nodes: Sequence[Node]) -> int:
    if arguments.json:
        print_json({"nodes": nodes_document(nodes)})
        return 0
    rows = [
        (
            node.name,
            node.address,
            str(node.cores),
            size_text(node.memory),
            ", ".join(f"{name} {amount:g}" for name, amount in sorted(node.resources.items())),
            str(node.running or ""),
        )
        for node in nodes
    ]
    print(table(rows, ("node", "address", "cores", "memory", "resources", "running")) if rows else "no nodes")
    return 0


def _wait_arguments(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument("--nodes", type=int, default=1, metavar="COUNT", help="nodes that must be there; 1")
    parser.add_argument("--timeout", default="25m", metavar="DURATION", help="how long to wait: 90s, 25m, 2h; 25m")


def _wait(arguments: argparse.Namespace, services: Services) -> int:
    found = services.computes.get(arguments.name).wait(arguments.nodes, arguments.timeout)
    return _show_nodes(arguments, found)


def _start(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.get(arguments.name)
    said = handle.start()
    return _say(arguments, handle, f"compute target {handle.name} is kept; its scheduler is at {said.address}")


def _stop(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.get(arguments.name)
    handle.stop()
    return _say(arguments, handle, f"compute target {handle.name} is stopped; a run that uses it starts it again")


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.get(arguments.name)
    services.computes.delete(arguments.name)
    return _say(arguments, handle, f"compute target {handle.name} is deleted")


def _detach(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.get(arguments.name)
    services.computes.detach(arguments.name)
    return _say(arguments, handle, f"compute target {handle.name} is not attached any more; its cluster goes on")


def _keep(arguments: argparse.Namespace, services: Services) -> int:
    ended = Ending()
    on_signals(ended.set)
    services.keep_cluster(arguments.name, ended)
    return 0


VERBS: dict[str, Verb] = {
    "create": ("make a cluster or an instance, here or on other machines, and start it", _create_arguments, _create),
    "attach": ("give a Dask cluster that runs elsewhere a name", _attach_arguments, _attach),
    "list": ("all compute targets", _none, _list),
    "show": ("one compute target, and what is seen of its cluster", _name, _show),
    "nodes": ("the nodes of a cluster", _name, _nodes),
    "wait": ("wait until a cluster can be reached and has nodes", _wait_arguments, _wait),
    "start": ("start a cluster that was created here", _name, _start),
    "stop": ("end a cluster that was created here, until it is used again", _name, _stop),
    "update": ("change what may change of a compute target", _update_arguments, _update),
    "delete": ("end a cluster that was created here, and forget it", _name, _delete),
    "detach": ("forget a cluster that was attached; it goes on", _name, _detach),
    "keep": ("keep a cluster in this process, until it is stopped", _name, _keep),
}
