"""Outputs and files of runs: handles that say what is stored, and load it when asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelinekit.domain.names import check_file_name
from pipelinekit.domain.types import shorten
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import UsageError
from pipelinekit.formats.paths import place_file, place_folder
from pipelinekit.late import late
from pipelinekit.ports import Blobs
from pipelinekit.wire.values import plain_to_json

if TYPE_CHECKING:
    import tempfile

    from pipelinekit.formats import loading
else:
    tempfile = late("tempfile")
    loading = late("pipelinekit.formats.loading")


def below(folder: str | Path, *names: str) -> Path:
    """The place of a file below a folder. Raises UsageError for a name that leads out of it."""
    return Path(folder, *map(check_file_name, names))


class Output:
    """One stored output: its content digest and size at once, the value itself by `load`."""

    def __init__(self, name: str, value: StoredValue, blobs: Blobs) -> None:
        self.name = name
        self.digest = value.digest
        self.format = value.format
        self.size = value.size
        self.suffix = value.suffix
        self._value = value
        self._blobs = blobs

    def load(self, kind: Any = None) -> Any:
        """The value in memory, as class `kind` where there is a choice (`pandas.DataFrame`, `pyarrow.Table`).

        Files and folders are given as copies in a temporary folder; `save` puts them where you want them.
        """
        folder = Path(tempfile.mkdtemp(prefix="pipelinekit-"))
        return loading.load_value(self._value, kind, self._blobs, folder / self.name, share=False)

    def save(self, path: str | Path) -> Path:
        """Copy a file or folder output to a path."""
        target = Path(path)
        if self._value.format == "file":
            place_file(self._value.blob, target, self._blobs, share=False)
        elif self._value.format == "folder":
            place_folder(self._value.blob, target, self._blobs, share=False)
        else:
            raise UsageError(f"output {self.name!r} is stored as {self.format}, not as a file", hint="use load()")
        return target

    def document(self) -> dict[str, Any]:
        """What the output is, as JSON data; small plain data with its value."""
        document: dict[str, Any] = {"format": self.format, "digest": self.digest, "size": self.size}
        if self._value.is_at_hand:
            document["value"] = plain_to_json(self._value.data())
        return document

    def text(self) -> str:
        """What the output is, in a few words."""
        return shorten(self._value.data()) if self._value.is_at_hand else self.digest

    def __repr__(self) -> str:
        return f"Output({self.name!r}, {self.format}, {self.digest})"
