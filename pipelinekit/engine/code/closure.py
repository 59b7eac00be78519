"""The first-party code that a step reaches, followed from its function until nothing new is found.

Three rules make the closure sound. A name that is read brings every statement that binds it. A module that is imported
brings every statement that acts when it is imported: calls for their effect, registrations by decorators or subclasses.
A statement that changes an object that is reached belongs to it. What cannot be told widens to the whole module or to
the whole source, with a warning that names the line.

Third-party code ends the walk: it is noted by module name and enters the key through its distribution's version.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipelinekit.classes import field, frozen, mutable
from pipelinekit.domain.digests import digest
from pipelinekit.domain.graphs import CodeItem
from pipelinekit.engine.code.effects import CodeBase, Effects, Place, SourceModule
from pipelinekit.engine.code.summaries import Read, Statement, Summary
from pipelinekit.errors import Fault
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelinekit.engine.code import unsteady
else:
    unsteady = late("pipelinekit.engine.code.unsteady")  # most steps call nothing of the kind

_SILENT = frozenset({"__name__", "__file__", "__doc__", "__path__", "__spec__", "__package__", "__dict__", "__all__"})
EFFECTS = "(on import)"
WHOLE = "*"
TEXT = "(text)"
OWN_PACKAGE = "pipelinekit"  # the engine itself is no part of an identity; its schemas are


@frozen
class Closure:
    """What a step reaches: code, third-party modules by dotted name, environment variables, and warnings.

    `known` are the first-party files that were read to tell, `*` for all. `hints` name calls whose results differ from
    time to time.
    """

    code: tuple[CodeItem, ...]
    installed: tuple[str, ...]
    variables: tuple[str, ...]
    warnings: tuple[Fault, ...]
    known: tuple[str, ...] = ()
    hints: tuple[Fault, ...] = ()


def closure_of(roots: Iterable[tuple[str, str]], base: CodeBase, *, unbound: Iterable[str] = ()) -> Closure:
    """Closure of the symbols (module, name) in `roots`; the first is the step's own function.

    `unbound` names the function's parameters whose default is used as it is written: those defaults count as code,
    while a default that is plain data is an input of the step.
    """
    walk = _Walk(base)
    for position, (module, name) in enumerate(roots):
        if position == 0:
            walk.reach_entry(module, name, frozenset(unbound))
        else:
            walk.reach(module, name)
    walk.settle()
    return walk.result()


@mutable
class _Symbol:
    """The statements that make one code item, in order of their position."""

    file: str
    parts: dict[tuple[int, str], tuple[str, int, int]] = field(default_factory=dict)

    def item(self, symbol: str) -> CodeItem:
        ordered = [self.parts[key] for key in sorted(self.parts)]
        identity = ordered[0][0] if len(ordered) == 1 else digest([part[0] for part in ordered])
        return CodeItem(symbol, identity, self.file, ordered[0][1], max(part[2] for part in ordered))


class _Walk:
    def __init__(self, base: CodeBase) -> None:
        self.base = base
        self.symbols: dict[str, _Symbol] = {}
        self.included: set[tuple[str, int]] = set()
        self.entries: set[tuple[str, str]] = set()
        self.needed: set[tuple[str, str]] = set()
        self.loaded: dict[str, SourceModule] = {}
        self.whole: set[str] = set()
        self.whole_source: Fault | None = None
        self.installed: set[str] = set()
        self.variables: set[str] = set()
        self.warnings: dict[Fault, None] = {}
        self.hints: dict[Fault, None] = {}
        self.seeded: set[str] = set()
        self.texts = False  # whether docstrings, comments and annotations of the code that is reached count too
        self.whole_texts: set[str] = set()  # modules whose text counts as it is written
        self.all_imported = False  # whether that of every imported module does
        self.noted: set[tuple[str, int]] = set()
        self.queue: list[tuple[str, str]] = []
        self.loose = False  # an input may be of any type, so that every format that is registered counts
        self.effects = Effects(base)

    # -- entry points ----------------------------------------------------------------------------------------------

    def reach_entry(self, module: str, name: str, unbound: frozenset[str]) -> None:
        found = self.load(module)
        if found is None or found.summary is None:
            self.note_foreign(module)
            return
        self.entries.add((module, name))
        for position in found.bindings.get(name, ()):
            statement = found.summary.statements[position]
            if statement.kind != "function":
                self.include(found, position, name)
                continue
            self.loose = self.loose or statement.loose
            self.note_part(found, name, position, "entry", statement.entry_digest, statement)
            self.follow(found, statement, statement.entry_reads)
            for parameter in unbound & statement.defaults.keys():
                part, reads = statement.defaults[parameter]
                self.note_part(found, name, position, f"entry {parameter}", part, statement)
                self.follow_reads(found, statement, reads)

    def reach(self, module: str, name: str) -> None:
        if (module, name) not in self.needed:
            self.needed.add((module, name))
            self.queue.append((module, name))

    def settle(self) -> None:
        """Follow names until nothing new is reached; then look for statements elsewhere that change what is."""
        while True:
            while self.queue:
                self.expand(*self.queue.pop())
            before = len(self.included)
            for module in list(self.loaded.values()):
                self.include_changes(module)
            if not self.queue and len(self.included) == before:
                return

    def result(self) -> Closure:
        items = [self.symbols[symbol].item(symbol) for symbol in sorted(self.symbols)]
        items += [item for module in self.loaded.values() for item in self.text_items(module)]
        if self.whole_source:
            cause = self.whole_source
            items.append(CodeItem(WHOLE, self.base.source_digest(), cause.file, cause.line, cause.line))
        known = (WHOLE,) if self.whole_source else tuple(sorted({module.file for module in self.loaded.values()}))
        hints = [hint for hint in self.hints if not unsteady.is_void(hint.message, self.seeded)]
        return Closure(
            tuple(sorted(items, key=lambda item: item.symbol)),
            tuple(sorted(self.installed)),
            tuple(sorted(self.variables)),
            tuple(self.warnings),
            known,
            tuple(sorted(hints, key=lambda hint: (hint.file, hint.line))),
        )

    def text_items(self, module: SourceModule) -> list[CodeItem]:
        """Text that counts as it is written: of the whole module, or of its statements that are reached."""
        if module.summary is None or not module.digest:
            return []
        identity = ""
        if self.all_imported or module.name in self.whole_texts:
            identity = module.digest
        elif self.texts:
            reached = sorted(position for name, position in self.noted if name == module.name)
            identity = digest([module.summary.statements[position].text for position in reached]) if reached else ""
        end = module.summary.statements[-1].end if module.summary.statements else 1
        return [CodeItem(f"{module.name}:{TEXT}", identity, module.file, 1, end)] if identity else []

    # -- modules ---------------------------------------------------------------------------------------------------

    def load(self, name: str) -> SourceModule | None:
        """Import a module: its parents first, then what it imports, then what it does on import."""
        if name in self.loaded:
            return self.loaded[name]
        parent = name.rpartition(".")[0]
        if parent:
            self.load(parent)
        module = self.base.module(name)
        if module is None:
            return None
        self.loaded[name] = module
        if module.summary is None:
            self.symbols[f"{name}:{WHOLE}"] = _Symbol(module.file, {(0, ""): (module.digest, 1, 1)})
            return module
        for target in module.summary.loads:
            self.load(target)
        for position, statement in enumerate(module.summary.statements):
            if self.acts_on_import(module, statement):
                self.include(module, position, EFFECTS)
        self.note_imports_for_effect(module.summary)
        return module

    def note_imports_for_effect(self, summary: Summary) -> None:
        """`import plugin` whose name nobody reads is there for what importing it does."""
        read = {
            name.partition(".")[0]
            for item in summary.statements
            for target, name in (*item.reads, *item.entry_reads)
            if not target
        }
        for statement in summary.statements:
            if statement.kind != "import" or summary.is_package:
                continue
            for name, targets in statement.imported.items():
                for target, attribute in targets:
                    if not attribute and name not in read:
                        self.follow_load(target)

    def note_foreign(self, name: str) -> None:
        """A module that is not first-party: installed ones count, the standard library is the interpreter's."""
        if name.partition(".")[0] == OWN_PACKAGE:
            return
        origin = self.base.origin(name)
        if origin in ("installed", "missing"):
            self.installed.add(name)

    def widen_module(self, module: SourceModule, why: Fault | None) -> None:
        if why is not None:
            self.warnings[why] = None
        if module.name in self.whole or module.summary is None:
            return
        self.whole.add(module.name)
        for position in range(len(module.summary.statements)):
            self.include(module, position, WHOLE)

    # -- statements ------------------------------------------------------------------------------------------------

    def include(self, module: SourceModule, position: int, name: str) -> None:
        assert module.summary is not None
        statement = module.summary.statements[position]
        shown = name
        if name == EFFECTS:
            shown = statement.binds[0] if statement.binds else f"{EFFECTS} {statement.digest[5:13]}"
        if (module.name, position) in self.included:
            return
        self.included.add((module.name, position))
        self.note_part(module, shown, position, "", statement.digest, statement)
        self.follow(module, statement, statement.reads)

    def note_part(
        self, module: SourceModule, name: str, position: int, part: str, identity: str, statement: Statement
    ) -> None:
        self.noted.add((module.name, position))
        symbol = self.symbols.setdefault(f"{module.name}:{name}", _Symbol(module.file))
        symbol.parts[position, part] = (identity, statement.line, statement.end)

    def follow(self, module: SourceModule, statement: Statement, reads: Iterable[Read]) -> None:
        self.variables.update(statement.variables)
        for target in statement.loads:
            self.follow_load(target)
        for reach, line, words in statement.dynamic:
            self.follow_dynamic(module, reach, line, words)
        self.follow_reads(module, statement, reads)

    def follow_load(self, target: str) -> None:
        if self.load(target) is None and self.base.module(target.partition(".")[0]) is None:
            self.note_foreign(target)

    def follow_dynamic(self, module: SourceModule, reach: str, line: int, words: str) -> None:
        if reach == unsteady.HINT:
            self.hints[Fault(words, module.file, line)] = None
            return
        if reach == unsteady.SEEDED:
            self.seeded.add(words)
            return
        scope = {
            "source": "the whole source counts",
            "module": f"the whole module {module.name} counts",
            "texts": "the text of all code that the step reaches counts",
            "text": f"the text of {module.file} counts",
            "imported": "the text of every module that is imported counts",
        }.get(reach)
        fault = Fault(f"{words}: {scope or 'its value is not part of the key'}", module.file, line)
        self.warnings[fault] = None
        if reach == "source":
            self.whole_source = self.whole_source or fault
        elif reach == "module":
            self.widen_module(module, None)
        elif reach == "texts":
            self.texts = True
        elif reach == "text":
            self.whole_texts.add(module.name)
        elif reach == "imported":
            self.all_imported = True

    def follow_reads(self, module: SourceModule, statement: Statement, reads: Iterable[Read]) -> None:
        for target, name in reads:
            if target:
                self.resolve(target, name.split(".") if name else [], module, statement)
            else:
                self.resolve(module.name, name.split("."), module, statement)

    # -- names -----------------------------------------------------------------------------------------------------

    def resolve(self, target: str, names: list[str], reader: SourceModule, statement: Statement) -> None:
        """Follow `target.names[0].names[1]…` as far as it leads through modules."""
        module = self.load(target)
        if module is None:
            top = target.partition(".")[0]
            if self.base.module(top) is None:
                self.note_foreign(target)
            return
        if module.summary is None:
            return
        if not names:
            place = Fault(f"module {target} is used as a value: the whole module counts", reader.file, statement.line)
            self.widen_module(module, place)
            return
        name, rest = names[0], names[1:]
        if name in module.bindings:
            self.resolve_binding(module, name, rest, reader, statement)
        elif self.effects.submodule(module, name) is not None:
            self.resolve(f"{target}.{name}", rest, reader, statement)
        elif not self.resolve_star(module, name, rest, reader, statement):
            self.resolve_unbound(module, name, reader, statement)

    def resolve_binding(
        self, module: SourceModule, name: str, rest: list[str], reader: SourceModule, statement: Statement
    ) -> None:
        assert module.summary is not None
        self.reach(module.name, name)
        for position in module.bindings[name]:
            bound = module.summary.statements[position]
            for source, attribute in bound.imported.get(name, ()):
                self.resolve(source, [attribute, *rest] if attribute else rest, reader, statement)

    def resolve_star(
        self, module: SourceModule, name: str, rest: list[str], reader: SourceModule, statement: Statement
    ) -> bool:
        assert module.summary is not None
        for star in module.summary.stars:
            source = self.base.module(star)
            if source is None:
                self.note_foreign(star)
            elif source.summary is not None and (
                name in source.summary.public_names() or (not name.startswith("_") and source.summary.stars)
            ):
                self.resolve(star, [name, *rest], reader, statement)
                return True
        return False

    def resolve_unbound(self, module: SourceModule, name: str, reader: SourceModule, statement: Statement) -> None:
        """A name that no statement binds: a builtin in one's own module, else something made at run time."""
        if name in _SILENT or (module is reader and "__getattr__" not in module.bindings):
            return
        if "__getattr__" in module.bindings:
            self.reach(module.name, "__getattr__")
            return
        place = Fault(
            f"{module.name}.{name} is not defined by any statement: the whole module counts",
            reader.file,
            statement.line,
        )
        self.widen_module(module, place)

    def expand(self, name: str, symbol: str) -> None:
        module = self.load(name)
        if module is None or module.summary is None:
            return
        for position in module.bindings.get(symbol, ()):
            self.include(module, position, symbol)

    # -- effects ---------------------------------------------------------------------------------------------------

    def include_changes(self, module: SourceModule) -> None:
        """Statements of an imported module that change an object which is reached, here or in another module."""
        if module.summary is None:
            return
        for position, statement in enumerate(module.summary.statements):
            if (module.name, position) in self.included:
                continue
            touched = any(self.is_reached(module.name, name) for name in statement.touches) or any(
                self.is_needed(place) for place in self.effects.of(module, position)
            )
            if touched or (statement.registers and (self.loose or self.may_be_given(module.name, statement.registers))):
                self.include(module, position, EFFECTS)

    def is_reached(self, module_name: str, name: str) -> bool:
        target = self.effects.owner(module_name, name.split("."))
        return target is not None and self.is_needed(target)

    def is_needed(self, place: Place) -> bool:
        return place in self.needed or place in self.entries or place[0] in self.whole

    def may_be_given(self, module_name: str, name: str, depth: int = 8) -> bool:
        """Whether a class or one of its bases is reached: where a base is expected, the class may come."""
        target = self.effects.owner(module_name, name.split("."))
        home = self.base.module(target[0]) if target else None
        if target is None or home is None or home.summary is None or depth == 0:
            return False
        bases = [
            base
            for position in home.bindings.get(target[1], ())
            for base, _ in home.summary.statements[position].calls
            if home.summary.statements[position].kind == "class"
        ]
        return self.is_reached(*target) or any(self.may_be_given(target[0], base, depth - 1) for base in bases)

    def acts_on_import(self, module: SourceModule, statement: Statement) -> bool:
        """Whether a statement is a call for its effect, which cannot be told, when its module is imported."""
        if statement.registers and self.effects.owner(module.name, statement.registers.split(".")):
            return False  # it changes what its own type means, and belongs to whoever reaches the type
        return statement.ambient
