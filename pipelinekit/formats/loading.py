"""From a stored value to a value in memory, as the reader's annotation asks for it."""

from __future__ import annotations

import enum
import itertools
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelinekit.domain.values import PLAIN, StoredValue
from pipelinekit.errors import IntegrityError, UsageError
from pipelinekit.formats.paths import File, Folder, place_file, place_folder
from pipelinekit.formats.registry import find_format
from pipelinekit.late import late
from pipelinekit.typed import TYPE_CHECKING, Any
from pipelinekit.wire.values import loads, plain_from_json

if TYPE_CHECKING:
    import typing

    from pipelinekit.formats import tabular
    from pipelinekit.ports import Blobs
else:
    typing = late("typing")  # looks at annotations of values that are read; most runs read none
    tabular = late("pipelinekit.formats.tabular")


def load_value(value: StoredValue, annotation: Any, blobs: Blobs, place: Path, *, share: bool = True) -> Any:
    """The value in memory. Files and folders appear at `place`, to which a file's suffix is added.

    With `share` they may share their bytes with the store and must not be written to; without, they are copies. Raises
    IntegrityError when stored bytes are missing or damaged.
    """
    wanted = bare(annotation)
    match value.format:
        case "file":
            target = place.with_name(place.name + value.suffix)
            place_file(value.blob, target, blobs, share=share)
            return wanted(target) if wanted in (File, str) else target
        case "folder":
            try:
                place_folder(value.blob, place, blobs, share=share)
            except IntegrityError as error:  # whoever made the folder is known by its tree
                digest = error.fields.get("digest", "")
                raise IntegrityError(error.message, hint=error.hint, digest=digest, folder=value.blob) from error
            return wanted(place) if wanted in (Folder, str) else place
        case "tabular":
            tree = place_folder(value.items[0].blob, place, blobs, share=share)
            if wanted in (File, Folder, str, Path):
                if value.items[1].data()["recipe"]:
                    raise UsageError("a table that is transformed has no files", hint="take it as a table")
                return wanted(place)
            return tabular.load(place, [entry.path for entry in tree.entries], value.items[1].data(), wanted)
        case "list":
            found = _load_items(value.items, _argument(wanted, 0), blobs, place, share=share)
            return tuple(found) if typing.get_origin(wanted) is tuple else found
        case "dict":
            found = _load_items(value.items, _argument(wanted, 1), blobs, place, share=share)
            return dict(zip(value.keys, found, strict=True))
        case "bytes":
            return blobs.read(value.blob)
        case format_name if format_name == PLAIN:
            return revive(load_plain(value, blobs), wanted)
        case format_name:
            return find_format(format_name).read(blobs.path(value.blob), wanted)


def _load_items(items: Sequence[StoredValue], annotation: Any, blobs: Blobs, place: Path, *, share: bool) -> list[Any]:
    """The values of a list or dict; numbers, of which there may be many thousands, are taken as they are."""
    return [
        item.inline
        if item.is_inline and type(item.inline) in _AS_THEY_ARE
        else load_value(item, annotation, blobs, place / str(i), share=share)
        for i, item in enumerate(items)
    ]


def load_plain(value: StoredValue, blobs: Blobs) -> Any:
    """Plain data, inline or from its blob."""
    return value.inline if value.is_inline else plain_from_json(loads(blobs.read(value.blob)))


_AS_THEY_ARE = frozenset((int, float, bool, type(None)))  # data that no annotation asks to be something else


def bare(annotation: Any) -> Any:
    """The annotation without `Annotated` and without `None` in a union."""
    if typing.get_origin(annotation) is typing.Annotated:
        return bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [item for item in typing.get_args(annotation) if item is not type(None)]
        return bare(members[0]) if len(members) == 1 else annotation
    if isinstance(annotation, typing.TypeAliasType) if hasattr(typing, "TypeAliasType") else False:
        return bare(annotation.__value__)
    return annotation


def revive(data: Any, annotation: Any) -> Any:
    """Plain data as the annotation asks: enum members by name, tuples from lists, also inside lists and dicts."""
    if type(data) in _AS_THEY_ARE:
        return data
    wanted = bare(annotation)
    origin = typing.get_origin(wanted)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum) and isinstance(data, str):
        return wanted[data]
    if isinstance(data, list):
        items = [
            item if type(item) in _AS_THEY_ARE or type(item) is kind else revive(item, kind)
            for item, kind in zip(data, _kinds(wanted), strict=False)
        ]
        return tuple(items) if origin is tuple or wanted is tuple else items
    if isinstance(data, dict):
        kind = _argument(wanted, 1)
        return {key: item if type(item) in _AS_THEY_ARE else revive(item, kind) for key, item in data.items()}
    if origin in (typing.Union, types.UnionType):
        return _revive_union(data, wanted)
    return data


def _revive_union(data: Any, wanted: Any) -> Any:
    for member in typing.get_args(wanted):
        if isinstance(member, type) and issubclass(member, enum.Enum) and data in member.__members__:
            return member[data]
    return data


def _argument(annotation: Any, position: int) -> Any:
    """A type argument, as `int` of `dict[str, int]`; Any where there is none."""
    arguments = [item for item in typing.get_args(annotation) if item is not Ellipsis]
    return arguments[position] if position < len(arguments) else typing.Any


def _kinds(annotation: Any) -> Iterator[Any]:
    """What each item of a list or tuple is to be, without end: a tuple's own types, or always the same one."""
    arguments = [item for item in typing.get_args(annotation) if item is not Ellipsis] or [typing.Any]
    if typing.get_origin(annotation) is not tuple or Ellipsis in typing.get_args(annotation):
        del arguments[1:]
    return itertools.chain(arguments, itertools.repeat(arguments[-1]))
