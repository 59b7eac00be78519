"""From what was measured, in one run of the benchmark or several, to figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.figures import Figure, Found, MissingError, Round


def found_in(results: Mapping[str, Any], figures: Sequence[Figure]) -> list[Found]:
    """Every figure, by the newest run of the benchmark in which all that it takes was measured.

    Machines change their speed: what one run measured must not be held against what another did.
    """
    by_run: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for sample in results["samples"]:
        by_run[sample.get("date", results["date"])].append(sample)
    newest = {item.name: item for run in sorted(by_run) for item in _evaluate(figures, _rounds(by_run[run]))}
    return [newest[figure.name] for figure in figures if figure.name in newest]


def _rounds(samples: Sequence[Mapping[str, Any]]) -> list[Round]:
    """Samples by round; a case with fewer rounds gives its last one to the others."""
    kept: dict[int, dict[tuple[str, str, str], Mapping[str, Any]]] = defaultdict(dict)
    for sample in samples:
        kept[sample["round"]][sample["case"], sample["side"], sample["phase"]] = sample
    earlier: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    rounds = []
    for number in sorted(kept):
        earlier = {**earlier, **kept[number]}
        rounds.append(Round(earlier))
    return rounds


def _evaluate(figures: Iterable[Figure], rounds: Sequence[Round]) -> list[Found]:
    """Every figure that the measurements suffice for."""
    found = []
    for figure in figures:
        values = []
        for seen in rounds:
            try:
                values.append(figure.value(seen))
            except MissingError:
                continue
        if values:
            found.append(Found(figure.name, figure.limit, tuple(values)))
    return found
