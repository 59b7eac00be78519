"""From a draft to a graph, with everything that the graph names: snapshot, code closures, software."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.environments import (
    Environment,
    LockedEnvironment,
    Software,
    python_identity,
    variable_identity,
)
from pipelinekit.domain.graphs import CodeItem, CompiledStep, Definition, Graph
from pipelinekit.domain.pipelines import Draft, StepDeclaration
from pipelinekit.domain.snapshots import SnapshotLimits
from pipelinekit.engine.code.closure import Closure, closure_of
from pipelinekit.engine.compiler import assemble, check, raise_faults
from pipelinekit.errors import Fault, FaultyError, PipelinekitError
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING
from pipelinekit.workspace.ignores import CompilePatterns
from pipelinekit.workspace.snapshots import SourceTree
from pipelinekit.workspace.software import BuildIndex, InstalledSoftware
from pipelinekit.workspace.sources import SourceCode, Summarise

if TYPE_CHECKING:
    from pipelinekit.domain import secrets as secret_rules
    from pipelinekit.ports import Blobs, Cache
    from pipelinekit.workspace import exposures, secrets
else:
    secret_rules = late("pipelinekit.domain.secrets")
    exposures = late("pipelinekit.workspace.exposures")
    secrets = late("pipelinekit.workspace.secrets")

EXPOSED = "exposures-1"
LockEnvironment = Callable[[Environment | str], LockedEnvironment]


@frozen
class Compilation:
    """A compiled graph, the warnings that came up, and the source trees that it names.

    `hints` name calls whose results differ from time to time, in steps whose results are reused.
    """

    graph: Graph
    warnings: tuple[Fault, ...]
    trees: tuple[SourceTree, ...]
    hints: tuple[Fault, ...] = ()

    def keep(self, blobs: Blobs) -> None:
        """Put the snapshots into the store."""
        for tree in self.trees:
            tree.keep(blobs)


class Compiler:
    """Compiles drafts on this machine. `lock_environment` finds a declared environment, and what it was resolved to.

    `summarise` reads a module that is new. `secret_versions` gives the version of each of these secrets that is there.
    `limits` says how much a source folder may hold.
    """

    def __init__(
        self,
        cache: Cache,
        compile_patterns: CompilePatterns,
        build_index: BuildIndex,
        lock_environment: LockEnvironment,
        summarise: Summarise,
        secret_versions: Callable[[Iterable[str]], Mapping[str, int]] = lambda _: {},
        limits: SnapshotLimits | None = None,
    ) -> None:
        self._cache = cache
        self._installed = InstalledSoftware(cache, build_index)
        self._compile_patterns = compile_patterns
        self._lock_environment = lock_environment
        self._summarise = summarise
        self._secret_versions = secret_versions
        self._limits = limits

    def compile(self, draft: Draft) -> Compilation:
        """Compile a draft. Raises CompileError with every fault that can be told."""
        declared = {name for step in draft.steps for name in step.options.secrets}
        versions = self._secret_versions(declared) if declared else {}
        faults = secrets.missing_secrets(draft.steps, versions) if declared else []
        try:
            check(draft)
        except FaultyError:
            check(draft, faults)
            raise
        if declared:  # what is missing is told with what follows
            versions = {**dict.fromkeys(declared, secret_rules.ANY_VERSION), **versions}
        tree = SourceTree(Path(draft.root), self._cache, self._compile_patterns, self._limits)
        for name, text in draft.texts.items():
            tree.add_text(name, text)
        code = SourceCode(tree, self._cache, self._installed, self._summarise)
        warnings: dict[Fault, None] = {}
        hints: dict[Fault, None] = {}
        trees: dict[str, SourceTree] = {}
        definitions: list[Definition] = []
        environments: list[Environment | None] = []
        seen: dict[str, LockedEnvironment] = {}
        known: list[tuple[str, ...]] = []
        for declaration in draft.steps:
            try:
                if declaration.kind == "python":
                    closure = closure_of(_roots(declaration), code, unbound=declaration.unbound)
                    warnings.update(dict.fromkeys(closure.warnings))
                    if declaration.options.allow_reuse:
                        hints.update(dict.fromkeys(closure.hints))
                else:
                    closure = self._script_closure(declaration, draft, trees)
                locked = self._locked(declaration, seen)
                definitions.append(self._definition(declaration, closure, locked, versions))
                environments.append(locked.environment if locked else None)
                known.append(closure.known)
            except FaultyError as error:
                faults.extend(error.faults)
            except PipelinekitError as error:
                faults.append(Fault(error.message, declaration.file, declaration.line, error.hint))
        raise_faults(draft.name, faults)
        snapshot = tree.digest()
        warnings.update(dict.fromkeys(self._exposed(tree, trees)))
        steps = [
            replace(_compiled(declaration, definition, environment, trees, snapshot), known=files)
            for declaration, definition, environment, files in zip(
                draft.steps, definitions, environments, known, strict=True
            )
        ]
        return Compilation(assemble(draft, steps, snapshot), tuple(warnings), (tree, *trees.values()), tuple(hints))

    def misfit(self, python: str, packages: Iterable[tuple[str, str]]) -> str:
        """Why this machine's software is not what a step without an environment was compiled with; empty when it is."""
        return self._installed.misfit(python, packages)

    def bind_secrets(self, graph: Graph) -> Graph:
        """A stored graph with the versions that its secrets have now. Raises FaultyError for what is not there."""
        if not any(step.options.secrets for step in graph.steps):
            return graph
        return secrets.bind_secrets(graph, self._secret_versions)

    def _script_closure(self, declaration: StepDeclaration, draft: Draft, trees: dict[str, SourceTree]) -> Closure:
        """Scripts and commands are keyed on their whole source folder after the ignore rules."""
        if not declaration.source:
            return Closure((), (), (), ())
        folder = Path(draft.root, declaration.source)
        if not folder.is_dir():
            raise PipelinekitError(
                f"the source folder {declaration.source!r} of step {declaration.title!r} does not exist"
            )
        if declaration.kind == "script" and not (folder / declaration.name).is_file():
            raise PipelinekitError(f"the script {str(folder / declaration.name)!r} does not exist")
        own = SourceTree(folder, self._cache, self._compile_patterns, self._limits)
        tree = trees.setdefault(declaration.source, own)
        code = tuple(CodeItem(f"file:{entry.path}", entry.digest, entry.path, 1, 1) for entry in tree.tree().entries)
        return Closure(code, (), (), ())

    def _exposed(self, tree: SourceTree, trees: dict[str, SourceTree]) -> list[Fault]:
        """Warnings of files that look like secrets, each named once, relative to the pipeline's source folder."""
        found: dict[str, str] = {}
        digests = {folder: item.digest() for folder, item in (("", tree), *trees.items())}
        kept = self._cache.get(EXPOSED, digests.values())
        for folder, item in (("", tree), *trees.items()):
            text = kept.get(digests[folder])
            if text is None:
                sizes = {path: entry.size for path, entry in item.entries.items()}
                text = json.dumps(exposures.exposures(item.entries, item.read, sizes.__getitem__))
                self._cache.put(EXPOSED, {digests[folder]: text})
            prefix = "" if folder in ("", ".") else f"{folder}/"
            found.update((prefix + path, what) for path, what in json.loads(text).items())
        return exposures.exposure_warnings(found) if found else []

    def _locked(self, declaration: StepDeclaration, seen: dict[str, LockedEnvironment]) -> LockedEnvironment | None:
        """The environment that a step asks for, by itself or by name, with its lock; one name is one in all steps."""
        asked = declaration.environment
        if not asked:
            return None
        key = asked if isinstance(asked, str) else f"{asked.label} {asked.identity()}"
        if key not in seen:
            seen[key] = self._lock_environment(asked)
        locked = seen[key]
        if locked.lock.image and declaration.kind == "python":
            raise PipelinekitError(
                f"step {declaration.title!r} is a Python function, and environment {locked.environment.label!r} is a "
                "container image",
                hint="images run script and command steps; give this step an environment with packages",
            )
        return locked

    def _definition(
        self,
        declaration: StepDeclaration,
        closure: Closure,
        locked: LockedEnvironment | None,
        versions: Mapping[str, int],
    ) -> Definition:
        lock = locked.lock if locked and locked.lock.is_own else None
        variables = {name: variable_identity(name, os.environ.get(name)) for name in closure.variables}
        if locked:
            declared = locked.environment.variables
            variables.update((name, variable_identity(name, value)) for name, value in declared.items())
        # with a lock the packages are what it says; without one, what the code reaches in this environment
        packages = () if lock else self._installed.packages(closure.installed)
        software = Software(
            lock.python if lock else python_identity(),
            packages,
            tuple(sorted(variables.items())),
            lock.requirements if lock else (),
            lock.base if lock else "",
        )
        entry = f"{declaration.module}:{declaration.name}" if declaration.kind == "python" else declaration.name
        return Definition(
            declaration.kind,
            entry,
            closure.code,
            software,
            declaration.outputs,
            declaration.options.cache_version,
            declaration.arguments,
            secrets.keyed_versions(declaration.options.secrets, versions) if declaration.options.secrets else (),
        )


def _roots(declaration: StepDeclaration) -> Sequence[tuple[str, str]]:
    return [(declaration.module, declaration.name), *declaration.roots]


def _compiled(
    declaration: StepDeclaration,
    definition: Definition,
    environment: Environment | None,
    trees: dict[str, SourceTree],
    snapshot: str,
) -> CompiledStep:
    tree = trees.get(declaration.source) if declaration.kind != "python" else None
    options = declaration.options
    if environment and environment.variables:
        options = replace(options, variables=dict(environment.variables))
    return CompiledStep(
        declaration.title,
        definition,
        declaration.inputs,
        options,
        tree.digest() if tree else snapshot,
        environment=environment.label if environment else "",
    )
