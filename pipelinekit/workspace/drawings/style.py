"""Colours, marks and style sheet of drawn graphs, in light and dark.

Marks are shapes, not letters: fonts differ, and some show these letters as coloured pictures. Knows statuses by the
names of their classes only.
"""

from __future__ import annotations

from pipelinekit.domain.runs import StepStatus

KINDS = {status: status.name.lower().replace("_", "-") for status in StepStatus}  # names of classes and symbols
NO_STATUS = "plain"

# status -> colour in light and in dark
COLOURS = {
    "completed": ("#1a7f37", "#3fb950"),
    "reused": ("#0969da", "#58a6ff"),
    "running": ("#9a6700", "#e3b341"),
    "queued": ("#6e5a2f", "#b8a678"),
    "failed": ("#cf222e", "#ff7b72"),
    "canceled": ("#8250df", "#bc8cff"),
    "skipped": ("#818b98", "#768390"),
    "not-started": ("#818b98", "#768390"),
    NO_STATUS: ("#57606a", "#8b949e"),
}

FILLED = 'fill="currentColor"'
DRAWN = 'fill="none" stroke="currentColor" stroke-width="1.7"'
BOLD = 'fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"'
SYMBOLS = {
    "completed": f'<circle cx="8" cy="8" r="5" {FILLED}/>',
    "reused": f'<path d="M3 7.6a5 5 0 0 1 8.3-3.3M13 8.4a5 5 0 0 1-8.3 3.3" {DRAWN}/>'
    f'<path d="M13.4 2v5H8.4zM2.6 14V9h5z" {FILLED}/>',
    "running": f'<path d="M4 2.6v10.8L13.4 8z" {FILLED}/>',
    "queued": f'<path d="M2.4 8h.01M8 8h.01M13.6 8h.01" {BOLD}/>',
    "failed": f'<path d="M3.6 3.6l8.8 8.8M12.4 3.6l-8.8 8.8" {BOLD}/>',
    "canceled": f'<circle cx="8" cy="8" r="5.2" {DRAWN}/><path d="M4.4 11.6l7.2-7.2" {DRAWN}/>',
    "skipped": f'<path d="M3.2 8h9.6" {BOLD}/>',
    "not-started": f'<circle cx="8" cy="8" r="2" {FILLED}/>',
    NO_STATUS: f'<circle cx="8" cy="8" r="4.2" {DRAWN}/>',
}


def style_text() -> str:
    """The style sheet."""
    light, dark = ("".join(f".s-{name}{{color:{pair[way]}}}" for name, pair in COLOURS.items()) for way in (0, 1))
    return f"{STYLE}{light}@media (prefers-color-scheme:dark){{{DARK}{dark}}}"


STYLE = """
.pk{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:11px}
.pk .paper{fill:#f6f8fa}
.pk .title{font-size:17px;font-weight:600;fill:#1f2328}
.pk .sub,.pk .legend{font-size:12px;fill:#59636e}
.pk .frame rect{fill:#5a6b8c;fill-opacity:.055;stroke:#8c96a5;stroke-opacity:.55}
.pk .frame text{font-weight:600;fill:#59636e;paint-order:stroke;stroke:#f0f2f5;stroke-width:3px}
.pk .e{fill:none;stroke:#9aa4b0;stroke-width:1.4}
.pk .e.order{stroke-dasharray:5 4}
.pk .e.condition{stroke-dasharray:1.5 3.5;stroke-linecap:round;stroke-width:1.8}
.pk .head{fill:#9aa4b0}
.pk .box{fill:#fff;stroke:currentColor;stroke-opacity:.45}
.pk .under{fill:#fff;stroke:currentColor;stroke-opacity:.35}
.pk .bar,.pk .share{fill:currentColor}
.pk .name{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.pk .name{font-size:13px;font-weight:600;fill:#1f2328}
.pk .many{font-weight:400;fill:currentColor}
.pk .result{fill:currentColor;font-weight:600}
.pk .why,.pk .port{fill:#59636e}
.pk .if{fill:#59636e;font-style:italic}
.pk .end{text-anchor:end}
.pk .middle{text-anchor:middle}
.pk .dot{fill:#9aa4b0}
.pk .gate{fill:#fff;stroke:#818b98;stroke-width:1.4}
.pk .s-skipped .box,.pk .s-not-started .box{stroke-dasharray:4 3}
.pk .s-skipped .name,.pk .s-not-started .name{fill:#6e7781}
""".replace("\n", "")

DARK = """
.pk .paper{fill:#0d1117}
.pk .title,.pk .name{fill:#e6edf3}
.pk .sub,.pk .legend,.pk .why,.pk .port,.pk .if{fill:#9198a1}
.pk .frame rect{fill:#8b9bb8;fill-opacity:.08;stroke:#8b96a5;stroke-opacity:.4}
.pk .frame text{fill:#9198a1;stroke:#151b23}
.pk .e{stroke:#59636e}
.pk .head,.pk .dot{fill:#59636e}
.pk .box,.pk .under{fill:#161b22}
.pk .gate{fill:#161b22;stroke:#768390}
.pk .s-skipped .name,.pk .s-not-started .name{fill:#8b949e}
""".replace("\n", "")
