"""Snapshots on the machine where steps run: brought here once, kept by digest."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from pipelinekit.domain.digests import PREFIX
from pipelinekit.formats.paths import place_folder
from pipelinekit.ports import Blobs


def bring_snapshot(home: Path, snapshot: str, blobs: Blobs) -> Path:
    """The folder with a snapshot's files below `home`; whole or not there, however many ask for it at once."""
    folder = home / "snapshots" / (snapshot.removeprefix(PREFIX) or "empty")
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".staged-"))
    try:
        if snapshot:
            place_folder(snapshot, staged, blobs)
        os.rename(staged, folder)
    except OSError:
        if not folder.is_dir():  # else somebody else was first
            raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return folder
