"""What people see: tables as text and Markdown, and a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.environments import OWN
from benchmarks.figures import Found

WIDTH, ROW, LEFT, MOST_BAR = 900, 22, 250, 520


def seconds(value: float) -> str:
    """Seconds with three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def median(samples: Sequence[Mapping[str, Any]], quantity: str) -> float:
    """The median of one quantity over the rounds."""
    return statistics.median(float(item[quantity]) for item in samples)


def spread(values: Sequence[float]) -> str:
    """The lowest and the highest."""
    return f"{seconds(min(values))} to {seconds(max(values))}"


def case_table(case: str, cells: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> str:
    """One case: each side's phases as CPU / wall seconds, the ratio to ours, and memory."""
    sides = list(dict.fromkeys(side for side, _ in cells))
    phases = list(dict.fromkeys(phase for _, phase in cells))
    lines = [
        f"### {case}",
        "",
        "| | " + " | ".join(f"{phase}: CPU / wall, s (CPU: ours = 1)" for phase in phases) + " | peak MB |",
        "|---" * (len(phases) + 2) + "|",
    ]
    for side in sides:
        row = []
        for phase in phases:
            samples = cells.get((side, phase))
            if not samples:
                row.append("-")
                continue
            ours = cells.get((OWN, phase))
            relative = ""
            if ours and side != OWN:
                pairs = zip(samples, ours, strict=False)
                relative = f" ({seconds(statistics.median(a['cpu'] / b['cpu'] for a, b in pairs))})"
            row.append(f"{seconds(median(samples, 'cpu'))} / {seconds(median(samples, 'wall'))}{relative}")
        peak = max(max(item["tree"], item["largest"]) for phase in phases for item in cells.get((side, phase), ()))
        lines.append(f"| {side} | " + " | ".join(row) + f" | {peak / 1e6:.0f} |")
    return "\n".join(lines)


def figure_table(found: Sequence[Found]) -> str:
    """All figures with their limits."""
    lines = ["| figure | median | lowest to highest | limit | |", "|---|---|---|---|---|"]
    for item in found:
        limit = seconds(item.limit) if item.limit is not None else ""
        verdict = "" if item.limit is None else "met" if item.met else "**missed**"
        lines.append(f"| {item.name} | {seconds(item.median)} | {spread(item.values)} | {limit} | {verdict} |")
    return "\n".join(lines)


def picture(title: str, panels: Mapping[str, Mapping[str, float]]) -> str:
    """Bars of CPU seconds as SVG, one panel for each case and phase; the scale is logarithmic."""
    values = [value for bars in panels.values() for value in bars.values() if value > 0]
    low, high = min(values) / 1.5, max(values)
    parts = []
    y = 46
    for panel, bars in panels.items():
        parts.append(f'<text x="12" y="{y + 14}" class="head">{escape(panel)}</text>')
        y += ROW + 2
        for side, value in sorted(bars.items(), key=lambda item: item[1]):
            length = MOST_BAR * _share(value, low, high)
            kind = "ours" if side.startswith(OWN) else "theirs"
            parts.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(side)}</text>')
            parts.append(f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="14" class="{kind}"/>')
            parts.append(f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}" class="value">{seconds(value)} s</text>')
            y += ROW
        y += 12
    style = (
        "text{font:13px system-ui,sans-serif;fill:#24292f}.head{font-weight:600}.value{fill:#57606a}"
        ".ours{fill:#0969da}.theirs{fill:#afb8c1}"
    )
    head = f'<text x="12" y="24" class="head" style="font-size:15px">{escape(title)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}">'
        f'<style>{style}</style><rect width="{WIDTH}" height="{y}" fill="#fff"/>{head}{"".join(parts)}</svg>\n'
    )


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others on a logarithmic scale, 0 to 1."""
    return math.log(value / low) / math.log(high / low)
