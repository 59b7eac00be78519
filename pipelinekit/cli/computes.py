"""`pipelinekit computes`: attach, list, show, nodes, wait, update, detach."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from pipelinekit.bootstrap import Services, open_services
from pipelinekit.cli.datastores import pairs
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.domain.computes import BUILT_IN, CREDENTIALS, Node
from pipelinekit.domain.run_queries import parse_tag
from pipelinekit.domain.texts import size_text
from pipelinekit.errors import ComputeError
from pipelinekit.wire.computes import compute_document, nodes_document
from pipelinekit.workspace.computes import ComputeHandle

Verb = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace, Services], int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `computes`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (text, add, _) in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--json", action="store_true", help="one JSON document on standard output")
        add(verb)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=arguments.verb == "attach"))


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the compute target's name")


def _none(_: argparse.ArgumentParser) -> None:
    """No arguments."""


def _described(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--secret",
        action="append",
        metavar="NAME=SECRET",
        help=f"the workspace's secret that holds a PEM text for TLS ({', '.join(CREDENTIALS)})",
    )
    parser.add_argument("--description", metavar="TEXT", help="what it is")
    parser.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="a tag; may be given often")


def _attach_arguments(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument("address", metavar="ADDRESS", help="of a Dask scheduler: tls://HOST:PORT or tcp://HOST:PORT")
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
    parser.add_argument("--address", metavar="ADDRESS", help="another address of its scheduler")
    _described(parser)
    parser.add_argument(
        "--allow-plain", action=argparse.BooleanOptionalAction, help="whether it may be elsewhere without TLS"
    )


def _update(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.update(
        arguments.name,
        address=arguments.address,
        secrets=None if arguments.secret is None else pairs(arguments.secret, "secret"),
        allow_plain=arguments.allow_plain,
        description=arguments.description,
        tags=_tags(arguments),
    )
    return _say(arguments, handle, f"compute target {handle.name} is changed")


def _tags(arguments: argparse.Namespace) -> dict[str, str] | None:
    return None if arguments.tag is None else {key: value or "" for key, value in map(parse_tag, arguments.tag)}


def _say(arguments: argparse.Namespace, handle: ComputeHandle, words: str) -> int:
    print_json(compute_document(handle.record)) if arguments.json else print(words)
    return 0


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = [handle.record for handle in services.computes.list()]
    if arguments.json:
        print_json({"computes": [compute_document(record) for record in found]})
        return 0
    rows = [(name, "built in", "this machine", "") for name in BUILT_IN]
    rows += [(record.name, record.kind, record.address, time_text(record.created_at)) for record in found]
    print(table(rows, ("compute target", "kind", "address", "attached")))
    return 0


def _show(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.get(arguments.name)
    record = handle.record
    nodes, problem = [], ""
    try:
        nodes = handle.nodes()
    except ComputeError as error:
        problem = error.message
    if arguments.json:
        print_json({**compute_document(record), "nodes": nodes_document(nodes), "error": problem or None})
        return 0
    rows = [
        ("compute target", record.name),
        ("kind", record.kind),
        ("address", record.address),
        *((f"  {name}", f"secret {secret!r}") for name, secret in record.secrets.items()),
        *([("plain", "it may be on another machine without TLS")] if record.allow_plain else []),
        *([("description", record.description)] if record.description else []),
        *((f"  {key}", value) for key, value in record.tags.items()),
        ("attached", time_text(record.created_at)),
        ("nodes", problem or _counts(nodes)),
    ]
    print(table(rows))
    return 0


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


def _detach(arguments: argparse.Namespace, services: Services) -> int:
    handle = services.computes.get(arguments.name)
    services.computes.detach(arguments.name)
    return _say(arguments, handle, f"compute target {handle.name} is not attached any more; its cluster goes on")


VERBS: dict[str, Verb] = {
    "attach": ("give a Dask cluster that runs elsewhere a name", _attach_arguments, _attach),
    "list": ("all compute targets", _none, _list),
    "show": ("one compute target, and what is seen of its cluster", _name, _show),
    "nodes": ("the nodes of a cluster", _name, _nodes),
    "wait": ("wait until a cluster can be reached and has nodes", _wait_arguments, _wait),
    "update": ("change address, certificates, description or tags", _update_arguments, _update),
    "detach": ("forget a compute target; its cluster goes on", _name, _detach),
}
