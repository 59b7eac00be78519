"""The compiled pipeline: definitions of steps, nodes that use them, and how values flow between nodes.

Nodes refer to each other by their position, and every reference points to an earlier position, so that the list is a
topological order. A graph holds everything that is needed to submit it later without its author's code at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipelinekit.classes import field, frozen
from pipelinekit.domain.digests import digest
from pipelinekit.domain.environments import Software
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.steps import Port, StepOptions
from pipelinekit.domain.types import PathRef
from pipelinekit.typed import Any, Protocol

DEFINITION_SCHEMA = 1


@frozen
class CodeItem:
    """One piece of code that a step reaches: `symbol` is `module:name`; file and lines say where it stands.

    Only symbol and digest are identity. The place is kept to explain a change to people.
    """

    symbol: str
    digest: str
    file: str = ""
    line: int = 0
    end: int = 0


@frozen
class Definition:
    """The identity of a step, apart from its inputs: what is run, of which code, in which software, to which outputs.

    `kind` is `python` (a function), `script` or `command`. `entry` is `module:name`, a script's path or a command's
    name. `arguments` is the command line of scripts and commands, with references to ports. `secrets` are names and
    versions of the secrets that it is given and that its results depend on.
    """

    kind: str
    entry: str
    code: tuple[CodeItem, ...]
    software: Software
    outputs: tuple[Port, ...]
    cache_version: str = ""
    arguments: tuple[Any, ...] = ()
    secrets: tuple[tuple[str, int], ...] = ()

    def document(self) -> dict[str, Any]:
        """The keyed form: plain data, whose digest is the definition's identity."""
        document = {
            "schema": DEFINITION_SCHEMA,
            "kind": self.kind,
            "entry": self.entry,
            "code": {item.symbol: item.digest for item in self.code},
            "software": self.software.document(),
            "outputs": {port.name: _output_identity(port) for port in self.outputs},
            "cache_version": self.cache_version,
            "arguments": list(self.arguments),
        }
        return {**document, "secrets": dict(self.secrets)} if self.secrets else document

    def digest(self) -> str:
        """The digest of the document."""
        return digest(self.document())

    def places(self) -> dict[str, Any]:
        """Where each piece of code stands: the part that explains and is not keyed."""
        return {item.symbol: [item.file, item.line, item.end] for item in self.code}


def _output_identity(port: Port) -> list[Any]:
    form = port.canonical
    return [str(port.type), port.type.format, *([form.order, form.decimals] if form else [])]


@frozen
class CompiledStep:
    """A definition with what is needed to run it: ports, options, and the snapshot that holds its code.

    `known` are the files of the snapshot that its identity takes care of, `*` for all. `environment` is what people
    call its environment: a name, with the version where it is a registered one.
    """

    name: str
    definition: Definition
    inputs: tuple[Port, ...]
    options: StepOptions
    snapshot: str
    known: tuple[str, ...] = ()
    environment: str = ""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The declared outputs."""
        return self.definition.outputs

    def keyed(self, digests: Mapping[str, str]) -> dict[str, str]:
        """Those of these input digests by port that enter the key."""
        unkeyed = [port.name for port in self.inputs if not port.keyed]
        return {name: digest for name, digest in digests.items() if name not in unkeyed} if unkeyed else dict(digests)


@frozen
class Literal:
    """A value written in the pipeline: plain data, or a path on this machine."""

    value: Any


@frozen
class ParameterRef:
    """The value of a pipeline parameter."""

    name: str


@frozen
class OutputRef:
    """One output of an earlier node; of a mapped node, the list of that output over all elements."""

    node: int
    output: str


@frozen
class ListOf:
    """A list put together of several bindings."""

    items: tuple[Binding, ...]


@frozen
class DictOf:
    """A dict put together of several bindings, by key."""

    entries: tuple[tuple[str, Binding], ...]


@frozen
class FirstOf:
    """The first of several bindings whose producer was not skipped: where branches meet again."""

    items: tuple[Binding, ...]


Binding = Literal | ParameterRef | OutputRef | ListOf | DictOf | FirstOf


@frozen
class Condition:
    """A node runs only if `subject` compares so with `other`.

    `op` is `is` (truth), `==`, `!=`, `<`, `<=`, `>` or `>=`.
    """

    subject: Binding
    op: str = "is"
    other: Binding = Literal(None)
    negated: bool = False

    @property
    def sides(self) -> tuple[Binding, Binding]:
        """Both things that are compared."""
        return self.subject, self.other


@frozen
class Node:
    """One use of a step in a pipeline.

    `step` is a position in the graph's steps. `each` names the inputs that are mapped over: the node then stands for as
    many executions as those lists have elements. `after` orders without data. `file` and `line` say where it was
    called.
    """

    name: str
    step: int
    inputs: Mapping[str, Binding] = field(default_factory=dict)
    after: tuple[int, ...] = ()
    conditions: tuple[Condition, ...] = ()
    each: tuple[str, ...] = ()
    file: str = ""
    line: int = 0


@frozen
class Graph:
    """A compiled pipeline. `outputs` names what the pipeline returns; `snapshot` is the tree of its source folder."""

    name: str
    steps: tuple[CompiledStep, ...]
    nodes: tuple[Node, ...]
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[tuple[str, Binding], ...] = ()
    snapshot: str = ""
    description: str = ""

    def step_of(self, node: Node) -> CompiledStep:
        """The compiled step that a node uses."""
        return self.steps[node.step]


def sources(binding: Binding) -> Iterator[int]:
    """Positions of the nodes that a binding takes its value from."""
    stack = [binding]
    while stack:
        match stack.pop():
            case OutputRef(node=node):
                yield node
            case ListOf(items=items) | FirstOf(items=items):
                stack.extend(reversed(items))
            case DictOf(entries=entries):
                stack.extend(item for _, item in reversed(entries))


class Referring(Protocol):
    """What refers to nodes by position: a node, or a call that becomes one."""

    @property
    def inputs(self) -> Mapping[str, Binding]:
        """Bindings by port."""

    @property
    def after(self) -> Sequence[int]:
        """Positions that come before without data."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Conditions under which it runs."""


def predecessors(node: Referring) -> set[int]:
    """Positions of all nodes that must end before this one: by data, by condition, by order."""
    found = set(node.after)
    for binding in node.inputs.values():
        if type(binding) is OutputRef:
            found.add(binding.node)
        elif type(binding) is not Literal:
            found.update(sources(binding))
    for condition in node.conditions:
        for side in condition.sides:
            found.update(sources(side))
    return found


def path_refs(graph: Graph) -> Iterator[PathRef]:
    """The paths written in the graph as literals; defaults of parameters are not among them."""
    stack = [binding for _, binding in graph.outputs]
    for node in graph.nodes:
        for binding in node.inputs.values():
            if type(binding) is Literal:  # nearly all are literals and outputs
                if type(binding.value) is PathRef:
                    yield binding.value
            elif type(binding) is not OutputRef:
                stack.append(binding)
    while stack:
        match binding := stack.pop():
            case Literal(value=PathRef() as ref):
                yield ref
            case ListOf(items=items) | FirstOf(items=items):
                stack.extend(items)
            case DictOf(entries=entries):
                stack.extend(item for _, item in entries)
