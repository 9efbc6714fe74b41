"""The report's figures, drawn by matplotlib as SVG.

The same numbers give the same bytes: ids are hashed with a fixed salt, there is no date, and text
remains text. Colours are those of `analysis.report.palette`, which the page replaces by CSS
variables, so that one drawing serves light and dark pages.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.descriptives import Ratings
from analysis.estimates.results import Estimate
from analysis.listeners.calibration import Bin
from analysis.reading.columns import HIGHEST, LOWEST, SCALE
from analysis.report.palette import (
    DARK_TEXT,
    GRID,
    INK,
    LIGHT_TEXT,
    MUTED,
    PAPER,
    STEPS,
    method_colour,
)
from analysis.report.text import clean, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WIDTH = 5.6
"""Inches; a figure fills the page's column, and its 9-point text stays readable on a phone."""

MOST_ROWS = 24
"""A figure shows no more rows than this; the tables have all."""


@dataclass(frozen=True)
class Figure:
    """One figure: its name (file stem and id), SVG, alt text and caption."""

    name: str
    svg: str
    alt: str
    caption: str

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        return self.svg


@contextmanager
def canvas(height: float, rows: int = 1, columns: int = 1) -> Iterator[tuple[Canvas, list[Axes]]]:
    """A figure of the common width with `rows` × `columns` plain axes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Made

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "font.family": "sans-serif",
        "font.size": 9.0,
        "text.color": INK,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "svg.hashsalt": "earwitness",
        "pdf.fonttype": 42,
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # A name in a script that the font for measuring lacks is still drawn, in the reader's font.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure = Made(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = [figure.add_subplot(rows, columns, i + 1) for i in range(rows * columns)]
        yield figure, axes


_pdfs: ContextVar[dict[str, bytes] | None] = ContextVar("pdfs", default=None)


@contextmanager
def with_pdfs() -> Iterator[dict[str, bytes]]:
    """Figures that are drawn in this block are made as PDF too, by name."""
    made: dict[str, bytes] = {}
    token = _pdfs.set(made)
    try:
        yield made
    finally:
        _pdfs.reset(token)


def _pdf_of(figure: Canvas) -> bytes:
    """The figure as PDF on white, with its text as text; no date, so that bytes do not change."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf", facecolor="white", metadata={"CreationDate": None})
    return buffer.getvalue()


def svg_of(figure: Canvas, name: str) -> str:
    """The figure as SVG, its ids made unique by `name`, so that pages may hold several."""
    if (pdfs := _pdfs.get()) is not None:
        pdfs[name] = _pdf_of(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    return re.sub(r'(url\(#|href="#)', rf"\1{name}-", text)


def short(name: str, limit: int = 22) -> str:
    """A name for use in a figure: cleaned, cut at `limit` characters."""
    name = clean(name)
    return name if len(name) <= limit else name[: limit - 1] + "…"


def distribution(methods: Sequence[Ratings]) -> Figure:
    """One bar per method: the shares of the five answers."""
    shown = methods[:MOST_ROWS]
    shares = [
        np.bincount(r.values.astype(int), minlength=HIGHEST + 1)[LOWEST:] / len(r.values)
        for r in shown
    ]
    with canvas(0.95 + 0.42 * len(shown)) as (figure, (ax,)):
        for row, share in enumerate(shares):
            _bar(ax, row, share)
        ax.set_yticks(range(len(shown)), [short(r.method) for r in shown])
        ax.set_ylim(len(shown) - 0.4, -0.6)
        ax.set_xlim(0, 1)
        ax.set_xticks(np.linspace(0, 1, 5), [f"{v} %" for v in (0, 25, 50, 75, 100)])
        ax.set_xlabel("share of ratings")
        plain(ax)
        handles: list[Any] = [ax.barh([0], [0], color=colour) for colour in STEPS]
        figure.legend(
            handles,
            ["1 not at all", "2", "3", "4", "5 completely"],
            loc="outside upper center",
            ncols=5,
            frameon=False,
            handlelength=0.9,
            handleheight=0.9,
            columnspacing=1.1,
        )
        svg = svg_of(figure, "distribution")
    alt = "Shares of the answers 1 to 5. " + " ".join(
        f"{clean(r.method)}: " + ", ".join(percent(v) for v in share) + "."
        for r, share in zip(shown, shares, strict=True)
    )
    caption = "How confident listeners were that the label they chose fits: shares of all ratings."
    return Figure("distribution", svg, alt, caption)


def _bar(ax: Axes, row: int, share: Floats) -> None:
    left = 0.0
    for step, (width, colour) in enumerate(zip(share, STEPS, strict=True)):
        ax.barh([row], [width], left=left, color=colour, height=0.62, linewidth=0)
        if width >= 0.06:
            ink = LIGHT_TEXT if step in (0, 4) else DARK_TEXT
            ax.text(
                left + width / 2, row, f"{100 * width:.0f}", ha="center", va="center", color=ink
            )
        left += float(width)


def plain(ax: Axes) -> None:
    """Remove the axis line and ticks on the left."""
    ax.spines["left"].set_visible(False)
    ax.tick_params(left=False)


@dataclass(frozen=True)
class Axis:
    """The scale of the ratings, as an axis shows it."""

    low: float = LOWEST
    high: float = HIGHEST
    ticks: tuple[float, ...] = SCALE
    label: str = "confidence, 1 (not at all) to 5 (completely)"
    what: str = "confidence"
    """What is rated."""

    @property
    def width(self) -> float:
        """From one end to the other."""
        return self.high - self.low


CONFIDENCE = Axis()


def means(
    methods: Sequence[Ratings], estimates: Sequence[Estimate], axis: Axis = CONFIDENCE
) -> Figure:
    """Each participant's mean as a dot, and the method's mean with its interval above them."""
    shown = list(zip(methods, estimates, strict=True))[:MOST_ROWS]
    with canvas(0.75 + 0.62 * len(shown)) as (figure, (ax,)):
        for row, (ratings, estimate) in enumerate(shown):
            colour = method_colour(row)
            sums = ratings.by_participant()
            x, lift = _stacked(sums.total / sums.weight, axis)
            ax.plot(
                x, row + 0.28 - lift, "o", color=colour, alpha=0.45, markersize=3, markeredgewidth=0
            )
            whisker(ax, estimate, row - 0.18, colour)
        ax.set_yticks(range(len(shown)), [short(r.method) for r, _ in shown])
        ax.set_ylim(len(shown) - 0.5, -0.55)
        ax.set_xlim(axis.low - axis.width / 40, axis.high + axis.width / 40)
        ax.set_xticks(axis.ticks)
        ax.set_xlabel(axis.label)
        ax.grid(axis="x", color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        plain(ax)
        svg = svg_of(figure, "means")
    said = " ".join(f"{clean(r.method)}: {_said(e)}." for r, e in shown)
    alt = f"Mean {axis.what}. {said}"
    caption = (
        f"Mean {axis.what} with its interval (bar), and each participant's own mean (dots, stacked "
        "where they coincide)."
    )
    return Figure("means", svg, alt, caption)


def _stacked(values: Floats, axis: Axis, bins: int = 60) -> tuple[Floats, Floats]:
    """Positions of dots, stacked in narrow bins over the scale: x, and height above the base."""
    index = np.round((np.sort(values) - axis.low) / axis.width * bins).astype(int)
    seen = np.zeros(bins + 1, dtype=int)
    height = np.zeros(len(index))
    for place, cell in enumerate(index):
        height[place] = seen[cell]
        seen[cell] += 1
    step = min(0.06, 0.38 / max(1, int(seen.max())))
    return axis.low + axis.width * index / bins, height * step


def whisker(ax: Axes, estimate: Estimate, row: float, colour: str) -> None:
    """A value as a dot with its interval as a bar, at height `row`."""
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        ax.plot(
            [estimate.low, estimate.high],
            [row, row],
            color=colour,
            linewidth=2.2,
            solid_capstyle="round",
        )
    ax.plot([estimate.value], [row], "o", color=colour, markersize=6.5)


def differences(estimates: Sequence[Estimate], axis: Axis = CONFIDENCE) -> Figure:
    """Differences in mean confidence with their intervals, and a line at zero."""
    shown = [e for e in estimates if e.value is not None][:MOST_ROWS]
    with canvas(0.85 + 0.4 * len(shown)) as (figure, (ax,)):
        ax.axvline(0, color=MUTED, linewidth=1)
        for row, estimate in enumerate(shown):
            whisker(ax, estimate, row, INK)
            ax.annotate(
                short(estimate.method, 48),
                (estimate.value or 0.0, row),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                va="bottom",
                # The line at zero must not strike through the name.
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8},
            )
        reach = max(
            [axis.width / 8, *(abs(v) for e in shown for v in (e.low, e.high, e.value) if v)]
        )
        ax.set_xlim(-1.12 * reach, 1.12 * reach)
        ax.set_ylim(len(shown) - 0.5, -0.8)
        ax.set_yticks([])
        ax.set_xlabel(f"difference in mean {axis.what} (steps of the scale)")
        ax.grid(axis="x", color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        plain(ax)
        svg = svg_of(figure, "differences")
    alt = f"Differences in mean {axis.what}. " + " ".join(
        f"{clean(e.method)}: {_said(e)}." for e in shown
    )
    return Figure(
        "differences",
        svg,
        alt,
        f"Differences in mean {axis.what} with their intervals; the line marks no difference.",
    )


def reliability_diagram(curves: Sequence[tuple[str, Sequence[Bin]]]) -> Figure:
    """The method's confidence in its first label, and the share of listeners who chose it."""
    with canvas(3.6) as (figure, (ax,)):
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for row, (method, bins) in enumerate(curves[:MOST_ROWS]):
            most = max(b.n for b in bins)
            ax.plot(
                [b.predicted for b in bins],
                [b.observed for b in bins],
                color=method_colour(row),
                linewidth=1.4,
                label=short(method),
            )
            ax.scatter(
                [b.predicted for b in bins],
                [b.observed for b in bins],
                s=[12 + 60 * b.n / most for b in bins],
                color=method_colour(row),
                zorder=3,
            )
        ax.set_xlim(-0.03, 1.03)
        ax.set_ylim(-0.03, 1.03)
        ax.set_xlabel("the machine’s confidence in its first label")
        ax.set_ylabel("share of listeners choosing it")
        ax.grid(color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.legend(frameon=False, loc="upper left")
        svg = svg_of(figure, "reliability")
    alt = "Reliability diagram. " + " ".join(
        f"{clean(method)}: "
        + ", ".join(f"at {number(b.predicted)} chosen {percent(b.observed)}" for b in bins)
        + "."
        for method, bins in curves[:MOST_ROWS]
    )
    caption = (
        "Reliability of the machine’s own confidence, in ten bins; the area of a dot is its number "
        "of ratings, the dashed line perfect calibration."
    )
    return Figure("reliability", svg, alt, caption)


def _said(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not estimable"
    if estimate.low is None or estimate.high is None:
        return number(estimate.value)
    return f"{number(estimate.value)}, from {number(estimate.low)} to {number(estimate.high)}"
