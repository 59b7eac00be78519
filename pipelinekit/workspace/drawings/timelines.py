"""The timeline of a run as a Gantt chart: in a terminal, and as a page of HTML or a picture that need nothing else."""

from __future__ import annotations

import html

from pipelinekit.domain.runs import StepStatus
from pipelinekit.domain.texts import counted, printable, seconds_text
from pipelinekit.domain.timelines import Bar, Timeline
from pipelinekit.workspace.drawings.curves import ticks
from pipelinekit.workspace.drawings.style import COLOURS, KINDS

MOST_ROWS, MOST_BARS = 40, 500
COLUMNS = 60  # of a terminal, for the bars
QUEUED, PREPARE, RUN, CRITICAL = "░", "▒", "█", "◆"
LABEL, WIDTH, ROW, TOP, MARGIN = 240, 1000, 20, 72, 16
STYLE = """
.pk-time{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1f2328}
.pk-time .paper{fill:#fff}.pk-time .title{font-size:16px;font-weight:600}.pk-time .sub{fill:#59636e}
.pk-time .grid{stroke:#d0d7de}.pk-time .queued{fill:#d0d7de}.pk-time .prepare{fill:#8c96a5}
.pk-time .critical{font-weight:600}.pk-time .edge{fill:none;stroke:#1f2328;stroke-width:1.5}
"""
DARK = """
.pk-time{fill:#e6edf3}.pk-time .paper{fill:#0d1117}.pk-time .sub{fill:#9198a1}.pk-time .grid{stroke:#30363d}
.pk-time .queued{fill:#30363d}.pk-time .prepare{fill:#6e7681}.pk-time .edge{stroke:#e6edf3}
"""


def text(found: Timeline) -> str:
    """The chart in a terminal."""
    if not found.bars:
        return f"no step was executed{_others(found)}"
    shown = found.shown(MOST_ROWS)
    label = min(max(len(bar.name) for bar in shown), 40)
    scale = COLUMNS / max(found.seconds, 1e-9)
    lines = [
        f"{CRITICAL if bar.is_critical else ' '} {_cut(bar.name, label):<{label}}  {_row(bar, scale):<{COLUMNS}}  "
        f"{seconds_text(bar.ended - bar.called)}" + ("" if bar.status is StepStatus.COMPLETED else f"  {bar.status}")
        for bar in shown
    ]
    if left := len(found.bars) - len(shown):
        lines.append(f"  and {counted(left, 'shorter one')}")
    axis = f"  {'':<{label}}  0{seconds_text(found.seconds):>{COLUMNS - 1}}"
    legend = f"{QUEUED} queued  {PREPARE} prepare  {RUN} run  {CRITICAL} what the end of the run waited for"
    return "\n".join([axis, *lines, "", legend + _others(found)])


def _row(bar: Bar, scale: float) -> str:
    """The bar in characters: each phase as long as it took, and at least a trace of the last one."""
    since, begun, called, ended = (
        min(round(at * scale), COLUMNS) for at in (bar.since, bar.begun, bar.called, bar.ended)
    )
    since = min(since, COLUMNS - 1)
    row = " " * since + QUEUED * (begun - since) + PREPARE * (called - begun) + RUN * (ended - called)
    return row if row.strip() else row + "▏"


def _cut(name: str, length: int) -> str:
    name = printable(name)
    return name if len(name) <= length else name[: length - 1] + "…"


def _others(found: Timeline) -> str:
    words = ", ".join(f"{count} {status!s}".lower() for status, count in found.others.items())
    return f"; {words}" if words else ""


def page(title: str, found: Timeline) -> str:
    """The chart as a page."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body{margin:0}svg{max-width:100%;height:auto}"
        "@media (prefers-color-scheme:dark){body{background:#0d1117}}</style>"
        f"{picture(title, found)}</html>\n"
    )


def picture(title: str, found: Timeline) -> str:
    """The chart as SVG."""
    shown = found.shown(MOST_BARS)
    numbers = [tick for tick in ticks([0.0, max(found.seconds, 1e-6)]) if tick >= 0]
    scale = (WIDTH - LABEL - 4 * MARGIN) / numbers[-1]
    height = TOP + ROW * max(len(shown), 1) + 2 * MARGIN
    size, label = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"', html.escape(title, quote=True)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pk-time" {size} role="img" aria-label="{label}">',
        f"<style>{STYLE}@media (prefers-color-scheme:dark){{{DARK}}}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{MARGIN}" y="26">{html.escape(title)}</text>',
        f'<text class="sub" x="{MARGIN}" y="46">{html.escape(_summary(found, len(shown)))}</text>',
    ]
    for tick in numbers:
        x = LABEL + tick * scale
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP - 4}V{height - MARGIN}"/>')
        parts.append(f'<text class="sub" x="{x + 3:.1f}" y="{TOP - 8}">{seconds_text(tick) if tick else "0"}</text>')
    for place, bar in enumerate(shown):
        parts.append(_drawn(bar, TOP + place * ROW, scale))
    return "".join(parts) + "</svg>"


def _drawn(bar: Bar, top: float, scale: float) -> str:
    since, begun, called, ended = (LABEL + at * scale for at in (bar.since, bar.begun, bar.called, bar.ended))
    colour = COLOURS[KINDS[bar.status]][0]
    name = html.escape(_cut(bar.name, 34))
    told = (
        f"{bar.name}: {bar.status}, queued {seconds_text(bar.begun - bar.since)}, "
        f"prepare {seconds_text(bar.called - bar.begun)}, run {seconds_text(bar.ended - bar.called)}"
    )
    edge = f'<rect class="edge" x="{since:.1f}" y="{top}" width="{max(ended - since, 2):.1f}" height="{ROW - 6}"/>'
    return (
        f"<g><title>{html.escape(told)}</title>"
        f'<text x="{LABEL - 8}" y="{top + 11}" text-anchor="end"{_class(bar)}>{name}</text>'
        f'<rect class="queued" x="{since:.1f}" y="{top}" width="{begun - since:.1f}" height="{ROW - 6}"/>'
        f'<rect class="prepare" x="{begun:.1f}" y="{top}" width="{called - begun:.1f}" height="{ROW - 6}"/>'
        f'<rect x="{called:.1f}" y="{top}" width="{max(ended - called, 1):.1f}" height="{ROW - 6}" fill="{colour}"/>'
        f"{edge if bar.is_critical else ''}</g>"
    )


def _class(bar: Bar) -> str:
    return ' class="critical"' if bar.is_critical else ""


def _summary(found: Timeline, shown: int) -> str:
    critical = sum(bar.is_critical for bar in found.bars)
    words = f"{counted(len(found.bars), 'step')} executed in {seconds_text(found.seconds)}{_others(found)}"
    words += f"; light: queued, grey: prepared; framed: the {critical} that the end waited for" if critical else ""
    return words + (f"; the {shown} longest are shown" if shown < len(found.bars) else "")
