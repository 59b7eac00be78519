"""Graphs as versioned JSON documents, byte-identical for equal pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from json.encoder import encode_basestring_ascii

from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.environments import Software
from pipelinekit.domain.graphs import (
    Binding,
    CodeItem,
    CompiledStep,
    Condition,
    Definition,
    DictOf,
    FirstOf,
    Graph,
    ListOf,
    Literal,
    Node,
    OutputRef,
    ParameterRef,
    predecessors,
)
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.steps import Canonical, Port, Resources, Retry, StepOptions
from pipelinekit.domain.types import PortType
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.values import dumps, loads_strictly, plain_from_json, plain_to_json

if TYPE_CHECKING:
    from pipelinekit.domain import secrets
else:
    secrets = late("pipelinekit.domain.secrets")

GRAPH_VERSION = 1
_NODES = '"nodes":[]'


def graph_text(graph: Graph) -> str:
    """The graph's canonical text; its digest is the graph's identity.

    Each node stands on a line of its own, so that two graphs can be compared node by node without being read.
    """
    head, _, tail = dumps(_frame_to_json(graph)).partition(_NODES)  # what comes before it are plain texts
    lines = ",\n".join(_node_texts(graph.nodes))
    return f'{head}"nodes":[\n{lines}\n]{tail}'


def node_lines(text: str) -> tuple[str, list[str]]:
    """A graph's canonical text taken apart: what is not nodes, and the nodes, each as its text."""
    if "\n" not in text:  # written by an earlier release
        text = graph_text(parse_graph(text))
    head, *lines, tail = text.split("\n")
    return f"{head}\n{tail}", [line.removesuffix(",") for line in lines]


def graph_digest(text: str) -> str:
    """The digest of a graph's canonical text."""
    return digest_bytes(text.encode())


def parse_graph(text: str | bytes, source: str = "graph document") -> Graph:
    """Read a graph's text. Raises UsageError when it is no graph, or of another version, or inconsistent."""
    try:
        document = loads_strictly(text)
    except ValueError as error:
        raise UsageError(f"{source} is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("kind") != "pipelinekit.graph":
        raise UsageError(
            f"{source} is not a compiled graph", hint="write one with 'pipelinekit compile FILE -o graph.json'"
        )
    if document.get("version") != GRAPH_VERSION:
        raise UsageError(
            f"{source} has version {document.get('version')!r}; this release reads version {GRAPH_VERSION}",
            hint="compile the pipeline again with this release",
        )
    try:
        graph = graph_from_json(document)
    except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise UsageError(f"{source} is damaged: {type(error).__name__}: {error}") from None
    _check_references(graph, source)
    return graph


def _check_references(graph: Graph, source: str) -> None:
    for position, node in enumerate(graph.nodes):
        if not 0 <= node.step < len(graph.steps):
            raise UsageError(f"{source}: node {node.name!r} uses step {node.step}, which is not in the document")
        if any(not 0 <= earlier < position for earlier in predecessors(node)):
            raise UsageError(f"{source}: node {node.name!r} refers to a node that does not come before it")


def _frame_to_json(graph: Graph) -> dict[str, Any]:
    """A graph without its nodes as JSON data."""
    return {
        "kind": "pipelinekit.graph",
        "version": GRAPH_VERSION,
        "name": graph.name,
        "description": graph.description,
        "snapshot": graph.snapshot,
        "parameters": [_parameter_to_json(parameter) for parameter in graph.parameters],
        "steps": [_step_to_json(step) for step in graph.steps],
        "nodes": [],
        "outputs": [[name, binding_to_json(binding)] for name, binding in graph.outputs],
    }


def graph_from_json(document: Mapping[str, Any]) -> Graph:
    """A graph from JSON data."""
    return Graph(
        document["name"],
        tuple(_step_from_json(item) for item in document["steps"]),
        tuple(_node_from_json(item) for item in document["nodes"]),
        tuple(_parameter_from_json(item) for item in document["parameters"]),
        tuple((name, binding_from_json(item)) for name, item in document["outputs"]),
        document["snapshot"],
        document["description"],
    )


# -- types, ports, parameters ------------------------------------------------------------------------------------------


def type_to_json(kind: PortType) -> Any:
    """A port type: its kind alone where that says all."""
    details: dict[str, Any] = {}
    if kind.items:
        details["items"] = [type_to_json(item) for item in kind.items]
    if kind.values:
        details["values"] = [plain_to_json(value) for value in kind.values]
    if kind.name:
        details["name"] = kind.name
    if kind.ancestors:
        details["ancestors"] = list(kind.ancestors)
    if kind.format:
        details["format"] = kind.format
    return {"kind": kind.kind, **details} if details else kind.kind


def type_from_json(document: Any) -> PortType:
    """A port type from JSON data."""
    if isinstance(document, str):
        return PortType(document)
    return PortType(
        document["kind"],
        tuple(type_from_json(item) for item in document.get("items", ())),
        tuple(plain_from_json(value) for value in document.get("values", ())),
        document.get("name", ""),
        tuple(document.get("ancestors", ())),
        document.get("format", ""),
    )


def ports_to_json(ports: tuple[Port, ...]) -> list[Any]:
    """Ports as JSON data."""
    return [[port.name, type_to_json(port.type), port.required, *_port_details(port)] for port in ports]


def _port_details(port: Port) -> list[Any]:
    details: dict[str, Any] = {} if port.keyed else {"keyed": False}
    if port.canonical is not None:
        details["canonical"] = [port.canonical.order, port.canonical.decimals]
    return [details] if details else []


def ports_from_json(document: list[Any]) -> tuple[Port, ...]:
    """Ports from JSON data."""
    return tuple(_port_from_json(*item) for item in document)


def _port_from_json(name: str, kind: Any, required: bool, details: Mapping[str, Any] | None = None) -> Port:
    found = details or {}
    canonical = Canonical(*found["canonical"]) if "canonical" in found else None
    return Port(name, type_from_json(kind), required, found.get("keyed", True), canonical)


def _parameter_to_json(parameter: Parameter) -> dict[str, Any]:
    document: dict[str, Any] = {"name": parameter.name, "type": type_to_json(parameter.type)}
    if not parameter.required:
        document["default"] = plain_to_json(parameter.default)
    if parameter.structural:
        document["structural"] = parameter.reason or True
    return document


def _parameter_from_json(document: Mapping[str, Any]) -> Parameter:
    structural = document.get("structural", False)
    return Parameter(
        document["name"],
        type_from_json(document["type"]),
        "default" not in document,
        plain_from_json(document.get("default")),
        bool(structural),
        structural if isinstance(structural, str) else "",
    )


# -- steps -------------------------------------------------------------------------------------------------------------


def _step_to_json(step: CompiledStep) -> dict[str, Any]:
    definition = step.definition
    document = {
        "name": step.name,
        "kind": definition.kind,
        "entry": definition.entry,
        "code": [[item.symbol, item.digest, item.file, item.line, item.end] for item in definition.code],
        "software": definition.software.document(),
        "inputs": ports_to_json(step.inputs),
        "outputs": ports_to_json(definition.outputs),
        "cache_version": definition.cache_version,
        "arguments": [plain_to_json(item) for item in definition.arguments],
        "options": _options_to_json(step.options),
        "snapshot": step.snapshot,
        "known": list(step.known),
    }
    if step.environment:
        document["environment"] = step.environment
    if definition.secrets:
        document["secrets"] = dict(definition.secrets)
    return document


def _step_from_json(document: Mapping[str, Any]) -> CompiledStep:
    software = document["software"]
    definition = Definition(
        document["kind"],
        document["entry"],
        tuple(CodeItem(*item) for item in document["code"]),
        Software(
            software["python"],
            tuple(software["packages"].items()),
            tuple(software["variables"].items()),
            tuple(software["lock"]),
            software.get("base", ""),
        ),
        ports_from_json(document["outputs"]),
        document["cache_version"],
        tuple(plain_from_json(item) for item in document["arguments"]),
        tuple((secrets.check_secret_name(name), int(number)) for name, number in document.get("secrets", {}).items()),
    )
    return CompiledStep(
        document["name"],
        definition,
        ports_from_json(document["inputs"]),
        _options_from_json(document["options"], document["cache_version"]),
        document["snapshot"],
        tuple(document["known"]),
        document.get("environment", ""),
    )


def _options_to_json(options: StepOptions) -> dict[str, Any]:
    """Options that differ from their defaults."""
    document: dict[str, Any] = {}
    if not options.allow_reuse:
        document["allow_reuse"] = False
    for name in ("compute", "timeout", "max_age", "dask_client", "queue_timeout"):
        if value := getattr(options, name):
            document[name] = value
    if options.nodes > 1:
        document["nodes"] = options.nodes
    if options.resources != Resources():
        document["resources"] = options.resources.document()
    if (retry := options.retry) != Retry(attempts=0):
        budgets = [retry.timeouts, retry.lost, retry.damaged]
        document["retry"] = [
            retry.attempts, retry.delay, retry.backoff, retry.max_delay, retry.jitter, [str(item) for item in retry.on],
            *(budgets if any(count is not None for count in budgets) else []),
        ]  # fmt: skip
    for name in ("tags", "variables", "register", "secrets"):
        if mapping := getattr(options, name):
            document[name] = dict(mapping)
    return document


def _options_from_json(document: Mapping[str, Any], cache_version: str) -> StepOptions:
    retry = document.get("retry")
    return StepOptions(
        document.get("allow_reuse", True),
        cache_version,
        document.get("compute", ""),
        Resources(*document["resources"]) if "resources" in document else Resources(),
        Retry(*[*retry[:5], tuple(retry[5]), *retry[6:]]) if retry else Retry(attempts=0),
        document.get("timeout", 0.0),
        document.get("tags", {}),
        document.get("variables", {}),
        document.get("max_age", 0.0),
        document.get("register", {}),
        {secrets.check_secret_name(name): bool(keyed) for name, keyed in document.get("secrets", {}).items()},
        document.get("dask_client", False),
        document.get("queue_timeout", 0.0),
        document.get("nodes", 1),
    )


# -- nodes -------------------------------------------------------------------------------------------------------------


def _node_texts(nodes: Iterable[Node]) -> Iterator[str]:
    """What `dumps` makes of each node; most of a large graph's text is this, so plain nodes are written directly."""
    quoted, ordered = _Quoted(), _Ordered()
    known: dict[int, str] = {}  # texts of bindings by identity: many nodes share one
    for node in nodes:
        if node.after or node.conditions or node.each or not node.inputs:
            yield dumps(_node_to_json(node))
            continue
        inputs, ports = node.inputs, []
        for port, name in ordered[tuple(inputs)]:
            binding = inputs[port]
            text = known.get(id(binding)) or known.setdefault(id(binding), _binding_text(binding, quoted))
            ports.append(f"{name}:{text}")
        name = encode_basestring_ascii(node.name)
        place = f"[{quoted[node.file]},{node.line}]"
        yield f'{{"at":{place},"inputs":{{{",".join(ports)}}},"name":{name},"step":{node.step}}}'


def _binding_text(binding: Binding, quoted: _Quoted) -> str:
    """What `dumps` makes of a binding."""
    if type(binding) is OutputRef:
        return f'{{"output":[{binding.node},{quoted[binding.output]}]}}'
    if type(binding) is Literal and type(binding.value) is int:
        return f'{{"value":{binding.value}}}'
    if type(binding) is ListOf:
        return f'{{"list":[{",".join([_binding_text(item, quoted) for item in binding.items])}]}}'
    return dumps(binding_to_json(binding))


class _Quoted(dict[str, str]):
    """Texts as JSON, made once for each."""

    def __missing__(self, text: str) -> str:
        return self.setdefault(text, encode_basestring_ascii(text))


class _Ordered(dict[tuple[str, ...], list[tuple[str, str]]]):
    """Names in their order, each with itself as JSON."""

    def __missing__(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
        return self.setdefault(names, [(name, encode_basestring_ascii(name)) for name in sorted(names)])


def _node_to_json(node: Node) -> dict[str, Any]:
    document: dict[str, Any] = {"name": node.name, "step": node.step, "at": [node.file, node.line]}
    if node.inputs:
        document["inputs"] = {port: binding_to_json(binding) for port, binding in node.inputs.items()}
    if node.after:
        document["after"] = sorted(node.after)
    if node.conditions:
        document["when"] = [
            [binding_to_json(item.subject), item.op, binding_to_json(item.other), item.negated]
            for item in node.conditions
        ]
    if node.each:
        document["each"] = list(node.each)
    return document


def _node_from_json(document: Mapping[str, Any]) -> Node:
    return Node(
        document["name"],
        document["step"],
        {port: binding_from_json(item) for port, item in document.get("inputs", {}).items()},
        tuple(document.get("after", ())),
        tuple(
            Condition(binding_from_json(subject), op, binding_from_json(other), negated)
            for subject, op, other, negated in document.get("when", ())
        ),
        tuple(document.get("each", ())),
        *document["at"],
    )


def binding_to_json(binding: Binding) -> dict[str, Any]:
    """A binding as an object with one key that says its kind."""
    match binding:
        case Literal(value=value):
            return {"value": plain_to_json(value)}
        case ParameterRef(name=name):
            return {"parameter": name}
        case OutputRef(node=node, output=output):
            return {"output": [node, output]}
        case ListOf(items=items):
            return {"list": [binding_to_json(item) for item in items]}
        case DictOf(entries=entries):
            return {"dict": [[key, binding_to_json(item)] for key, item in entries]}
        case FirstOf(items=items):
            return {"first": [binding_to_json(item) for item in items]}


_BINDINGS: dict[str, Callable[[Any], Binding]] = {
    "value": lambda body: Literal(plain_from_json(body)),
    "parameter": ParameterRef,
    "output": lambda body: OutputRef(*body),
    "list": lambda body: ListOf(tuple(binding_from_json(item) for item in body)),
    "dict": lambda body: DictOf(tuple((key, binding_from_json(item)) for key, item in body)),
    "first": lambda body: FirstOf(tuple(binding_from_json(item) for item in body)),
}


def binding_from_json(document: Mapping[str, Any]) -> Binding:
    """A binding from JSON data."""
    ((kind, body),) = document.items()
    return _BINDINGS[kind](body)
