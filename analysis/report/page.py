"""HTML of the report: one self-contained page, light or dark, for desktop and phone.

Small functions that return HTML. Every text from the table goes through `text.escape`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from itertools import count

from analysis.report.figures import Figure
from analysis.report.palette import VARIABLES, themed
from analysis.report.text import clean, escape

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
h4 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
h2 { border-top: 1px solid var(--grid); padding-top: 1.4rem; }
p { margin: .6rem 0; }
.lead { font-size: 1.15rem; }
.warning { padding: .8rem 1rem; border-left: 4px solid #c98a00; background: var(--warn); }
.quiet, figcaption, caption, .under { color: var(--muted); }
.under { display: block; font-size: .86em; white-space: nowrap; }
.interval { color: var(--muted); white-space: nowrap; margin-left: .35em; }
.value { white-space: nowrap; }
.why { white-space: normal; overflow-wrap: anywhere; }
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
blockquote { margin: .8rem 0; padding-left: 1rem;
  border-left: 3px solid var(--grid); white-space: pre-wrap; overflow-wrap: anywhere; }
.paste { padding-left: 1rem; border-left: 3px solid var(--grid); overflow-wrap: anywhere; }
td.reason { color: var(--muted); font-size: .9em; min-width: 10rem; white-space: normal; }
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
table.labels { table-layout: fixed; }
table.labels :is(th, td):first-child { width: 2.2rem; }
table.labels td { text-align: left; overflow-wrap: break-word; padding: .45rem 0 .45rem .9rem; }
table.labels th.n { text-align: left; }
@media (max-width: 30rem) {
  body { font-size: 1rem; } main { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.55rem; }
  th, td { padding-right: .5rem; } td.n, th.n { padding-left: .5rem; }
  .paste { padding-left: 1rem; border-left: 3px solid var(--grid); overflow-wrap: anywhere; }
td.reason { min-width: 0; }
  table.prose thead { display: none; }
  table.prose :is(tbody, tr, th, td, caption) { display: block; }
  table.prose tr { padding: .5rem 0; border-bottom: 1px solid var(--grid); }
  table.prose th { font-weight: 600; }
  table.prose :is(th, td) { border: 0; padding: .1rem 0; }
  .interval { display: block; margin: 0; font-size: .9em; }
  .plot { margin: 0 -1rem; }
}
@media print { main { max-width: none; } }
"""


def _style() -> str:
    light = " ".join(f"--{name}: {pair[0]};" for name, pair in VARIABLES.items())
    dark = " ".join(f"--{name}: {pair[1]};" for name, pair in VARIABLES.items())
    return _STYLE.replace("%LIGHT%", light).replace("%DARK%", dark).strip()


def page(title: str, body: Iterable[str]) -> str:
    """The whole document."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_style()}</style>",
            "</head>",
            "<body><main>",
            *body,
            "</main></body>",
            "</html>",
            "",
        ]
    )


def heading(text: str, anchor: str = "", rank: int = 2) -> str:
    """A heading; `anchor` is its id, for links."""
    mark = f' id="{anchor}"' if anchor else ""
    return f"<h{rank}{mark}>{escape(text)}</h{rank}>"


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of HTML that is already escaped."""
    mark = f' class="{style}"' if style else ""
    return f"<p{mark}>{text}</p>"


def bullets(items: Iterable[str]) -> str:
    """A bullet list of HTML that is already escaped."""
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def html_table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], style: str = ""
) -> str:
    """A table of cells that are already escaped; the first heads its row, the rest are numbers."""
    mark = f' class="{style}"' if style else ""
    top = f'<th scope="col">{head[0]}</th>' + "".join(
        f'<th scope="col" class="n">{cell}</th>' for cell in head[1:]
    )
    lines = [
        f'<tr><th scope="row">{row[0]}</th>' + "".join(_cell(cell) for cell in row[1:]) + "</tr>"
        for row in rows
    ]
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(_plain(caption))}">'
        f"<table{mark}><caption><span>{caption}</span></caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def prose_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts that are already escaped; on a phone its cells are stacked."""
    return html_table(caption, head, rows, "prose").replace(' class="n"', "")


def _plain(caption: str) -> str:
    return html.unescape(caption.split("<")[0])


def _cell(content: str) -> str:
    style = "n reason" if content.startswith("Not estimable") else "n"
    return f'<td class="{style}">{content}</td>'


def figure(drawing: Figure) -> str:
    """A figure with its alt text and caption; `numbered` puts in its number for the #."""
    alt = escape(drawing.alt)
    svg = themed(drawing.svg).replace("<svg ", f'<svg role="img" aria-label="{alt}" ', 1)
    return (
        f'<figure id="figure-{drawing.name}"><div class="plot">{svg}</div>'
        f"<figcaption><b>Figure #.</b> {escape(drawing.caption)}</figcaption></figure>"
    )


def numbered(body: str, kind: str) -> str:
    """Put the numbers of tables or figures in, in the order of the page."""
    numbers = count(1)
    return re.sub(f"<b>{kind} #", lambda _: f"<b>{kind} {next(numbers)}", body)


def standalone(drawing: Figure) -> str:
    """A figure as a file of its own, on white, with its alt text as title."""
    title = f"<title>{html.escape(clean(drawing.alt), quote=False)}</title>"
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    head, rest = drawing.svg.split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>{title}{background}{rest}'
