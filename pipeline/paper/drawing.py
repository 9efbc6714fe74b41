"""How every figure here is drawn: matplotlib, in the sizes and colours of the analysis report.

The colours are those of `analysis/report/palette.py` (neither package may import the other;
`tests/pipeline/paper/test_page.py` compares them). Figures are drawn in the light values, which the
page replaces by CSS variables, so that one drawing serves light and dark pages. Equal numbers give
equal bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

PAPER = "#fdfdfc"
INK = "#1c1d1f"
MUTED = "#6d7278"
GRID = "#dfe2e5"
SERIES = (
    ("#0c6c94", "#5cc0ea"),
    ("#b3500f", "#f0a269"),
    ("#3b7a3a", "#8bcb87"),
    ("#8549a0", "#cf9fe6"),
    ("#967000", "#e2bf4d"),
    ("#a93049", "#f08ba0"),
    ("#2d7274", "#74c9cb"),
    ("#545a92", "#a9afe6"),
)
VARIABLES: dict[str, tuple[str, str]] = {
    "paper": (PAPER, "#15171a"),
    "ink": (INK, "#e9eaec"),
    "muted": (MUTED, "#9aa1a8"),
    "grid": (GRID, "#33383d"),
    **{f"method-{i}": pair for i, pair in enumerate(SERIES)},
}
"""CSS variable to (light, dark)."""
MARKERS = "osD^vPX*"
WIDTH = 5.6
"""Inches, as in the report."""


@dataclass(frozen=True)
class Figure:
    """One figure: its name (file stem and id), as SVG and as PDF, alt text and caption."""

    name: str
    title: str
    svg: str
    pdf: bytes
    alt: str
    caption: str


def colour(index: int) -> str:
    """The colour of a series; colours repeat after eight."""
    return SERIES[index % len(SERIES)][0]


@contextmanager
def canvas(height: float, rows: int = 1, columns: int = 1) -> Iterator[tuple[Canvas, list[Axes]]]:
    """A figure of the common width with `rows` × `columns` plain axes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Made

    style: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "earwitness", "pdf.fonttype": 42,
        "text.parse_math": False, "axes.unicode_minus": True,
        "font.family": "sans-serif", "font.size": 9.0,
        "text.color": INK, "axes.edgecolor": MUTED, "axes.labelcolor": INK,
        "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK,
        "ytick.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False,
        "axes.titlesize": 9.0, "axes.titlelocation": "left",
    }  # fmt: skip
    with matplotlib.rc_context(style):
        figure = Made(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure, [figure.add_subplot(rows, columns, i + 1) for i in range(rows * columns)]


def made(figure: Canvas, name: str, title: str, alt: str, caption: str) -> Figure:
    """The drawn figure in both formats; ids are made unique by its name."""
    svg, pdf = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    # The second format keeps the layout that the first one computed.
    figure.set_layout_engine("none")
    figure.savefig(
        pdf, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None}
    )
    text = svg.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{name}-", text)
    return Figure(name, title, text, pdf.getvalue(), alt, caption)


def themed(svg: str) -> str:
    """The drawing with CSS variables for its colours, which follow the page's theme."""
    for name, (light, _) in VARIABLES.items():
        svg = svg.replace(light, f"var(--{name})")
    return svg


def grid(ax: Axes, axis: Any = "y") -> None:
    """Faint lines behind the data."""
    ax.grid(axis=axis, color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)


def legend(figure: Canvas, axes: Sequence[Axes], columns: int = 2) -> None:
    """One legend above all panels, with every labelled series once; none for a single series."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if len(found) > 1:
        figure.legend(
            list(found.values()), list(found), loc="outside upper center",
            ncols=min(columns, len(found)), frameon=False, handlelength=1.6, columnspacing=1.2,
        )  # fmt: skip


def short(name: str, limit: int = 34) -> str:
    """A name for use in a figure, cut at `limit` characters."""
    return name if len(name) <= limit else name[: limit - 1] + "…"


def shown(value: float, digits: int = 2) -> str:
    """A rounded number with a true minus sign, and none before a zero."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def factor(expansion: float) -> str:
    """An expansion factor, without decimals where it is whole."""
    return f"{expansion:g}"
