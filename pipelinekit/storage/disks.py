"""What a folder lies on: a disk of this machine or of another, one that is away, or one that may only be read."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipelinekit.errors import StorageError
from pipelinekit.storage.database import device_of

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset({"afs", "beegfs", "ceph", "cifs", "coda", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"})
NETWORK |= {"orangefs", "pvfs2", "smb2", "smb3", "smbfs"}
NETWORK |= {"fuse.ceph", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
PATIENCE_SECONDS = 20.0  # how long a disk that is away is waited for: less than others wait for the records' lock
PAUSE_SECONDS = 0.1


def network_kind(device: int) -> str:
    """The kind of network file system that files of this device lie on; empty where it is none, or cannot be told."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        mount, _, system = line.partition(" - ")
        if mount.split()[2:3] == [number]:
            kind = system.split()[0] if system else ""
            return kind if kind in NETWORK else ""
    return ""


def refuse_network(path: Path, device: int) -> None:
    """Refuse to keep records in a file that several machines could change without seeing each other's locks."""
    if kind := network_kind(device):
        raise StorageError(
            f"the records at {path} would lie on a network file system ({kind}), where the locks of SQLite do not hold",
            hint="keep the workspace on a disk of this machine ('--workspace FOLDER'), or its records in PostgreSQL "
            "(the setting 'records')",
        )


class Ground:
    """The disk that a store's folder lies on.

    Where that is a disk of its own, a file beside the folder says so: without the disk there is an empty folder in its
    place, and whoever took that for the store would find nothing, and store things where they do not belong.
    """

    def __init__(self, folder: Path, here: int | None, around: int | None) -> None:
        """`here` and `around` are the devices of the folder and of the one that it lies in, as they were at first."""
        self._folder = folder
        self._note = Path(f"{folder}.mounted")
        self._had_parent = around is not None
        self._apart = here is not None and here != around
        if self._apart and not self._note.exists():
            self._note_it()
        elif not self._apart and self._note.exists():
            self._apart = True

    def _note_it(self) -> None:
        try:
            self._note.touch()
        except OSError:  # where nothing may be written nothing is lost either
            return

    def wait(self, *, writing: bool = False) -> bool:
        """Wait until the disk can be used; whether that took any time. Raises StorageError when it takes too long."""
        if not self._problem(writing):
            return False
        until = time.monotonic() + PATIENCE_SECONDS
        while problem := self._problem(writing):
            if time.monotonic() > until:
                raise StorageError(f"the store at {self._folder} {problem[0]}", hint=problem[1])
            time.sleep(PAUSE_SECONDS)
        return True

    def _problem(self, writing: bool) -> tuple[str, str] | None:
        here, around = device_of(self._folder), device_of(self._folder.parent)
        if self._had_parent and around is None:
            return "is away: its folder is no longer there", "see whether its disk is mounted, and do it again"
        if self._apart and here in (None, around):
            return (
                "is away: its disk is not mounted",
                f"mount it, and do it again; or delete {self._note}, if the blobs are to lie on this disk from now on",
            )
        if writing and here is not None and os.statvfs(self._folder).f_flag & os.ST_RDONLY:
            return "may only be read: its disk is mounted so", "mount it to be written to, and do it again"
        return None
