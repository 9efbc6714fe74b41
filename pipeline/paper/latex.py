"""Table 1 as LaTeX, for pasting into a paper; needs `booktabs`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pipeline.paper.counts import Layout
from pipeline.paper.drawing import factor

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def tex(text: str) -> str:
    """A text with LaTeX's special characters escaped."""
    return "".join(SPECIAL.get(character, character) for character in text)


def table_1(found: Layout) -> str:
    """The table with a caption that says what bold is."""
    groups = spans(found.columns)
    lines = [
        r"\begin{table}",
        r"\caption{Features kept, by model, layer, expansion factor and $k$; "
        rf"{found.total} in all. Bold: the most of a layer.}}",
        r"\begin{tabular}{rr" + "".join("r" * width for _, width in groups) + "}",
        r"\toprule",
        " & "
        + "".join(rf" & \multicolumn{{{width}}}{{c}}{{{tex(model)}}}" for model, width in groups)
        + r" \\",
        r"Expansion & $k$" + "".join(f" & {tex(layer)}" for _, layer in found.columns) + r" \\",
        r"\midrule",
        *_rows(found),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def spans(columns: Sequence[tuple[str, str]]) -> list[tuple[str, int]]:
    """Each model with its number of columns."""
    return [(model, len(list(own))) for model, own in groupby(columns, key=lambda c: c[0])]


def _rows(found: Layout) -> list[str]:
    lines = []
    for (expansion, k), cells, marks in zip(found.rows, found.cells, found.largest, strict=True):
        shown = [
            "--" if cell is None else rf"\textbf{{{cell}}}" if mark else str(cell)
            for cell, mark in zip(cells, marks, strict=True)
        ]
        lines.append(" & ".join([factor(expansion), str(k), *shown]) + r" \\")
    return lines
