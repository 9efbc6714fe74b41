"""HTML: one self-contained page in the look of the analysis report, light or dark.

It loads nothing: no script, no font, no image from elsewhere, so it opens from a file. Neither
package may import the other; the rules are a part of `analysis/report/page.py`'s, and
`tests/pipeline/paper/test_page.py` holds them equal.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from pipeline.paper.drawing import VARIABLES, Figure, themed

_STYLE = """
:root { color-scheme: light dark; --panel: #f4f4f2; --warn: #fdf0d5; %LIGHT% }
@media (prefers-color-scheme: dark) { :root { --panel: #1e2125; --warn: #40310d; %DARK% } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 Charter, "Bitstream Charter", "Iowan Old Style", Georgia, serif; }
main { max-width: 46rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .5rem; }
h3 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
h2 { border-top: 1px solid var(--grid); padding-top: 1.4rem; }
p { margin: .6rem 0; }
.lead { font-size: 1.15rem; }
.warning { padding: .8rem 1rem; border-left: 4px solid #c98a00; background: var(--warn); }
.quiet, figcaption, caption, .under { color: var(--muted); }
.interval { color: var(--muted); white-space: nowrap; margin-left: .35em; }
a { color: inherit; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .86em;
  overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; font: .92rem/1.4 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 .5rem; font: .95rem/1.45 inherit; }
th, td { text-align: left; vertical-align: top; padding: .45rem .9rem .45rem 0;
  border-bottom: 1px solid var(--grid); }
thead th { border-bottom: 1.5px solid var(--ink); }
th { font-weight: 600; }
tbody th { font-weight: 400; }
td.n, th.n { text-align: right; padding-right: 0; padding-left: .9rem; }
caption span { display: block; position: sticky; left: 0; width: 100%;
  max-width: min(43.5rem, calc(100vw - 2rem)); }
.paste { padding-left: 1rem; border-left: 3px solid var(--grid); overflow-wrap: anywhere; }
figure { margin: 1.6rem 0; }
.plot svg { width: 100%; height: auto; display: block; }
.plot svg text { font-family: system-ui, sans-serif !important; }
figcaption, caption { font-size: .93rem; line-height: 1.45; }
figcaption { margin-top: .5rem; }
details { margin: 1rem 0; }
summary { cursor: pointer; }
ul { padding-left: 1.2rem; }
nav { font: .92rem/1.5 system-ui, sans-serif; margin: 1.2rem 0 0; }
nav ol { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem;
  margin: 0; padding: 0; }
@media (max-width: 30rem) {
  body { font-size: 1rem; } main { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.55rem; }
  th, td { padding-right: .5rem; } td.n, th.n { padding-left: .5rem; }
  table.prose thead { display: none; }
  table.prose :is(tbody, tr, th, td, caption) { display: block; }
  table.prose tr { padding: .5rem 0; border-bottom: 1px solid var(--grid); }
  table.prose th { font-weight: 600; }
  table.prose :is(th, td) { border: 0; padding: .1rem 0; }
  .plot { margin: 0 -1rem; }
}
@media print { main { max-width: none; } }
"""
_OWN_STYLE = """
th.group { text-align: center; padding-left: .9rem; white-space: nowrap; }
td.first, th.first { border-left: 1px solid var(--grid); }
td.most { font-weight: 700; }
td.none { color: var(--muted); }
table.counts :is(td, tbody th) { white-space: nowrap; }
table.counts :is(td, th).n { padding: .45rem .3rem .45rem .5rem; }
"""
"""What only these tables need."""


def page(title: str, body: Iterable[str]) -> str:
    """The whole document."""
    light = " ".join(f"--{name}: {pair[0]};" for name, pair in VARIABLES.items())
    dark = " ".join(f"--{name}: {pair[1]};" for name, pair in VARIABLES.items())
    style = _STYLE.replace("%LIGHT%", light).replace("%DARK%", dark).strip() + _OWN_STYLE
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body><main>",
            *body,
            "</main></body>",
            "</html>",
            "",
        ]
    )


def escape(text: str) -> str:
    """A text from a run, such as a folder's name, as HTML; without characters that HTML forbids."""
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return html.escape(printable, quote=True)


def heading(text: str, anchor: str = "", rank: int = 2) -> str:
    """A heading; `anchor` is its id, for links."""
    mark = f' id="{anchor}"' if anchor else ""
    return f"<h{rank}{mark}>{escape(text)}</h{rank}>"


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of HTML that is already escaped."""
    mark = f' class="{style}"' if style else ""
    return f"<p{mark}>{text}</p>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], style: str = "") -> str:
    """A table of cells that are already escaped; the first heads its row, the rest are numbers."""
    number = "" if style == "prose" else ' class="n"'
    top = f'<th scope="col">{head[0]}</th>' + "".join(
        f'<th scope="col"{number}>{cell}</th>' for cell in head[1:]
    )
    lines = [
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{number}>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    ]
    return framed(caption, f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody>", style)


def framed(caption: str, inside: str, style: str = "") -> str:
    """A table that scrolls by itself where it is wider than the page."""
    mark = f' class="{style}"' if style else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(plain(caption))}">'
        f"<table{mark}><caption><span>{caption}</span></caption>{inside}</table></div>"
    )


def folded(summary: str, content: str) -> str:
    """Content that a reader opens."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def plain(caption: str) -> str:
    """A caption without its marks."""
    return html.unescape(caption.split("<")[0]).strip()


def figure(drawing: Figure) -> str:
    """A figure with its alt text and caption."""
    alt = escape(drawing.alt)
    svg = themed(drawing.svg).replace("<svg ", f'<svg role="img" aria-label="{alt}" ', 1)
    return (
        f'<figure id="{drawing.name}"><div class="plot">{svg}</div>'
        f"<figcaption>{escape(drawing.caption)}</figcaption></figure>"
    )


def standalone(drawing: Figure) -> str:
    """A figure as a file of its own, on white, with its alt text as title."""
    title = f"<title>{escape(drawing.alt)}</title>"
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    head, rest = drawing.svg.split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>{title}{background}{rest}'
