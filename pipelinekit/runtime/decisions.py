"""Look-ups for run and plan alike: which steps may be reused, and why the others have to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipelinekit.domain.graphs import Binding, DictOf, Graph, ListOf, Literal, Node, OutputRef, ParameterRef, sources
from pipelinekit.domain.runs import Reason, StepRecord
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.engine.events import LookedUp, LookUp
from pipelinekit.engine.explain import FIRST_RUN, Identity, difference
from pipelinekit.engine.fingerprint import key_document, observed_key
from pipelinekit.engine.reuse import usable
from pipelinekit.ports import Blobs, Clock, Documents, Files, ReuseRecords
from pipelinekit.runtime.completeness import incomplete
from pipelinekit.wire.keys import definition_body, definition_text, key_text
from pipelinekit.wire.values import loads


class Decisions:
    """Answers look-ups for one graph.

    Step runs of runs before `run` are what is compared with; of all, if it is empty. Unless it `explains`, steps
    that were not found are told without reasons.
    """

    def __init__(
        self,
        graph: Graph,
        run: str,
        reuse: ReuseRecords,
        documents: Documents,
        blobs: Blobs,
        clock: Clock,
        files: Files,
        *,
        explains: bool = True,
    ) -> None:
        self._graph = graph
        self._run = run
        self._explains = explains
        self._reuse = reuse
        self._documents = documents
        self._blobs = blobs
        self._clock = clock
        self._files = files
        self._nodes = {node.name: node for node in graph.nodes}
        self._definitions = [step.definition.digest() for step in graph.steps]
        self._parsed: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, str] = {}
        self._seen: dict[tuple[str, tuple[str, ...]], Mapping[str, str]] = {}
        self._explained: dict[str, tuple[Mapping[str, StoredValue], str]] = {}  # documents that will soon be kept

    def look_up(self, asked: LookUp) -> LookedUp:
        """Completions that may be reused, and for every other step the reasons why it runs."""
        others = self._observed_keys(asked)
        kept = self._reuse.find([*asked.keys.values(), *(key for keys in others.values() for key in keys)])
        filed = {step: next((key for key in keys if key in kept), "") for step, keys in others.items()}
        wanted = {**asked.keys, **{step: key for step, key in filed.items() if key}}
        completions = {key: kept[key] for key in wanted.values() if key in kept}
        values = {key: completion.outputs.values() for key, completion in completions.items()}
        found, refused = usable(wanted, completions, incomplete(values, self._blobs), self._oldest(wanted))
        misses = {step: key for step, key in asked.keys.items() if step not in found and step not in refused}
        reasons: dict[str, tuple[Reason, ...]] = {step: (reason,) for step, reason in refused.items()}
        if misses:
            reasons.update(self._explain(misses, asked.inputs, others) if self._explains else dict.fromkeys(misses, ()))
        return LookedUp(found, reasons, frozenset(refused))

    def _observed_keys(self, asked: LookUp) -> dict[str, list[str]]:
        """Keys of steps whose earlier executions opened undeclared files: one for each set of files, as they are."""
        sets = self._reuse.observed(set(self._definitions))
        found: dict[str, list[str]] = {}
        for step in asked.keys if sets else ():
            definition = self.definition_digest(step)
            for files in sets.get(definition, ()):
                digests = self._now(step, files)
                found.setdefault(step, []).append(
                    observed_key(definition, self._keyed(step, asked.inputs[step]), digests)
                )
        return found

    def _now(self, step: str, files: tuple[str, ...]) -> Mapping[str, str]:
        """Digests of undeclared files, in this graph's snapshot and on this machine; told once for the whole run."""
        snapshot = self._graph.step_of(self.node_of(step)).snapshot
        if (snapshot, files) not in self._seen:
            self._seen[snapshot, files] = self._files.digests(snapshot, files)
        return self._seen[snapshot, files]

    def _keyed(self, step: str, inputs: Mapping[str, StoredValue]) -> dict[str, str]:
        digests = {port: value.digest for port, value in inputs.items()}
        return self._graph.step_of(self.node_of(step)).keyed(digests)

    def _oldest(self, steps: Iterable[str]) -> dict[str, float]:
        """Since when a completion must be, for the steps whose results age."""
        if not any(step.options.max_age for step in self._graph.steps):
            return {}
        now = self._clock.now()
        ages = {step: self._graph.step_of(self.node_of(step)).options.max_age for step in steps}
        return {step: now - age for step, age in ages.items() if age}

    def node_of(self, step: str) -> Node:
        """The node that a step, or an element of a mapped step, belongs to."""
        return self._nodes.get(step) or self._nodes[step.rpartition("[")[0]]

    # -- documents ---------------------------------------------------------------------------------------------------

    def document(self, step: str, inputs: Mapping[str, StoredValue], observed: Mapping[str, str] | None = None) -> str:
        """The key document of a step as it is kept, with what helps to explain it."""
        told, text = self._explained.pop(step, (None, ""))
        if told is inputs and observed is None:
            return text
        node = self.node_of(step)
        document = key_document(self._definitions[node.step], self._keyed(step, inputs), observed)
        return key_text(document, inputs, self._origins(node, step))

    def definition(self, step: str) -> tuple[str, str]:
        """Digest and kept document of a step's definition."""
        position = self.node_of(step).step
        digest = self._definitions[position]
        if digest not in self._texts:
            self._texts[digest] = definition_text(self._graph.steps[position])
        return digest, self._texts[digest]

    @property
    def definition_digests(self) -> Sequence[str]:
        """Digests of all definitions, in the order of the graph's steps."""
        return self._definitions

    def definition_digest(self, step: str) -> str:
        """Digest of a step's definition."""
        return self._definitions[self.node_of(step).step]

    def _origins(self, node: Node, step: str) -> dict[str, str]:
        """Where each input comes from; of an element of a mapped step, where that element does."""
        found = {}
        for port, written in node.inputs.items():
            binding = _element(written, int(step[len(node.name) + 1 : -1])) if port in node.each else written
            if type(binding) is Literal and type(binding.value) is not PathRef:
                continue
            if origin := self._origin(binding):
                found[port] = origin
            for place, item in _parameters(binding):
                found[port + place] = self._origin(item)
        return found

    def _origin(self, binding: Binding) -> str:
        match binding:
            case OutputRef(node=node):
                return f"step {self._graph.nodes[node].name!r}"
            case ParameterRef(name=name):
                return f"parameter {name!r}"
            case Literal(value=PathRef() as ref):
                return f"{'folder' if ref.folder else 'file'} {ref.path!r}"
            case Literal():
                return ""
        names = [self._graph.nodes[position].name for position in sources(binding)]
        return f"step {names[0]!r}" if len(names) == 1 else f"{len(names)} steps" if names else ""

    # -- reasons -----------------------------------------------------------------------------------------------------

    def _explain(
        self,
        misses: Mapping[str, str],
        inputs: Mapping[str, Mapping[str, StoredValue]],
        others: Mapping[str, Sequence[str]],
    ) -> dict[str, tuple[Reason, ...]]:
        earlier = self._reuse.previous(self._graph.name, misses, before=self._run)
        bodies = self._earlier_bodies(earlier)
        revoked = self._reuse.revoked(earlier[step].key for step in misses if step in bodies)
        reasons: dict[str, tuple[Reason, ...]] = {}
        for step, key in misses.items():
            if step not in bodies:
                reasons[step] = (FIRST_RUN,)
            elif earlier[step].key in (key, *others.get(step, ())):
                why = f": {revoked[earlier[step].key]}" if earlier[step].key in revoked else ""
                words = f"its result of run {earlier[step].run} may no longer be reused{why}"
                reasons[step] = (Reason("invalidated", words),)
            else:
                files = tuple(bodies[step]["key"].get("observed", ()))
                text = self.document(step, inputs[step], self._now(step, files) if files else None)
                reasons[step] = tuple(difference(self._identity(bodies[step]), self._identity(loads(text))))
                if not files:
                    self._explained[step] = inputs[step], text
        return reasons

    def changes(self, earlier: Mapping[str, StepRecord]) -> dict[str, tuple[Reason, ...]]:
        """What differs from earlier step runs apart from inputs, for steps whose inputs are not known yet."""
        reasons: dict[str, tuple[Reason, ...]] = {}
        for step, body in self._earlier_bodies(earlier).items():
            new = {**body, "key": {**body["key"], "definition": self.definition_digest(step)}}
            if files := tuple(body["key"].get("observed", ())):
                new["key"]["observed"] = self._now(step, files)
            reasons[step] = tuple(difference(self._identity(body), self._identity(new)))
        return reasons

    def _earlier_bodies(self, earlier: Mapping[str, StepRecord]) -> dict[str, Any]:
        """The kept key documents of earlier step runs; definitions that they name are read too."""
        keyed = {key: loads(body) for key, body in self._documents.get({step.key for step in earlier.values()}).items()}
        definitions = {body["key"]["definition"] for body in keyed.values()}
        for digest, body in self._documents.get(definitions - self._parsed.keys()).items():
            self._parsed[digest] = loads(body)
        for compiled, digest in zip(self._graph.steps, self._definitions, strict=True):
            # of this graph's own definitions the places of now count, not those they were first kept with
            self._parsed[digest] = definition_body(compiled.definition, compiled.snapshot)
        return {name: keyed[step.key] for name, step in earlier.items() if step.key in keyed}

    def _identity(self, body: Mapping[str, Any]) -> Identity:
        digest = body["key"]["definition"]
        kept = self._parsed.get(digest, {"definition": {}, "places": {}})
        return Identity(
            body["key"]["inputs"],
            kept["definition"],
            kept["places"],
            body["shown"],
            body["origins"],
            body["parts"],
            body["key"].get("observed", {}),
        )


def _parameters(binding: Binding) -> Iterator[tuple[str, ParameterRef]]:
    """The parameters among what a list or dict is put together of, by place."""
    if isinstance(binding, ListOf):
        yield from ((f"[{at}]", item) for at, item in enumerate(binding.items) if isinstance(item, ParameterRef))
    elif isinstance(binding, DictOf):
        yield from ((f"[{key!r}]", item) for key, item in binding.entries if isinstance(item, ParameterRef))


def _element(binding: Binding, position: int) -> Binding:
    """What one element of a list that is mapped over is bound to, as far as the graph says it."""
    if isinstance(binding, ListOf) and position < len(binding.items):
        return binding.items[position]
    return binding
