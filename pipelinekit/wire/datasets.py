"""Datasets as JSON: the parts that records keep as text, and the documents that people's programs read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelinekit.domain.datasets import ColumnProfile, DatasetFile, DatasetUse, DatasetVersion, Profile, definition_of
from pipelinekit.wire.values import plain_from_json, plain_to_json


def files_to_json(files: Iterable[DatasetFile]) -> list[Any]:
    """Files of a version as JSON data."""
    return [[item.path, item.store, item.source, item.size, item.digest, item.mark] for item in files]


def files_from_json(document: Sequence[Any]) -> tuple[DatasetFile, ...]:
    """Files of a version from JSON data."""
    return tuple(DatasetFile(*item) for item in document)


def profile_to_json(profile: Profile | None) -> dict[str, Any] | None:
    """A profile as JSON data."""
    if profile is None:
        return None
    return {
        "rows": profile.rows,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nulls": column.nulls,
                "min": column.low,
                "max": column.high,
                "distinct": column.distinct,
                "mean": column.mean,
            }
            for column in profile.columns
        ],
    }


def profile_from_json(document: Mapping[str, Any] | None) -> Profile | None:
    """A profile from JSON data."""
    if document is None:
        return None
    return Profile(
        document["rows"],
        tuple(
            ColumnProfile(
                item["name"],
                item["type"],
                item["nulls"],
                item["min"],
                item["max"],
                item["distinct"],
                item["mean"],
            )
            for item in document["columns"]
        ),
    )


def version_document(version: DatasetVersion, *, whole: bool = False) -> dict[str, Any]:
    """A version; with `whole` also its files and profile."""
    document: dict[str, Any] = {
        "name": version.name,
        "version": version.version,
        "kind": version.definition.kind,
        "definition": plain_to_json(version.definition.document()),
        "content": version.content,
        "files": version.count,
        "size": version.size,
        "description": version.description,
        "tags": dict(version.tags),
        "created_at": version.created_at,
        "run": version.run,
        "step": version.step,
    }
    if version.profile is not None:
        document["rows"] = version.profile.rows
    if whole:
        document["listing"] = [
            {
                "path": item.path,
                "datastore": item.store,
                "source": item.source,
                "size": item.size,
                "digest": item.digest,
            }
            for item in version.files
        ]
        document["profile"] = profile_to_json(version.profile)
    return document


def use_document(use: DatasetUse) -> dict[str, Any]:
    """A use of a version by a run."""
    return {
        "run": use.run,
        "direction": use.direction,
        "place": use.place,
        "name": use.name,
        "version": use.version,
    }


def use_from_document(document: Mapping[str, Any]) -> DatasetUse:
    """A use of a version from its document."""
    return DatasetUse(document["run"], document["name"], document["version"], document["direction"], document["place"])


def version_from_document(document: Mapping[str, Any]) -> DatasetVersion:
    """A version as far as its document tells: with its files and profile where that is whole."""
    listing = document.get("listing", ())
    profile = profile_from_json(document["profile"]) if "profile" in document else None
    if profile is None and "rows" in document:
        profile = Profile(document["rows"], ())
    return DatasetVersion(
        document["name"],
        document["version"],
        definition_of(plain_from_json(document["definition"])),
        document["content"],
        tuple(
            DatasetFile(item["path"], item["datastore"], item["source"], item["size"], item["digest"])
            for item in listing
        ),
        document["files"],
        document["size"],
        profile=profile,
        description=document["description"],
        tags=document["tags"],
        created_at=document["created_at"],
        run=document["run"],
        step=document["step"],
    )
