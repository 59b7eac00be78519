"""A pipeline as its author wrote it, before it is compiled: declared steps, the calls of them, and faults met so far.

A draft is what a front end (Python functions, later other forms) hands to the compiler. It may be wrong in every way;
the compiler says all that is.
"""

from __future__ import annotations

from pipelinekit.classes import field, frozen, mutable
from pipelinekit.domain.environments import Environment
from pipelinekit.domain.graphs import Binding, Condition
from pipelinekit.domain.parameters import Parameter
from pipelinekit.domain.steps import Port, StepOptions
from pipelinekit.errors import Fault
from pipelinekit.typed import Any


@frozen
class StepDeclaration:
    """A step as declared.

    For a Python step `module` and `name` say where its function is found again; `roots` are further symbols that its
    ports need (formats of the author's own), and `unbound` its parameters whose default is no plain data. For scripts
    and commands `source` is the folder to run in and `arguments` the command line.
    """

    kind: str
    title: str
    module: str = ""
    name: str = ""
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    options: StepOptions = field(default_factory=StepOptions)
    environment: Environment | str | None = None
    roots: tuple[tuple[str, str], ...] = ()
    unbound: tuple[str, ...] = ()
    source: str = ""
    arguments: tuple[Any, ...] = ()
    file: str = ""
    line: int = 0


@mutable
class Call:
    """One call of a step inside a pipeline function. `step` and all references are positions in the draft.

    `faulty` names inputs that were given, but with a fault that is noted already.
    """

    step: int
    name: str
    scope: tuple[str, ...] = ()
    explicit: bool = False
    inputs: dict[str, Binding] = field(default_factory=dict)
    after: list[int] = field(default_factory=list)
    conditions: tuple[Condition, ...] = ()
    each: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    faulty: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        """The name with its scopes: `outer/inner`."""
        return "/".join((*self.scope, self.name)) if self.scope else self.name


@mutable
class Draft:
    """A traced pipeline. `root` is the source folder that files and relative paths refer to.

    `texts` are source files that lie nowhere on disk, by relative path: the cells of a notebook.
    """

    name: str
    root: str = ""
    description: str = ""
    parameters: list[Parameter] = field(default_factory=list)
    steps: list[StepDeclaration] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outputs: dict[str, Binding] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
