"""What checks and clean-up found, as JSON data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipelinekit.domain.upkeep import Collection, Freed, RetentionPolicy, StoreFault


def faults_document(found: Sequence[StoreFault], *, repaired: bool) -> dict[str, Any]:
    """What a check found, and whether nothing of it is left."""
    left = [item for item in found if not item.note and not (repaired and item.repair)]
    return {"repaired": repaired, "clean": not left, "faults": [asdict(item) for item in found]}


def faults_from_document(document: Mapping[str, Any]) -> list[StoreFault]:
    """What a check found, from its document."""
    return [StoreFault(**item) for item in document["faults"]]


def clean_up_document(found: Collection, *, dry: bool) -> dict[str, Any]:
    """What a clean-up did, or would do."""
    return {"dry_run": dry, **asdict(found)}


def clean_up_from_document(document: Mapping[str, Any]) -> Collection:
    """What a clean-up did, from its document."""
    return Collection(
        tuple(Freed(**item) for item in document["freed"]),
        Freed(**document["kept"]),
        Freed(**document["young"]),
        tuple(document["runs"]),
        document["over"],
        document["waits_for"],
    )


def policy_to_json(policy: RetentionPolicy) -> dict[str, Any]:
    """What clean-up may remove."""
    return {
        "keep_days": policy.keep_days,
        "keep_runs": policy.keep_runs,
        "unused_days": policy.unused_days,
        "max_bytes": policy.max_size,
        "grace_seconds": policy.grace,
    }
