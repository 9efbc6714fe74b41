"""The chart of a dose curve beside random directions. Presentation only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studyapp.runs.services.steering_words import Measure
from studyapp.runs.views import charts
from studyapp.runs.views.charts import Chart, Dot, Line, Tick, interval, number, value

Point = Mapping[str, Any]
LOOK = "series-1"
BAND, MIDDLE = "band", "quiet broken"
ROOM = 0.6
"""Of the span of the seeds' own values, how much is added on both sides for intervals: with two
seeds an interval may be ten times as wide, and would press all else flat."""


def dose_curve(
    curve: Sequence[Point], random: Sequence[Point], measure: Measure, intervention: str
) -> Chart:
    """The rise of a measure by α, mean over seeds with its interval, over the band of random
    directions. Both begin at 0 with α = 0, where nothing is changed."""
    spoken = "; ".join(f"α = {p['alpha']:g}: {value(p['mean'])}" for p in curve)
    chart = Chart(
        title=f"{measure.name} by dose: {intervention}",
        alt=f"{measure.axis} of {intervention}, mean over seeds. {spoken}.",
        x_label="α",
        y_label=measure.axis,
        columns=["α", "Mean over seeds", "95 % interval", "Random directions", "Middle 90 %"],
    )
    low, high = _limits(curve, random)
    ups = charts.round_steps(low, high)
    x = charts.linear(0, max(p["alpha"] for p in curve), chart.left, chart.right)
    y = charts.linear(ups[0], ups[-1], chart.bottom, charts.TOP)
    chart.y_ticks = [Tick(number(y(up)), f"{up:.6g}") for up in ups]
    chart.x_ticks = [Tick(number(x(a)), f"{a:g}") for a in (0, *(p["alpha"] for p in curve))]

    def clipped(at: float) -> float:
        return y(min(max(at, ups[0]), ups[-1]))

    def through(points: Sequence[Point], key: str) -> list[tuple[float, float]]:
        return [(x(0), y(0)), *((x(p["alpha"]), clipped(p[key])) for p in points)]

    if random:
        around = [*through(random, "high"), *reversed(through(random, "low"))]
        directions = random[0]["directions"]
        chart.lines.append(Line(f"{charts.path(around)}Z", "random directions", BAND))
        chart.lines.append(Line(charts.path(through(random, "mean")), "their mean", MIDDLE))
        chart.legend += [(BAND, f"{directions} random directions: the middle 90 %"),
                         (MIDDLE, "their mean")]  # fmt: skip
    for point in curve:
        if point["low"] is not None:
            ends = [(x(point["alpha"]), clipped(point[key])) for key in ("low", "high")]
            chart.lines.append(Line(charts.path(ends), _words(point), LOOK))
    chart.lines.append(Line(charts.path(through(curve, "mean")), intervention, LOOK))
    for point in curve:
        at = number(x(point["alpha"])), number(y(point["mean"]))
        chart.dots.append(Dot(*at, "4", _words(point), LOOK))
        for one in point["each"]:
            title = f"α = {point['alpha']:g}, one seed: {value(one)}"
            chart.dots.append(Dot(at[0], number(y(one)), "2", title, f"{LOOK} soft"))
    chart.legend.insert(0, (LOOK, f"{intervention}, mean and 95 % interval over seeds"))
    chart.rows = _rows(curve, random)
    if any(p["low"] is not None and not ups[0] <= p["low"] <= p["high"] <= ups[-1] for p in curve):
        chart.caption = "An interval that leaves the picture goes on; the values have it whole."
    return chart


def _limits(curve: Sequence[Point], random: Sequence[Point]) -> tuple[float, float]:
    """What the vertical axis must hold."""
    seen = [0.0, *(one for p in curve for one in (*p["each"], p["mean"]))]
    span = (max(seen) - min(seen)) * ROOM
    ends = [p[key] for p in curve for key in ("low", "high") if p[key] is not None]
    ends = [min(max(one, min(seen) - span), max(seen) + span) for one in ends]
    every = [*seen, *ends, *(p[key] for p in random for key in ("low", "high"))]
    return min(every), max(every)


def _words(point: Point) -> str:
    between = interval(point["low"], point["high"])
    return f"α = {point['alpha']:g}: {value(point['mean'])}, 95 % interval {between}"


def _rows(curve: Sequence[Point], random: Sequence[Point]) -> list[list[str]]:
    of = {p["alpha"]: p for p in random}
    rows = []
    for point in curve:
        beside: Point = of.get(point["alpha"], {})
        rows.append(
            [
                f"{point['alpha']:g}",
                value(point["mean"]),
                interval(point["low"], point["high"]),
                value(beside.get("mean")),
                interval(beside.get("low"), beside.get("high")),
            ]
        )
    return rows
