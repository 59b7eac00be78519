"""Small graphs for tests, written in one line: `node("b", "a")` takes the output of `a`."""

from dataclasses import dataclass, field

from pipelinekit.domain.environments import Software
from pipelinekit.domain.graphs import (
    CodeItem,
    CompiledStep,
    Condition,
    Definition,
    Graph,
    ListOf,
    Literal,
    Node,
    OutputRef,
)
from pipelinekit.domain.steps import Port, StepOptions
from pipelinekit.domain.types import ANY

PORT = Port("output", ANY)


def compiled(name, options=None, code="1", inputs=("x",)):
    definition = Definition(
        "python",
        f"main:{name}",
        (CodeItem(f"main:{name}", f"digest of {name} {code}", "main.py", 1, 2),),
        Software("cpython-3"),
        (PORT,),
    )
    return CompiledStep(
        name, definition, tuple(Port(port, ANY, False) for port in inputs), options or StepOptions(), "snapshot"
    )


@dataclass
class Drawing:
    """Collects nodes by name and gives a graph."""

    nodes: list = field(default_factory=list)
    steps: list = field(default_factory=list)

    def position(self, name):
        return [node.name for node in self.nodes].index(name)

    def ref(self, source):
        """A node's output by name; a list is a list of outputs; anything else is a literal."""
        if isinstance(source, str) and any(node.name == source for node in self.nodes):
            return OutputRef(self.position(source), "output")
        if isinstance(source, list):
            return ListOf(tuple(self.ref(item) for item in source))
        return source if isinstance(source, Literal | OutputRef) else Literal(source)

    def node(self, name, *sources, step=None, after=(), when=None, each=(), options=None, code="1", **named):
        """Add a node. Positional sources go to inputs `x`, `y`, `z`."""
        title = step or name
        known = [(item.name, item.definition.code[0].digest) for item in self.steps]
        made = compiled(title, options, code, ("x", "y", "z", *named))
        identity = (made.name, made.definition.code[0].digest)
        if options is None and identity in known:
            index = known.index(identity)
        else:
            index = len(self.steps)
            self.steps.append(made)
        inputs = {port: self.ref(source) for port, source in zip("xyz", sources, strict=False)}
        inputs.update((port, self.ref(source)) for port, source in named.items())
        conditions = ()
        if when is not None:
            subject, op, value, negated = (*when, None, None, None)[:4]
            conditions = (Condition(self.ref(subject), op or "is", Literal(value), bool(negated)),)
        self.nodes.append(
            Node(
                name,
                index,
                inputs,
                tuple(self.position(item) for item in after),
                conditions,
                tuple(each),
                "main.py",
                len(self.nodes),
            )
        )
        return self

    def graph(self, **outputs):
        return Graph(
            "pipe",
            tuple(self.steps),
            tuple(self.nodes),
            (),
            tuple((name, self.ref(source)) for name, source in outputs.items()),
            "snapshot",
        )
