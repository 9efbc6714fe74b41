"""Figures of pairs: the dose curve, and the strengths of interventions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.estimates.results import Estimate
from analysis.pairs.describe import PairResults
from analysis.pairs.doses import DoseModel
from analysis.reading.plan import PAIR_KINDS
from analysis.report.figures import MOST_ROWS, Figure, canvas, plain, short, svg_of, whisker
from analysis.report.palette import GRID, MUTED, method_colour
from analysis.report.text import clean, number, percent

AT = f"{PAIR_KINDS[0]}_at_steered_"
"""Begins the names of the shares of steered over unsteered clips by dose."""
STRENGTH = "pair_strength_"
ROW_NAME = 34
"""Characters of a row's name in the forest."""


def drawn(results: PairResults) -> list[Figure]:
    """The figures that these results have."""
    return [one for one in (dose_curve(results), strengths(results)) if one is not None]


def dose_curve(results: PairResults) -> Figure | None:
    """Shares of steered over unsteered clips by α, and the fitted curves; None with one dose."""
    found = [e for e in results.estimates if e.name.startswith(AT) and e.recommended]
    rows = [
        (model, method, _points(found, model, method))
        for method in results.methods
        for model in results.models.get(method, ())
    ]
    rows = [row for row in rows if len(row[2]) > 1][:MOST_ROWS]
    if not rows:
        return None
    most = max(alpha for _, _, points in rows for alpha, _ in points)
    with canvas(3.4) as (figure, (ax,)):
        ax.axhline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for n, (model, method, points) in enumerate(rows):
            colour, x = method_colour(n), np.linspace(0, most, 60)
            name = short(f"{method}, {model.doses.intervention}", ROW_NAME)
            ax.plot(x, [model.share(a) for a in x], color=colour, linewidth=1.4, label=name)
            # Points of several curves at the same α stand beside one another.
            shift = (n - (len(rows) - 1) / 2) * most * 0.012
            for alpha, e in points:
                if e.low is not None and e.high is not None:
                    ax.plot([alpha + shift] * 2, [e.low, e.high], color=colour, linewidth=2.2)
                ax.plot([alpha + shift], [e.value or 0.0], "o", color=colour, markersize=5.5)
        ax.set_xlim(0, most * 1.06)
        ax.set_ylim(-0.02, 1.02)
        ax.set_yticks(np.linspace(0, 1, 5), [f"{v} %" for v in (0, 25, 50, 75, 100)])
        ax.set_xlabel("dose α of the steered clip")
        ax.set_ylabel("chose it over the unsteered clip")
        ax.grid(color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.legend(frameon=False, loc="lower right")
        svg = svg_of(figure, "doses")
    alt = "Share choosing the steered clip over the unsteered one, by dose. " + " ".join(
        f"{clean(method)}, {clean(model.doses.intervention)}: "
        + ", ".join(f"{percent(e.value or 0.0)} at α = {alpha:g}" for alpha, e in points)
        + "."
        for model, method, points in rows
    )
    caption = (
        "How often the steered clip was chosen over the unsteered one at each dose (dots, with "
        "95 % intervals), of the trials in which one was chosen. The line is the mixed logistic "
        "model’s share for new listeners and features; it has no band of its own. The dashed line "
        "is what listeners who hear no difference give."
    )
    return Figure("doses", svg, alt, caption)


def _points(
    found: Sequence[Estimate], model: DoseModel, method: str
) -> list[tuple[float, Estimate]]:
    """The shares of one model's intervention by dose."""
    key = model.doses.intervention.replace(" ", "-")
    begin = f"{AT}{key}_" if key else AT
    points = []
    for e in found:
        dose = e.name.removeprefix(begin)
        if e.name.startswith(begin) and e.method == method and _is_number(dose):
            points.append((float(dose), e))
    return sorted(points, key=lambda point: point[0])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def strengths(results: PairResults) -> Figure | None:
    """Bradley–Terry log-strengths with their intervals; None if there are none."""
    shown = [
        e
        for e in results.estimates
        if e.name.startswith(STRENGTH) and e.recommended and e.value is not None
    ][:MOST_ROWS]
    if not shown:
        return None
    names = [_arm(e, len(results.methods) > 1) for e in shown]
    with canvas(0.9 + 0.42 * len(shown)) as (figure, (ax,)):
        ax.axvline(0, color=MUTED, linewidth=1)
        for row, e in enumerate(shown):
            whisker(ax, e, row, method_colour(results.methods.index(e.method)))
        ax.set_yticks(range(len(shown)), [short(name, ROW_NAME) for name in names])
        ax.set_ylim(len(shown) - 0.5, -0.6)
        ax.set_xlabel(f"log-strength against {_reference(shown)} (0)")
        ax.grid(axis="x", color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        plain(ax)
        svg = svg_of(figure, "strengths")
    alt = "Bradley–Terry log-strengths. " + " ".join(
        f"{clean(name)}: {number(e.value or 0.0)}"
        + ("" if e.low is None or e.high is None else f", {number(e.low)} to {number(e.high)}")
        + "."
        for name, e in zip(names, shown, strict=True)
    )
    caption = (
        f"How much more of what the label says a clip has by how it was made, against "
        f"{_reference(shown)}: Bradley–Terry log-strengths with 95 % intervals. At 1 the clip is "
        "chosen in 73 % of choices between the two, at 0 in half of them."
    )
    return Figure("strengths", svg, alt, caption)


def _arm(e: Estimate, several: bool) -> str:
    words = e.label.split(" of ", 1)[1].split(", against ")[0]
    return f"{e.method}: {words}" if several else words


def _reference(shown: Sequence[Estimate]) -> str:
    words = shown[0].label.split(", against ")[-1]
    return "the unsteered clip" if words == "unsteered" else words
