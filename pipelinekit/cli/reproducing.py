"""`pipelinekit runs reproduce` and `runs export`: a run done again in an empty place, and a run in a file."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pipelinekit.bootstrap import Services, open_services
from pipelinekit.classes import replace
from pipelinekit.cli.output import print_json, table
from pipelinekit.cli.run import drive
from pipelinekit.domain.names import WORKSPACE_FOLDER
from pipelinekit.domain.runs import RunOptions
from pipelinekit.domain.texts import size_text
from pipelinekit.errors import NotFoundError
from pipelinekit.runtime.driver import Begun, Driver
from pipelinekit.workspace.bundles import (
    Bundle,
    BundleFile,
    Comparison,
    compare_outputs,
    copy_blobs,
)
from pipelinekit.workspace.differences import first_difference
from pipelinekit.workspace.pipelines import Arguments
from pipelinekit.workspace.secrets import lent


def export(arguments: argparse.Namespace, services: Services) -> int:
    """Write a run to a file."""
    made = services.export(arguments.run, arguments.output, with_outputs=arguments.with_outputs)
    if arguments.json:
        print_json({"run": made.run, "file": str(made.file), "bytes": made.size, "blobs": made.blobs})
    else:
        print(
            f"run {made.run} is in {made.file} ({size_text(made.size)}); "
            f"'pipelinekit runs reproduce {made.file}' does it again"
        )
    return 0


def reproduce(arguments: argparse.Namespace, services: Services | None) -> int:
    """Do a run again in an empty workspace, and compare every output; 1 when one differs."""
    folder = Path(arguments.into or tempfile.mkdtemp(prefix="pipelinekit-reproduce-"))
    try:
        return _reproduce(arguments, services, folder)
    finally:
        if not arguments.into:
            shutil.rmtree(folder, ignore_errors=True)


def _reproduce(arguments: argparse.Namespace, services: Services | None, folder: Path) -> int:
    place = open_services(folder / WORKSPACE_FOLDER)
    if services is None:
        bundle = _unpacked(Path(arguments.run), place)
    else:
        bundle = services.bundle(arguments.run)
        copy_blobs(bundle, services.blobs, place.blobs)

    def record() -> str:
        return _submit(bundle, place)

    def begin(driver: Driver) -> Begun:
        return driver.begin(record())

    print_as_json = arguments.json
    with lent(_secrets_of(bundle, services or _nearest()), place.secrets) if _named(bundle) else nullcontext():
        code = drive(place, begin, record, as_json=print_as_json, quiet=print_as_json)
    done = place.runs.get().record
    old = services.blobs if services else place.blobs
    compared = [
        item if item.identical else _explained(item, old, place.blobs, folder)
        for item in compare_outputs(bundle, place.records.runs.steps(done.id))
    ]
    if print_as_json:
        print_json({"run": bundle.run, "status": str(done.status), "outputs": [_document(item) for item in compared]})
    else:
        print("\n" + table([_row(item) for item in compared], ("step", "output", "")))
        equal = sum(item.identical for item in compared)
        print(f"{equal} of {len(compared)} outputs are identical to those of run {bundle.run}")
    return code or int(not all(item.identical for item in compared))


def _unpacked(path: Path, place: Services) -> Bundle:
    """The run in a file, whose blobs are put into a workspace; where that fails a new workspace goes again."""
    file = BundleFile(path)
    is_new = not place.folder.exists()
    try:
        file.fill(place.blobs)
    except BaseException:
        if is_new:
            shutil.rmtree(place.folder, ignore_errors=True)
        raise
    finally:
        file.close()
    return file.bundle


def _named(bundle: Bundle) -> set[str]:
    """The secrets that steps of a run declare."""
    return {name for step in bundle.graph.steps for name in step.options.secrets}


def _nearest() -> Services | None:
    """The workspace that a file is reproduced from, if there is one: its secrets may be needed."""
    try:
        return open_services(create=False)
    except NotFoundError:
        return None


def _secrets_of(bundle: Bundle, source: Services | None) -> Mapping[str, str]:
    """The values of a run's secrets, as far as a workspace has them; a value that is not the run's is told."""
    if source is None:
        return {}
    versions = source.secret_versions(_named(bundle))
    used = {name: version for step in bundle.graph.steps for name, version in step.definition.secrets}
    for name, version in sorted(versions.items()):
        if used.get(name, version) != version:
            sys.stderr.write(f"note: secret {name!r} has another value now than in run {bundle.run}\n")
    return source.open_secrets(versions)


def _submit(bundle: Bundle, place: Services) -> str:
    """Record a run of a bundle's graph in a workspace that has its blobs."""
    given = Arguments(bundle.arguments, bundle.paths)
    place.pipelines.find_stored(bundle.graph, given)
    options = RunOptions(regenerate=("*",), compute=place.settings.compute)
    record = place.pipelines.submit(
        bundle.graph,
        given,
        experiment=bundle.experiment,
        options=options,
        source=f"run {bundle.run}",
        batch=place.records.batch,
    )
    return record.id


def _explained(item: Comparison, old: Any, new: Any, folder: Path) -> Comparison:
    """A difference with the place where it begins."""
    if item.after is None:
        return item
    with tempfile.TemporaryDirectory(dir=folder) as working:
        return replace(item, words=first_difference(item.before, item.after, old, new, Path(working)))


def _row(item: Comparison) -> tuple[str, str, str]:
    return item.step, item.output, "identical" if item.identical else f"differs: {item.words}"


def _document(item: Comparison) -> dict[str, Any]:
    return {
        "step": item.step,
        "output": item.output,
        "identical": item.identical,
        "before": item.before.digest,
        "after": item.after.digest if item.after else None,
        **({} if item.identical else {"difference": item.words}),
    }
