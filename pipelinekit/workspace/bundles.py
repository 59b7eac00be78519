"""A run in one file: all that is needed to do it again elsewhere, and what it gave. Every part is told by its digest.

The file is a zip. `run.json` names the graph, the arguments, the outputs of every step, and every blob; `graph.json` is
the graph; `blobs/` holds code and inputs, and outputs where that was asked for. The zip's comment is the digest of
`run.json`, so that a file says of itself whether it is whole.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelinekit.classes import frozen
from pipelinekit.domain.digests import digest_bytes, is_digest
from pipelinekit.domain.graphs import Graph
from pipelinekit.domain.runs import RunRecord, RunStatus, StepRecord
from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue, manifests
from pipelinekit.errors import IntegrityError, NotFoundError, UsageError
from pipelinekit.ports import Blobs, Documents
from pipelinekit.wire.graphs import graph_digest, parse_graph
from pipelinekit.wire.runs import paths_from_json, paths_to_json
from pipelinekit.wire.values import values_from_json, values_to_json
from pipelinekit.workspace.archives import Archive, is_swollen
from pipelinekit.workspace.runs import refuse_without_graph

SCHEMA = "pipelinekit run 1"
PARTS = ("run.json", "graph.json")
EXPORTED = ".zip"


@frozen
class Bundle:
    """What a run was made of, and what its steps gave. `blobs` are those that code and inputs consist of."""

    run: str
    pipeline: str
    experiment: str
    text: str
    arguments: Mapping[str, StoredValue]
    paths: Mapping[PathRef, StoredValue]
    outputs: Mapping[str, Mapping[str, StoredValue]]
    blobs: tuple[str, ...]

    @property
    def graph(self) -> Graph:
        """The run's graph."""
        return parse_graph(self.text, f"the graph of run {self.run}")


@frozen
class Exported:
    """A run that is in a file of so many bytes, with so many blobs."""

    run: str
    file: Path
    size: int
    blobs: int


def export_file(run: str, output: str) -> Path:
    """The file that a run is written to, where none is named."""
    return Path(output or f"run-{run}{EXPORTED}")


def bundle_of_run(run: RunRecord, documents: Documents, steps: Iterable[StepRecord], blobs: Blobs) -> Bundle:
    """What a run was made of, by its record. Raises NotFoundError for one that clean-up removed."""
    refuse_without_graph(run)
    texts = documents.get([run.graph])
    if run.removed or run.graph not in texts:
        raise NotFoundError(f"run {run.id} was removed by clean-up", hint="choose a run that 'runs list' shows")
    return bundle_of(run, texts[run.graph], steps, blobs)


def bundle_of(run: RunRecord, text: str, steps: Iterable[StepRecord], blobs: Blobs) -> Bundle:
    """What a run was made of. Raises IntegrityError when code or inputs are no longer in the store."""
    if run.status is not RunStatus.COMPLETED:
        raise UsageError(
            f"run {run.id} is {run.status}: there is no result to be compared with", hint="choose one that completed"
        )
    graph = parse_graph(text, f"the graph of run {run.id}")
    values = [*run.arguments.values(), *run.paths.values()]
    trees = {step.snapshot for step in graph.steps if step.snapshot}
    trees |= {manifest for value in values for manifest in manifests(value)}
    wanted = {blob for value in values for blob in value.blobs()} | trees
    _require(wanted, run.id, blobs)
    for tree in trees:
        wanted |= {entry.digest for entry in parse_manifest(blobs.read(tree)).entries}
    _require(wanted, run.id, blobs)
    outputs = {step.name: step.outputs for step in steps if step.status.good and step.outputs}
    return Bundle(run.id, run.pipeline, run.experiment, text, run.arguments, run.paths, outputs, tuple(sorted(wanted)))


def output_blobs(bundle: Bundle, blobs: Blobs) -> set[str]:
    """The blobs that the outputs of a bundle consist of, as far as they are in the store."""
    values = [value for outputs in bundle.outputs.values() for value in outputs.values()]
    found = {blob for value in values for blob in value.blobs()}
    found -= blobs.missing(found)
    for manifest in {manifest for value in values for manifest in manifests(value)} & found:
        found |= {entry.digest for entry in parse_manifest(blobs.read(manifest)).entries}
    return found - blobs.missing(found)


def write_bundle(bundle: Bundle, blobs: Blobs, target: Path, *, with_outputs: bool = False) -> int:
    """Write a bundle to a file, whole or not at all; the size of the file in bytes."""
    wanted = sorted({*bundle.blobs, *(output_blobs(bundle, blobs) if with_outputs else ())})
    document = json.dumps({**_to_json(bundle), "blobs": wanted}, indent=1, sort_keys=True).encode()
    parts = {"run.json": document, "graph.json": bundle.text.encode()}
    staged = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for packing in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
            held = _write_zip(staged, packing, parts, wanted, blobs)
            if not is_swollen(held, staged.stat().st_size):
                break  # else whoever is to read it would have to refuse it: it goes as it is
        os.replace(staged, target)
    finally:
        staged.unlink(missing_ok=True)
    return target.stat().st_size


def _write_zip(path: Path, packing: int, parts: Mapping[str, bytes], wanted: Iterable[str], blobs: Blobs) -> int:
    """Write the parts of a bundle; how many bytes they are."""
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, data in parts.items():
            file.writestr(name, data)
        for blob in wanted:
            file.write(blobs.path(blob), _place(blob))
        file.comment = digest_bytes(parts["run.json"]).encode()
        return sum(entry.file_size for entry in file.infolist())


class BundleFile:
    """A bundle in a file; it is checked as it is read. Raises IntegrityError for a file that is not whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = Archive(path, lambda name: name in PARTS or _is_place(name))
        document, text = (self._file.text(name) for name in PARTS)
        if digest_bytes(document).encode() != self._file.comment:
            raise IntegrityError(f"{path} is damaged: its description was changed", hint="export the run again")
        try:
            self.bundle, self._blobs = _from_json(json.loads(document), text.decode(), str(path))
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise IntegrityError(f"{path} is no run that was exported: {error}", hint="export the run again") from error

    def fill(self, blobs: Blobs) -> None:
        """Put everything in the file into a store; each blob is told by its content."""
        for blob in self._blobs:
            with self._file.open(_place(blob)) as source:
                stored, _ = blobs.put(source)
            if stored != blob:
                raise IntegrityError(f"{self.path} is damaged: blob {blob} holds something else")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def exported(path: Path) -> Exported:
    """What is in a file that was written. Raises IntegrityError for one that is not whole."""
    file = BundleFile(path)
    file.close()
    return Exported(file.bundle.run, path, path.stat().st_size, len(file.bundle.blobs))


def copy_blobs(bundle: Bundle, source: Blobs, target: Blobs) -> None:
    """Put code and inputs of a bundle into another store."""
    target.put_files([source.path(blob) for blob in bundle.blobs])


def _require(wanted: set[str], run: str, blobs: Blobs) -> None:
    if missing := blobs.missing(wanted):
        raise IntegrityError(
            f"{len(missing)} blobs of the code and inputs of run {run} are no longer in the store",
            hint="'pipelinekit fsck' says which; clean-up removes what no kept run needs",
        )


def _place(blob: str) -> str:
    return f"blobs/{blob.replace(':', '-')}"


def _is_place(name: str) -> bool:
    folder, _, blob = name.partition("/")
    return folder == "blobs" and is_digest(blob.replace("-", ":", 1)) and _place(blob.replace("-", ":", 1)) == name


def _to_json(bundle: Bundle) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "run": bundle.run,
        "pipeline": bundle.pipeline,
        "experiment": bundle.experiment,
        "graph": graph_digest(bundle.text),
        "arguments": values_to_json(bundle.arguments),
        "paths": paths_to_json(bundle.paths),
        "outputs": {step: values_to_json(outputs) for step, outputs in bundle.outputs.items()},
    }


def _from_json(document: Mapping[str, Any], text: str, name: str) -> tuple[Bundle, tuple[str, ...]]:
    if document.get("schema") != SCHEMA:
        raise UsageError(f"{name} is a file of schema {document.get('schema')!r}, which this release cannot read")
    if graph_digest(text) != document["graph"]:
        raise IntegrityError(f"{name} is damaged: its graph is not the run's")
    blobs = tuple(document["blobs"])
    outputs = {step: values_from_json(values) for step, values in document["outputs"].items()}
    bundle = Bundle(
        document["run"],
        document["pipeline"],
        document["experiment"],
        text,
        values_from_json(document["arguments"]),
        paths_from_json(document["paths"]),
        outputs,
        blobs,
    )
    return bundle, blobs


# -- what came out of it -----------------------------------------------------------------------------------------------


@frozen
class Comparison:
    """One output of a step, in the first run and in the one that did it again; without words they are identical."""

    step: str
    output: str
    before: StoredValue
    after: StoredValue | None
    words: str = ""

    @property
    def identical(self) -> bool:
        """Whether both are the same value."""
        return self.after is not None and self.before.digest == self.after.digest


def compare_outputs(bundle: Bundle, steps: Iterable[StepRecord]) -> Iterator[Comparison]:
    """Every output of the first run with that of the second, in the order of the steps."""
    found = {step.name: step.outputs if step.status.good else {} for step in steps}
    for step in sorted(bundle.outputs, key=[*found, *bundle.outputs].index):
        for name, value in bundle.outputs[step].items():
            after = found.get(step, {}).get(name)
            yield Comparison(step, name, value, after, "" if after else "the step did not give it")
