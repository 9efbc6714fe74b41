"""Figures of features, of consensus, and of machine scores against confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.descriptives import Ratings
from analysis.estimates.features import shrunken
from analysis.estimates.results import Estimate, Summary
from analysis.listeners.machine_scores import Points
from analysis.reading.columns import SCALE
from analysis.report.figures import MOST_ROWS, Figure, canvas, plain, short, svg_of, whisker
from analysis.report.palette import GRID, INK, method_colour
from analysis.report.text import clean, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_FEATURES = 400
"""Most features per method in a caterpillar plot; of more, these are picked evenly."""


def features(methods: Sequence[Ratings]) -> Figure | None:
    """Features in the order of their mean rating; None if each was rated only once."""
    shown = [r for r in methods if r.by_feature().weight.max() > 1][:4]
    if not shown:
        return None
    with canvas(1.9 * len(shown) + 0.4, rows=len(shown)) as (figure, axes):
        for row, (ratings, ax) in enumerate(zip(shown, axes, strict=True)):
            _caterpillar(ax, ratings, method_colour(list(methods).index(ratings)))
            ax.set_title(short(ratings.method), loc="left", fontsize=9)
            ax.set_ylabel("confidence")
            if row == len(shown) - 1:
                ax.set_xlabel("features, in the order of their level")
        svg = svg_of(figure, "features")
    means = [r.by_feature().total / r.by_feature().weight for r in shown]
    alt = "Mean confidence of each feature, in order. " + " ".join(
        f"{clean(r.method)}: from {number(m.min())} to {number(m.max())}, half of them from "
        f"{number(float(np.quantile(m, 0.25)))} to {number(float(np.quantile(m, 0.75)))}."
        for r, m in zip(shown, means, strict=True)
    )
    left = len(methods) - len(shown)
    caption = (
        "Each feature’s level (dot) with its 95 % interval (line), in order: shrunken "
        "(empirical-Bayes) means, closer to the mean of all features the fewer their ratings; the "
        "fainter mark is the plain mean. No dots: the estimated variance between features is zero."
    )
    if any(r.n_features > MOST_FEATURES for r in shown):
        caption += f" Of more than {MOST_FEATURES} features of a method, {MOST_FEATURES} are drawn."
    if left:
        caption += f" {left} methods are not drawn."
    return Figure("features", svg, alt, caption)


def _caterpillar(ax: Axes, ratings: Ratings, colour: str) -> None:
    sums, found = ratings.by_feature(), shrunken(ratings)
    mean = sums.total / sums.weight
    order = np.lexsort((mean,)) if found is None else np.lexsort((mean, found.mean))
    if len(order) > MOST_FEATURES:
        order = order[np.linspace(0, len(order) - 1, MOST_FEATURES).astype(int)]
    x = np.arange(len(order))
    ax.plot(x, mean[order], "_", color=colour, markersize=2.6, alpha=0.55)
    if found is not None:
        ax.vlines(x, found.low[order], found.high[order], color=colour, linewidth=0.9, alpha=0.4)
        ax.plot(x, found.mean[order], "o", color=colour, markersize=2.4, markeredgewidth=0)
    ax.set_ylim(0.8, 5.2)
    ax.set_yticks(SCALE)
    ax.set_xticks([])
    ax.grid(axis="y", color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)


def consensus(observed: Sequence[Estimate], by_chance: Sequence[Estimate]) -> Figure | None:
    """Each method's modal share, and its value under random choice; None if not estimable."""
    shown = [
        (o, c)
        for o, c in zip(observed, by_chance, strict=True)
        if o.value is not None and c.value is not None
    ][:MOST_ROWS]
    if not shown:
        return None
    with canvas(0.9 + 0.42 * len(shown)) as (figure, (ax,)):
        for row, (found, chance) in enumerate(shown):
            whisker(ax, found, row, method_colour(row))
            ax.plot(
                [chance.value or 0.0], [row], "|", color=INK, markersize=13, markeredgewidth=1.6
            )
        ax.set_yticks(range(len(shown)), [short(found.method) for found, _ in shown])
        ax.set_ylim(len(shown) - 0.5, -0.6)
        ax.set_xlim(0, 1)
        ax.set_xticks(np.linspace(0, 1, 5), [f"{v} %" for v in (0, 25, 50, 75, 100)])
        ax.set_xlabel("listeners who chose a feature’s most chosen label")
        ax.grid(axis="x", color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        plain(ax)
        svg = svg_of(figure, "consensus")
    alt = "Consensus. " + " ".join(
        f"{clean(o.method)}: {percent(o.value or 0.0)}, by chance {percent(c.value or 0.0)}."
        for o, c in shown
    )
    caption = (
        "Consensus: the share of listeners who chose a feature’s most chosen label, mean over "
        "features, with its interval; the tick is its expected value under random choice."
    )
    return Figure("consensus", svg, alt, caption)


def consensus_of(summary: Summary) -> Figure | None:
    """The same of every method whose consensus was estimated."""
    found = {(e.name, e.method): e for e in summary.estimates}
    name = "consensus_modal_share"
    methods = [m for m in summary.methods if (name, m) in found and (f"{name}_chance", m) in found]
    return consensus(
        [found[name, m] for m in methods], [found[f"{name}_chance", m] for m in methods]
    )


def scores(name: str, points: Sequence[Points]) -> Figure:
    """One machine score against confidence: one dot per feature, and means of five equal groups."""
    with canvas(3.3) as (figure, (ax,)):
        for row, found in enumerate(points[:MOST_ROWS]):
            colour = method_colour(row)
            ax.plot(
                found.score,
                found.confidence,
                "o",
                color=colour,
                alpha=0.3,
                markersize=3,
                markeredgewidth=0,
            )
            x, y = _groups(found.score, found.confidence)
            ax.plot(
                x, y, "-o", color=colour, markersize=4.5, linewidth=1.6, label=short(found.method)
            )
        ax.set_ylim(0.8, 5.2)
        ax.set_xlabel(f"score {short(name)} of the chosen label, mean over a feature’s ratings")
        ax.set_ylabel("mean confidence")
        ax.grid(color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.legend(frameon=False, loc="lower right")
        svg = svg_of(figure, "score")
    alt = f"{clean(name)} against confidence. " + " ".join(
        f"{clean(p.method)}: mean confidence from the lowest to the highest fifth of features "
        + ", ".join(number(float(v)) for v in _groups(p.score, p.confidence)[1])
        + "."
        for p in points[:MOST_ROWS]
    )
    caption = (
        f"The score {clean(name)} of the chosen label against the confidence in it: one dot per "
        "feature; the line joins the means of five equal groups of features."
    )
    return Figure("score", svg, alt, caption)


def _groups(x: Floats, y: Floats, groups: int = 5) -> tuple[Floats, Floats]:
    parts = [part for part in np.array_split(np.argsort(x, kind="stable"), groups) if len(part)]
    return (
        np.array([x[part].mean() for part in parts]),
        np.array([y[part].mean() for part in parts]),
    )
