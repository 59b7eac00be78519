"""What importing a module may change beyond the names that it binds: by functions that its statements call.

A call counts for whoever reaches an object that the called function, or one that it names in turn, may change: a
registry that a decorator fills, a setting that a function makes, a list of subclasses.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelinekit.classes import frozen
from pipelinekit.engine.code.summaries import Statement, Summary
from pipelinekit.typed import Protocol

Place = tuple[str, str]  # module and symbol


@frozen
class SourceModule:
    """A first-party module: its summary, or only its digest when it is compiled code.

    `file` is relative to the source.
    """

    name: str
    file: str
    digest: str
    summary: Summary | None
    bindings: Mapping[str, list[int]]


class CodeBase(Protocol):
    """Where modules come from. `module` gives first-party ones; `origin` tells of the others."""

    def module(self, name: str) -> SourceModule | None:
        """The first-party module of that name; None when there is none.

        Raises CompileError when it cannot be parsed.
        """

    def origin(self, name: str) -> str:
        """`standard`, `installed` or `missing`, for a module that is not first-party."""

    def source_digest(self) -> str:
        """Digest of all first-party source files together."""


class Effects:
    """Looks into functions of one code base; remembers what it found."""

    def __init__(self, base: CodeBase) -> None:
        self._base = base
        self._of_statements: dict[tuple[str, int], frozenset[Place]] = {}
        self._of_calls: dict[tuple[Place, int], frozenset[Place]] = {}

    def submodule(self, module: SourceModule, name: str) -> SourceModule | None:
        """A module of a package; None when there is none, or when it is no package."""
        if module.summary is None or not module.summary.is_package:
            return None
        return self._base.module(f"{module.name}.{name}")

    def owner(self, module_name: str, names: list[str]) -> Place | None:
        """The symbol that holds the object which a dotted name leads to; None when it is foreign or local."""
        for _ in range(32):  # chains of re-exports are short; a cycle of them ends here
            module = self._base.module(module_name)
            if module is None or module.summary is None or not names:
                return None
            name, rest = names[0], names[1:]
            imports = [
                target
                for position in module.bindings.get(name, ())
                for target in module.summary.statements[position].imported.get(name, ())
            ]
            if imports:
                module_name, attribute = imports[0]
                names = [attribute, *rest] if attribute else rest
            elif name in module.bindings:
                return module_name, name
            elif self.submodule(module, name) is not None:
                module_name, names = f"{module_name}.{name}", rest
            else:
                return None
        return None

    def of(self, module: SourceModule, position: int) -> frozenset[Place]:
        """The objects that the calls of a statement may change when its module is imported."""
        if (module.name, position) not in self._of_statements:
            found: set[Place] = set()
            for name, factory in module.summary.statements[position].calls if module.summary else ():
                target = self.owner(module.name, name.split("."))
                if target is not None:
                    found |= self.of_call(target, 2 if factory else 1)
            self._of_statements[module.name, position] = frozenset(found)
        return self._of_statements[module.name, position]

    def of_call(self, target: Place, depth: int) -> frozenset[Place]:
        """What calling (or subclassing) a first-party symbol may change, up to a depth of nested functions."""
        if (target, depth) in self._of_calls:
            return self._of_calls[target, depth]
        found: set[Place] = set()
        seen, waiting = {target}, [(target, depth)]
        while waiting:
            (module_name, symbol), limit = waiting.pop()
            module = self._base.module(module_name)
            if module is None or module.summary is None:
                continue
            for statement in (module.summary.statements[position] for position in module.bindings.get(symbol, ())):
                changed = [self._changed(module, name) for name, level in statement.mutates if level <= limit]
                found.update(place for place in changed if place is not None)
                reads = [self.owner(base or module.name, read.split(".")) for base, read in statement.reads if read]
                waiting += [(owner, 1) for owner in dict.fromkeys(reads) if owner is not None and owner not in seen]
                seen.update(owner for owner in reads if owner is not None)
        self._of_calls[target, depth] = frozenset(found)
        return self._of_calls[target, depth]

    def _changed(self, module: SourceModule, name: str) -> Place | None:
        """The symbol whose object a call changes under this name; None for what cannot be changed, and for loggers.

        Of a function or class only setting an attribute counts: calling its methods is no sign of a change.
        """
        owner = self.owner(module.name, name.split("."))
        home = self._base.module(owner[0]) if owner else None
        if owner is None or home is None or home.summary is None:
            return None
        for statement in (home.summary.statements[position] for position in home.bindings.get(owner[1], ())):
            if statement.kind == "other" or (statement.kind == "fixed" and self._is_made_here(home, statement)):
                return owner
            if statement.kind in ("function", "class") and "." in name and not name.endswith(owner[1]):
                return owner
        return None

    def _is_made_here(self, module: SourceModule, statement: Statement) -> bool:
        """Whether a call in a statement is one of a first-party function, which may give anything under any name."""
        return any(self.owner(module.name, call.split(".")) is not None for call, _ in statement.calls)
