"""The summary of one source file: its top-level statements with digests and facts, from which closures are made.

A summary depends on nothing but the file's bytes and its module name, so it can be kept by content digest. Where it is
kept, no code need be parsed, and the parser need not be loaded.
"""

from __future__ import annotations

from pipelinekit.classes import field, frozen
from pipelinekit.typed import Any

SUMMARY_VERSION = 7
Read = tuple[str, str]
Target = tuple[str, str]  # what an import binds a name to: a module, and an attribute of it unless it is the module
# how far it widens, line, words. It widens to the `source`, the `module`, the `text` of the module, the `texts` of all
# that is reached, of all that is `imported`; `note` and `hint` widen to nothing.
Dynamic = tuple[str, int, str]


@frozen
class Statement:
    """One top-level statement, or one name of an import statement.

    `digest` counts it as code that something calls; `entry_digest` as a step's own function, whose annotations count
    and whose defaults do not, because they are inputs. `defaults` gives each default's own digest and reads. `kind` is
    `import`, `function`, `class`, `fixed` for a name of what its own methods do not change, or `other`. `loose` says of
    a function that a parameter takes a value of any type. `text` is the digest of its lines as they are written.
    """

    kind: str
    line: int
    end: int
    digest: str
    entry_digest: str = ""
    binds: tuple[str, ...] = ()
    imported: dict[str, tuple[Target, ...]] = field(default_factory=dict)
    reads: tuple[Read, ...] = ()
    entry_reads: tuple[Read, ...] = ()
    defaults: dict[str, tuple[str, tuple[Read, ...]]] = field(default_factory=dict)
    calls: tuple[tuple[str, bool], ...] = ()
    touches: tuple[str, ...] = ()
    mutates: tuple[tuple[str, int], ...] = ()
    loads: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    dynamic: tuple[Dynamic, ...] = ()
    ambient: bool = False
    registers: str = ""
    loose: bool = False
    text: str = ""


@frozen
class Summary:
    """What is known of one module. `loads` are the modules that importing it imports, in order of appearance."""

    name: str
    is_package: bool
    statements: tuple[Statement, ...]
    loads: tuple[str, ...] = ()
    stars: tuple[str, ...] = ()
    exported: tuple[str, ...] | None = None

    def bindings(self) -> dict[str, list[int]]:
        """Positions of the statements that bind each global name."""
        found: dict[str, list[int]] = {}
        for position, statement in enumerate(self.statements):
            for name in statement.binds:
                found.setdefault(name, []).append(position)
        return found

    def public_names(self) -> set[str]:
        """The names that `from module import *` brings."""
        if self.exported is not None:
            return set(self.exported)
        return {name for statement in self.statements for name in statement.binds if not name.startswith("_")}


def to_document(summary: Summary) -> dict[str, Any]:
    """The summary as JSON data, to be kept by content."""
    return {
        "version": SUMMARY_VERSION,
        "name": summary.name,
        "package": summary.is_package,
        "loads": summary.loads,
        "stars": summary.stars,
        "exported": summary.exported,
        "statements": [[getattr(item, name) for name in Statement.__match_args__] for item in summary.statements],
    }


def from_document(document: dict[str, Any]) -> Summary | None:
    """The summary that `to_document` wrote, after a trip through JSON; None when it cannot be read."""
    if document.get("version") != SUMMARY_VERSION:
        return None
    try:
        return _revived(document)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _revived(document: dict[str, Any]) -> Summary:
    exported = document["exported"]
    return Summary(
        document["name"],
        document["package"],
        tuple(_revive(row) for row in document["statements"]),
        tuple(document["loads"]),
        tuple(document["stars"]),
        tuple(exported) if exported is not None else None,
    )


def _revive(row: list[Any]) -> Statement:
    values = dict(zip(Statement.__match_args__, row, strict=True))
    for name in ("reads", "entry_reads", "calls", "mutates", "dynamic"):
        values[name] = tuple(tuple(item) for item in values[name])
    for name in ("binds", "touches", "loads", "variables"):
        values[name] = tuple(values[name])
    values["imported"] = {
        name: tuple((target[0], target[1]) for target in targets) for name, targets in values["imported"].items()
    }
    values["defaults"] = {
        name: (item[0], tuple(tuple(read) for read in item[1])) for name, item in values["defaults"].items()
    }
    return Statement(**values)
