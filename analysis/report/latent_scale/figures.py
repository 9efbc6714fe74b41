"""Figures on the latent scale: effects at each cut, listeners' severity, features' difficulty."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.estimates.results import Estimate, Summary
from analysis.models.checks import CUT
from analysis.models.latent_levels import UNITS, Levels
from analysis.report.figures import Figure, canvas, plain, short, svg_of, whisker
from analysis.report.palette import GRID, INK, MUTED
from analysis.report.text import clean, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 4
"""Comparisons in the figure of cuts."""
MOST_UNITS = 400
"""Most listeners or features in a caterpillar plot; of more, these are picked evenly."""


def cut_of(name: str) -> int | None:
    """The cut that an estimate's name is about; None for another estimate."""
    found = re.fullmatch(f"{CUT}_([0-9]+)", name)
    return int(found[1]) if found else None


def cuts(summary: Summary) -> Figure | None:
    """Each comparison's effect at each cut of the scale, beside its single effect."""
    single = {e.method: e for e in summary.estimates if e.name == "clmm_logit_effect"}
    found: dict[str, list[Estimate]] = {}
    for e in summary.estimates:
        if cut_of(e.name) is not None and e.method in single:
            found.setdefault(e.method, []).append(e)
    shown = list(found.items())[:MOST_PANELS]
    if not shown:
        return None
    rows = sum(0.75 + 0.26 * len(own) for _, own in shown)
    ends = [v for _, own in shown for e in own for v in (e.low, e.high) if v is not None]
    reach = 1.08 * max([0.5, *map(abs, ends)])
    with canvas(0.3 + rows, rows=len(shown)) as (figure, axes):
        for (method, own), ax in zip(shown, axes, strict=True):
            _panel(ax, method, own, single[method])
            ax.set_xlim(-reach, reach)
        axes[-1].set_xlabel("difference on the latent scale (logits)")
        svg = svg_of(figure, "cuts")
    alt = "Differences on the latent scale at each cut. " + " ".join(
        f"{clean(method)}: "
        + ", ".join(f"{cut_of(e.name)} or more {number(e.value or 0)}" for e in own)
        + f"; one effect for all {number(single[method].value or 0)}."
        for method, own in shown
    )
    caption = (
        "The difference at each cut of the scale, from the model with thresholds by method (dots "
        "with 95 % intervals, which take listeners to use the scale alike), and the joint model’s "
        "one difference for all cuts (line). Under proportional odds the dots lie around the line."
    )
    if len(found) > len(shown):
        caption += f" {len(found) - len(shown)} comparisons are not drawn."
    return Figure("cuts", svg, alt, caption)


def _panel(ax: Axes, method: str, own: Sequence[Estimate], single: Estimate) -> None:
    ax.axvline(0, color=GRID, linewidth=1)
    if single.value is not None:
        ax.axvline(single.value, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    for row, e in enumerate(own):
        whisker(ax, e, row, INK)
    ax.set_yticks(range(len(own)), [f"{cut_of(e.name)} or more" for e in own])
    ax.set_ylim(len(own) - 0.5, -0.6)
    ax.set_title(short(method, 48), loc="left", fontsize=9)
    ax.grid(axis="x", color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)
    plain(ax)


def levels(found: Sequence[Levels]) -> Figure | None:
    """Listeners' severity and features' difficulty, in order; None if neither is in the model."""
    if not found:
        return None
    with canvas(1.9 * len(found) + 0.3, rows=len(found)) as (figure, axes):
        for own, ax in zip(found, axes, strict=True):
            _caterpillar(ax, own)
        svg = svg_of(figure, "levels")
    alt = " ".join(
        f"{UNITS[own.unit].capitalize()} of {len(own.value)} {PLURALS[own.unit]}, in order, from "
        f"{number(float(own.value.min()))} to {number(float(own.value.max()))} logits."
        for own in found
    )
    caption = (
        "Listeners’ severity and features’ difficulty on the latent scale (dots), with 95 % "
        "intervals (lines), in order: above 0, ratings are lower than those of an average listener "
        "or of an average feature. Shrunken values of the joint model, closer to 0 the fewer their "
        "ratings."
    )
    return Figure("levels", svg, alt, caption)


PLURALS = {"participant": "listeners", "feature": "features"}


def _caterpillar(ax: Axes, own: Levels) -> None:
    order = np.lexsort((own.value,))
    if len(order) > MOST_UNITS:
        order = order[np.linspace(0, len(order) - 1, MOST_UNITS).astype(int)]
    x = np.arange(len(order))
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.vlines(x, own.low[order], own.high[order], color=INK, linewidth=0.9, alpha=0.35)
    ax.plot(x, own.value[order], "o", color=INK, markersize=2.4, markeredgewidth=0)
    ax.set_ylabel(f"{UNITS[own.unit]} (logits)")
    ax.set_xlabel(f"{PLURALS[own.unit]}, in order")
    ax.set_xticks([])
    ax.grid(axis="y", color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)
