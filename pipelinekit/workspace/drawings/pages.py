"""A planned drawing as an HTML page that needs nothing else: move and zoom, details of steps, finding and lineage.

Texts reach the page as escaped SVG, or as JSON that the script shows as text only. The page's policy lets nothing run
but our own script, and loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json

from pipelinekit.domain.texts import printable
from pipelinekit.workspace.drawings.plans import Plan
from pipelinekit.workspace.drawings.script import SCRIPT
from pipelinekit.workspace.drawings.style import KINDS, NO_STATUS
from pipelinekit.workspace.drawings.svg import legend_items, svg_text


def page_text(plan: Plan) -> str:
    """The drawing as a page."""
    picture = plan.picture
    title = html.escape(printable(picture.name))
    subtitle = html.escape(printable(picture.subtitle))
    legend = "".join(
        f'<button type="button" class="s-{kind}" data-s="{kind}"><svg viewBox="0 0 16 16" aria-hidden="true">'
        f'<use href="#pk-{kind}"/></svg><span>{html.escape(words)}</span></button>'
        for kind, words in legend_items(picture)
    )
    # "<" could end the element; as JSON it may be written so
    data = json.dumps(_data(plan), ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_hash(SCRIPT)}'; base-uri 'none'"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            f"<header><div><h1>{title}</h1><p>{subtitle}</p></div><nav>{legend}</nav>",
            '<input type="search" placeholder="find a step  ( / )" aria-label="find a step">',
            '<div class="zoom"><button type="button" data-z="1.3" title="larger ( + )">+</button>',
            '<button type="button" data-z="0.77" title="smaller ( - )">−</button>',
            '<button type="button" data-z="0" title="all of it ( 0 )">fit</button></div></header>',
            f"<main>{svg_text(plan, alone=False)}</main><aside hidden></aside>",
            f'<script type="application/json" id="data">{data}</script>',
            f"<script>{SCRIPT}</script></body></html>",
            "",
        ]
    )


def _data(plan: Plan) -> list[dict[str, object]]:
    """What the script shows of each shape."""
    found: list[dict[str, object]] = []
    for shape, place in zip(plan.picture.shapes, plan.layout.boxes, strict=True):
        found.append(
            {
                "name": printable(" ".join([shape.full_name, shape.many]).strip()),
                "kind": KINDS[shape.status] if shape.status else NO_STATUS,
                "kinds": [KINDS[status] for status in shape.counts],
                "result": shape.result,
                "details": [[name, printable(words)] for name, words in shape.details],
                "box": [round(place.x), round(place.y), round(place.width), round(place.height)],
            }
        )
    return found


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


STYLE = """
:root{color-scheme:light dark;--paper:#f6f8fa;--card:#fff;--line:#d1d9e0;--text:#1f2328;--soft:#59636e}
@media (prefers-color-scheme:dark){
:root{--paper:#0d1117;--card:#161b22;--line:#3d444d;--text:#e6edf3;--soft:#9198a1}}
*{box-sizing:border-box}
body{margin:0;height:100vh;display:flex;flex-direction:column;background:var(--paper);color:var(--text);
font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header{display:flex;flex-wrap:wrap;align-items:center;gap:8px 20px;padding:10px 16px;background:var(--card);
border-bottom:1px solid var(--line)}
h1{margin:0;font-size:16px;overflow-wrap:anywhere}
p{margin:2px 0 0;color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:4px;flex:1 1 300px}
button,input{font:inherit;color:var(--text);background:none;border:1px solid var(--line);border-radius:6px}
button,input{padding:4px 9px}
button{cursor:pointer}
button:hover,button[aria-pressed=true]{background:color-mix(in srgb,currentColor 12%,transparent)}
nav button{display:flex;align-items:center;gap:6px;border-color:transparent}
nav button[aria-pressed=true]{border-color:currentColor}
nav span{color:var(--text)}
nav svg{width:14px;height:14px}
.zoom{display:flex;gap:4px}
input{width:180px}
main{flex:1;min-height:0;overflow:hidden;cursor:grab;touch-action:none}
main.moving{cursor:grabbing}
main svg{display:block;width:100%;height:100%}
.n{cursor:pointer;outline:none}
.n:hover .box,.n:focus-visible .box,.n.pinned .box{stroke-opacity:1;stroke-width:2}
.some .n:not(.lit),.some .e:not(.lit),.some .head:not(.lit){opacity:.18}
.pk .e.near,.some .e.lit{stroke:var(--soft);stroke-width:2.2}
aside{position:fixed;width:340px;max-width:92vw;max-height:70vh;overflow:auto;padding:12px 14px;background:var(--card);
border:1px solid var(--line);border-radius:10px;box-shadow:0 8px 28px #0003;pointer-events:none}
aside.pinned{pointer-events:auto}
aside[hidden]{display:none}
aside b{display:block;font:600 13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere}
aside i{display:block;font-style:normal;font-weight:600;margin-top:3px}
dl{margin:8px 0 0;display:grid;grid-template-columns:auto 1fr;gap:3px 10px}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}
""".replace("\n", "")
