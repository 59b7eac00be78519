"""Numbers as Prometheus reads them: its text format, version 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pipelinekit.classes import frozen

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_LINES = str.maketrans({"\\": r"\\", "\n": r"\n"})


@frozen
class Sample:
    """One number. `suffix` is put behind the name of its family."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


@frozen
class Family:
    """Numbers of one meaning, told apart by labels."""

    name: str
    kind: str
    text: str
    samples: Sequence[Sample]


def gauge(name: str, text: str, value: float | None) -> Family:
    """One number that rises and falls; none where it is not known."""
    return Family(name, GAUGE, text, [] if value is None else [Sample(value)])


def counter(name: str, text: str, value: float) -> Family:
    """One number that only grows."""
    return Family(name, COUNTER, text, [Sample(value)])


def labelled(name: str, kind: str, text: str, label: str, values: Mapping[str, float]) -> Family:
    """One number for each value of a label."""
    return Family(name, kind, text, [Sample(values[key], {label: key}) for key in sorted(values)])


def histogram(labels: Mapping[str, str], bounds: Mapping[float, float], count: float, total: float) -> list[Sample]:
    """A distribution: `bounds` lead to how many were not above them."""
    found = [Sample(bounds[bound], {**labels, "le": f"{bound:g}"}, "_bucket") for bound in sorted(bounds)]
    ends = [Sample(count, {**labels, "le": "+Inf"}, "_bucket"), Sample(total, labels, "_sum")]
    return [*found, *ends, Sample(count, labels, "_count")]


def exposition(families: Iterable[Family]) -> str:
    """All of it as text; families without a number are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines += [f"# HELP {family.name} {family.text.translate(_LINES)}", f"# TYPE {family.name} {family.kind}"]
        lines += [
            f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}" for sample in family.samples
        ]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    if math.isinf(value) or math.isnan(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
