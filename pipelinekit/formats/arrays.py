"""NumPy arrays: `.npy` files, read by memory map with copy on write. Identity is dtype, shape and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy

from pipelinekit.domain.digests import Hasher, digest
from pipelinekit.errors import UsageError
from pipelinekit.formats.registry import ValueFormat


class ArrayFormat:
    """Arrays of numbers, booleans, dates and fixed-width text; never of Python objects, which would need pickle."""

    def write(self, value: Any, path: Path) -> str:
        """Write an array; its content digest."""
        array = numpy.asarray(value)
        if array.dtype.hasobject:
            raise UsageError(
                f"an array of dtype {array.dtype} holds Python objects and cannot be stored",
                hint="convert it to a numeric or text dtype, or return a table or a list",
            )
        with path.open("wb") as stream:
            numpy.lib.format.write_array(stream, array, allow_pickle=False)
        return array_digest(array)

    def read(self, path: Path, annotation: Any) -> Any:  # noqa: ARG002 - the port's
        """The array; it may be changed in memory, which leaves the file as it is."""
        mapped = numpy.load(path, mmap_mode="c", allow_pickle=False)
        return mapped.view(numpy.ndarray) if isinstance(mapped, numpy.memmap) else mapped


def array_digest(array: Any) -> str:
    """Content digest of an array, whatever its memory order."""
    hasher = Hasher()
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if native.flags.c_contiguous:
        hasher.update(native.reshape(-1).view(numpy.uint8).data)
    else:
        for row in numpy.nditer(native, flags=["external_loop", "buffered", "zerosize_ok"], order="C"):
            hasher.update(numpy.ascontiguousarray(row).view(numpy.uint8).data)
    return digest(["array", native.dtype.newbyteorder("<").str, list(array.shape), hasher.digest()])


FORMATS: dict[str, ValueFormat] = {"numpy": ArrayFormat()}
