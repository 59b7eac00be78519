"""Pipelines that come from elsewhere: gathered where they are written, and run or published where they arrive."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from pipelinekit.domain.digests import digest_bytes, digest_stream
from pipelinekit.domain.environments import variable_identity
from pipelinekit.domain.names import IN_PROCESS, LOCAL
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.uploads import Upload
from pipelinekit.errors import CompileError, Fault, IntegrityError, NotFoundError, UsageError
from pipelinekit.ports import Blobs
from pipelinekit.ports.uploads import Uploads
from pipelinekit.wire.uploads import UploadedGraph, parse_upload, upload_text
from pipelinekit.workspace.compiling import Compilation
from pipelinekit.workspace.pipeline_drafts import DraftContent
from pipelinekit.workspace.pipelines import Arguments, Pipelines
from pipelinekit.workspace.published_pipelines import (
    NOWHERE,
    Call,
    Publication,
    PublishedPipelineCollection,
    PublishedPipelineHandle,
    call_options,
    pin,
    provenance,
)
from pipelinekit.workspace.runs import Run, RunCollection, checked_tags

SOURCE = "upload"
DETAILS = ("git", "host", "user")  # of what an upload says of where it comes from
Misfit = Callable[[str, Iterable[tuple[str, str]]], str]


class Gathered:
    """Implements `ports.Blobs` where nothing is to be kept: files stay where they are, and are told by digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.places: dict[str, Path] = {}

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Keep bytes in a file of its own."""
        data = source if isinstance(source, bytes) else source.read()
        digest = digest_bytes(data)
        if digest not in self.places:
            place = self._folder / str(len(self.places))
            place.write_bytes(data)
            self.places[digest] = place
        return digest, len(data)

    def put_file(self, path: Path, *, move: bool = False) -> tuple[str, int]:
        """Remember where a file lies; one that is to be moved is."""
        if move:
            found = self.put(path.read_bytes())
            path.unlink()
            return found
        with path.open("rb") as stream:
            digest, size = digest_stream(stream)
        self.places.setdefault(digest, path.absolute())
        return digest, size

    def put_files(self, paths: Sequence[Path], *, move: bool = False) -> list[tuple[str, int]]:
        """The same for many files."""
        return [self.put_file(path, move=move) for path in paths]

    def path(self, digest: str) -> Path:
        """Where the blob lies."""
        if digest not in self.places:
            raise IntegrityError(f"blob {digest} was not gathered", digest=digest)
        return self.places[digest]

    def read(self, digest: str) -> bytes:
        """The blob's bytes."""
        data = self.path(digest).read_bytes()
        if digest_bytes(data) != digest:
            raise IntegrityError(f"{self.path(digest)} changed while it was sent", digest=digest)
        return data

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Which of these were not gathered."""
        return {digest for digest in digests if digest not in self.places}

    def discard(self, digest: str) -> None:
        """Forget a blob."""
        self.places.pop(digest, None)


def gather(
    pipelines: Pipelines, gathered: Gathered, compilation: Compilation, given: Mapping[str, Any], root: Path
) -> Upload:
    """A compiled pipeline with all that it needs. Given paths are relative to `root`. Raises ParameterError."""
    compilation.keep(gathered)
    source = compilation.trees[0].root
    graph, pinned = pin(pipelines, compilation.graph, given, root, source)
    upload = UploadedGraph(graph, pinned.values, pinned.paths, provenance(source))
    document, _ = gathered.put(upload_text(upload).encode())
    return Upload(document, dict(gathered.places), compilation.warnings)


class UploadStores:
    """What uploads are received into. `misfit` says why this machine has not the software that a step is keyed with."""

    def __init__(
        self,
        receiver: Uploads,
        blobs: Blobs,
        pipelines: Pipelines,
        published: PublishedPipelineCollection,
        runs: RunCollection,
        batch: Callable[[], AbstractContextManager[None]],
        check_computes: Callable[[Sequence[str]], object],
        misfit: Misfit,
        compute: str,
    ) -> None:
        self.receiver = receiver
        self.blobs = blobs
        self.pipelines = pipelines
        self.published = published
        self.runs = runs
        self.batch = batch
        self.check_computes = check_computes
        self.misfit = misfit
        self.compute = compute


class UploadCollection:
    """Pipelines that come from elsewhere."""

    def __init__(self, stores: UploadStores) -> None:
        self._stores = stores
        self.receiver = stores.receiver

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Which blobs are not in the store; the others stay there for now."""
        return self._stores.blobs.missing(digests)

    def get(self, document: str) -> UploadedPipeline:
        """The upload with this document. Raises NotFoundError where that has not come, UsageError for anything else."""
        if self.missing([document]):
            raise NotFoundError(f"there is no upload {document}", hint="send its document as a blob first")
        return self.handle(parse_upload(self._stores.blobs.read(document)))

    def handle(self, content: UploadedGraph) -> UploadedPipeline:
        """A handle on what was uploaded."""
        return UploadedPipeline(content, self._stores)


class UploadedPipeline:
    """A pipeline that came from elsewhere; its graph, and how it is run or published."""

    def __init__(self, content: UploadedGraph, stores: UploadStores) -> None:
        self.graph = content.graph
        self.content = content
        self._stores = stores

    def prepare(self, call: Call, max_seconds: float = 0.0) -> tuple[Arguments, RunOptions]:
        """Values and options for a run; all is looked for in the store. Raises what is wrong with it."""
        options = call_options(RunOptions(compute=self._stores.compute, max_seconds=max_seconds), call)
        self._check(options.compute)
        arguments = self._stores.pipelines.arguments(self.graph, {}, NOWHERE, pinned=self._pinned)
        self._stores.pipelines.find_stored(self.graph, arguments)
        return arguments, options

    def record(self, arguments: Arguments, options: RunOptions, call: Call) -> Run:
        """Record a run that was prepared. No driver is started."""
        stores = self._stores
        tags = checked_tags(call.tags or {})
        with stores.batch():
            record = stores.pipelines.submit(
                self.graph,
                arguments,
                experiment=call.experiment,
                options=options,
                source=SOURCE,
                details={**self._details, **(call.details or {})},
                detached=True,
                display_name=call.display_name,
                batch=stores.batch,
            )
            run = stores.runs.handle(record)
            run.mark(tags)
        return run

    def publish(self, about: Publication, details: Mapping[str, Any]) -> PublishedPipelineHandle:
        """Publish it."""
        self._check(about.options.compute)
        return self._stores.published.publish_stored(self.graph, self._pinned, about, {**self._details, **details})

    def draft(self, compute: str, max_seconds: float = 0.0) -> DraftContent:
        """It as what a draft is made of."""
        self._check(compute or self._stores.compute)
        options = RunOptions(compute=compute or self._stores.compute, max_seconds=max_seconds)
        return DraftContent(self.graph, self._pinned, options, {}, self._details)

    @property
    def _pinned(self) -> Arguments:
        return Arguments(self.content.values, self.content.paths)

    @property
    def _details(self) -> dict[str, Any]:
        return {name: self.content.details[name] for name in DETAILS if name in self.content.details}

    def _check(self, compute: str) -> None:
        """Refuse compute targets that there are not, and software that is not here. Raises with every fault."""
        targets = [step.options.compute or compute for step in self.graph.steps]
        if IN_PROCESS in (compute, *targets):
            raise UsageError(
                "steps cannot run in the process of whoever sends them", hint="name another compute target"
            )
        self._stores.check_computes([compute, *targets])
        faults = []
        for step, target in zip(self.graph.steps, targets, strict=True):
            software = step.definition.software
            if target == LOCAL and not software.lock and not software.base:
                if why := self._stores.misfit(software.python, software.packages):
                    faults.append(Fault(f"step {step.name!r}: {why} on the server", hint=_INSTALL))
                faults += _variable_faults(step.name, software.variables, step.options.variables)
        if faults:
            raise CompileError(
                f"pipeline {self.graph.name!r} was compiled for another machine", faults=list(dict.fromkeys(faults))
            )


_INSTALL = "give the step an environment, which goes with it, or have the same versions here and there"


def _variable_faults(step: str, keyed: Iterable[tuple[str, str]], given: Mapping[str, str]) -> list[Fault]:
    """Environment variables that a step reads and that the server has other values of."""
    return [
        Fault(
            f"step {step!r} reads environment variable {name}, which is another one on the server",
            hint="give it as a parameter, or to the step with variables={...}",
        )
        for name, identity in keyed
        if variable_identity(name, given.get(name, os.environ.get(name))) != identity
    ]
