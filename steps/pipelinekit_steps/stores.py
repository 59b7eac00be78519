"""Putting results where others look for them: datastores of the workspace."""

from __future__ import annotations

from pathlib import Path

from pipelinekit import Workspace, step


@step
def upload_to_store(data: Path, store: str, target: str = "", overwrite: bool = True) -> list[str]:
    """Copy a file, or the files of a folder, into a datastore below `target`; the paths there.

    Files that are there are replaced, or kept where `overwrite` is off. To copy from one datastore to another, give
    `DataPath("raw", "2024")` as `data`. A single file is named `data` with its suffix, since its own name is no
    part of the content.

    The step is reused as any other: equal data is put to one place once. What somebody takes away there is put back by
    `pipelinekit run --regenerate upload_to_store`. `runs reproduce` does not write there again: the step fails, unless
    the workspace that `--into` names has a datastore of that name.
    """
    handle = Workspace.open().datastores.get(store)
    found = handle.upload(data, target, overwrite=overwrite)
    return [*found.done, *found.kept]
