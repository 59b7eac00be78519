"""What an attempt needs from a store elsewhere, and what it leaves there.

A step process knows a local folder only, and no credentials. Its supervisor brings inputs before the attempt begins,
and takes the outputs away before it tells that the attempt has ended: what is recorded as stored is in the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipelinekit.classes import frozen, replace
from pipelinekit.compute.sources import Marks, alone, bring_snapshot, is_whole, marks_of, set_aside, source_folder
from pipelinekit.domain.attempts import Attempt, AttemptEnded
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.domain.values import StoredValue, manifests
from pipelinekit.errors import IntegrityError, PipelinekitError
from pipelinekit.ports import Blobs, Transfer


@frozen
class Unavailable:
    """Why inputs cannot be had: the failure of their attempt, and what is to be made again."""

    failure: Failure
    damaged: tuple[str, ...] = ()


class Transfers:
    """The transfers of one supervisor. Without a `transfer` the store is the folder itself, and there are none."""

    def __init__(self, blobs: Blobs, transfer: Transfer | None = None) -> None:
        self._blobs = blobs
        self._transfer = transfer
        self._whole: dict[Path, Marks] = {}  # source folders that were looked at, as they were then

    def bring_inputs(self, attempt: Attempt) -> Unavailable | None:
        """Make the inputs of an attempt lie here; why they cannot."""
        if self._transfer is None:
            return None
        try:
            whys, damaged = self._bring(attempt.inputs.values(), self._transfer)
        except PipelinekitError as error:
            return Unavailable(Failure("storage", error.message, hint=error.hint))
        if not whys:
            return None
        return Unavailable(Failure("input", "; ".join(whys)), tuple(damaged))

    def take_outputs(self, ended: AttemptEnded) -> AttemptEnded:
        """Store the outputs of an attempt; how it ended, which is another way when that fails."""
        if self._transfer is None or ended.failure is not None or not ended.outputs:
            return ended
        try:
            self._transfer.take(self._all_blobs(ended.outputs.values()))
        except PipelinekitError as error:
            failure = Failure("storage", f"the outputs could not be stored: {error.message}", hint=error.hint)
            return replace(ended, outputs={}, failure=failure)
        return ended

    def bring_source(self, home: Path, snapshot: str) -> Path:
        """The folder with a snapshot's files, which are fetched together; one that is damaged is brought again.

        What was held against its digests is not read again while its files stay as they are.
        """
        if self._transfer is None or not snapshot:
            return bring_snapshot(home, snapshot, self._blobs)
        folder = source_folder(home, snapshot)
        if self._is_known(folder):
            return folder
        with alone(home):
            if folder.is_dir() and not is_whole(folder, parse_manifest(self._blobs.read(snapshot))):
                set_aside(folder)
            if not folder.is_dir():
                self._bring_trees([snapshot], self._transfer)
            bring_snapshot(home, snapshot, self._blobs)
            self._whole[folder] = marks_of(folder)
        return folder

    def _is_known(self, folder: Path) -> bool:
        with suppress(OSError):
            return folder in self._whole and self._whole[folder] == marks_of(folder)
        return False

    def _bring(self, values: Iterable[StoredValue], transfer: Transfer) -> tuple[list[str], list[str]]:
        """Bring what values name: of what cannot be had, the reasons, and the blobs and folders to be made again."""
        values = list(values)
        failed = dict(transfer.bring([blob for value in values for blob in value.blobs()]))
        damaged = list(failed)
        trees = [name for value in values for name in manifests(value) if name not in failed]
        for folder, missing in self._bring_trees(trees, transfer).items():
            failed.update(missing)
            damaged += [*missing, folder]
        return list(failed.values()), damaged

    def _bring_trees(self, trees: Iterable[str], transfer: Transfer) -> dict[str, dict[str, str]]:
        """Bring the files of stored folders; what cannot be had, by folder."""
        entries = {}
        failed: dict[str, dict[str, str]] = {}
        for name in dict.fromkeys(trees):
            try:
                entries[name] = [entry.digest for entry in parse_manifest(self._blobs.read(name)).entries]
            except IntegrityError as error:
                failed[name] = {name: error.message}
        missing = transfer.bring([digest for digests in entries.values() for digest in digests])
        for name, digests in entries.items():
            if found := {digest: missing[digest] for digest in digests if digest in missing}:
                failed[name] = found
        return failed

    def _all_blobs(self, values: Iterable[StoredValue]) -> list[str]:
        """The blobs of values, those of the files of folders included. Their manifests lie here."""
        found = []
        for value in values:
            found += list(value.blobs())
            for name in manifests(value):
                found += [entry.digest for entry in parse_manifest(self._blobs.read(name)).entries]
        return found
