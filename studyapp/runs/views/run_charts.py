"""The charts of what runs' SAEs and filters found, from their stored figures. Presentation only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any, TypeAlias

from studyapp.runs.views import charts
from studyapp.runs.views.charts import Bar, Chart, Dot, Line, Rule, Tick, number, percent

Findings: TypeAlias = Mapping[str, Any]

BINS = ("none", "≤ 0.001 %", "≤ 0.01 %", "≤ 0.1 %", "≤ 1 %", "≤ 10 %", "> 10 %")
"""Of densities, as `pipeline/viewing/findings.py` counts them."""
UP_TO = ("none", "10⁻⁵", "10⁻⁴", "10⁻³", "0.01", "0.1", "1")
"""The same where there is little room."""
THICK = 16
"""Thickness of a bar that is the only one of its row."""


def explained(held_out: Findings) -> float | None:
    """Return the share of variance that an SAE explains on held-out frames."""
    return None if held_out.get("fvu") is None else 1 - float(held_out["fvu"])


def curves(training: Findings) -> Chart | None:
    """The share of variance that each SAE explains over its training."""
    drawn = {name: sae["curve"]["points"] for name, sae in training.get("saes", {}).items()}
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn:
        return None
    every = max(sae["curve"]["every"] for sae in training["saes"].values())
    last = max(points[-1][0] for points in drawn.values())
    lowest = min(share for points in drawn.values() for _, share in points)
    ends = ", ".join(f"{name} {percent(points[-1][1])}" for name, points in drawn.items())
    chart = Chart(
        title="Training",
        alt=f"Variance explained against training steps. At the end: {ends}.",
        caption="On the batch of each step, so on training frames; the table above has the figures "
        f"on held-out frames.{f' Each point is the mean of {every} records.' * (every > 1)}",
        x_label="optimiser steps",
        y_label="variance explained",
        columns=["Step", *drawn],
    )
    ups = charts.round_steps(max(min(lowest, 1.0), 0.0), 1.0)
    x = charts.linear(0, last, chart.left, chart.right)
    y = charts.linear(ups[0], ups[-1], chart.bottom, charts.TOP)
    chart.y_ticks = [Tick(number(y(up)), percent(up, 0)) for up in ups]
    steps = [step for step in charts.round_steps(0, last) if step <= last]
    chart.x_ticks = [Tick(number(x(step)), f"{step:,.0f}") for step in steps]
    for place, (name, points) in enumerate(drawn.items()):
        seen = [(x(step), y(max(share, ups[0]))) for step, share in points]
        title = f"{name}: {percent(points[-1][1])} at the end"
        chart.lines.append(Line(charts.path(seen), title, charts.style(place)))
        chart.legend.append((charts.style(place), name))
    chart.rows = _some_steps(drawn)
    return chart


def _some_steps(drawn: Mapping[str, list[list[float]]], most: int = 12) -> list[list[str]]:
    """Return about `most` steps of the curves, the last one included."""
    longest = max(drawn.values(), key=len)
    stride = max(1, -(-len(longest) // most))
    places = sorted({*range(stride - 1, len(longest), stride), len(longest) - 1})
    return [
        [f"{longest[at][0]:,.0f}"]
        + [percent(points[at][1]) if at < len(points) else "–" for points in drawn.values()]
        for at in places
    ]


def densities(training: Findings) -> Chart | None:
    """How many of each SAE's latents fire how often."""
    saes = {name: sae.get("densities", []) for name, sae in training.get("saes", {}).items()}
    counted = {name: own for name, own in saes.items() if len(own) == len(BINS)}
    shares = {name: [count / sum(own) for count in own] for name, own in counted.items()}
    if not shares:
        return None
    nowhere = ", ".join(f"{name} {percent(own[0])}" for name, own in shares.items())
    chart = Chart(
        title="How often latents fire",
        alt=f"Share of latents by the share of frames in which they fire. In none: {nowhere}.",
        caption="On frames of validation tracks: latents that fire in no frame, then in up to one "
        "frame in 100,000, and so on; the last fire in more than a tenth of all frames.",
        x_label="fires in up to this share of the frames",
        y_label="share of the SAE’s latents",
        columns=["Fires in", *shares],
    )
    ups = charts.round_steps(0, max(share for own in shares.values() for share in own))
    x = charts.linear(0, len(BINS) - 1, chart.left + 8, chart.right - 8)
    y = charts.linear(0, ups[-1], chart.bottom, charts.TOP)
    chart.y_ticks = [Tick(number(y(up)), percent(up, 0)) for up in ups]
    chart.x_ticks = [Tick(number(x(at)), text) for at, text in enumerate(UP_TO)]
    for place, (name, own) in enumerate(shares.items()):
        look = charts.style(place)
        seen = [(x(at), y(share)) for at, share in enumerate(own)]
        chart.lines.append(Line(charts.path(seen), name, look))
        for (over, up), share, text in zip(seen, own, BINS, strict=True):
            title = f"{name}, {text}: {percent(share)}"
            chart.dots.append(Dot(number(over), number(up), "3", title, look))
        chart.legend.append((look, name))
    chart.rows = [
        [text, *(f"{own[at]:,}" for own in counted.values())] for at, text in enumerate(BINS)
    ]
    return chart


def spots(features: Findings) -> list[Chart]:
    """For each SAE, rate against strength of its latents."""
    saes = {name: sae for name, sae in features.get("saes", {}).items() if _dots_of(sae)}
    if not saes:
        return []
    every = [dot for sae in saes.values() for dot in _dots_of(sae)]
    rates = [rate for _, rate, _ in every] + [rate for rate, _ in borders(features)]
    strengths = [strength for _, _, strength in every]
    box = (min(rates) * 0.85, 1.0, min(strengths) * 0.9, max(strengths) * 1.1)
    most = max(count for count, _, _ in every)
    return [_spot(name, sae, features, box, most) for name, sae in saes.items()]


def _dots_of(sae: Findings) -> list[list[float]]:
    return [*sae["dots"]["dropped"], *sae["dots"]["kept"]]


def borders(features: Findings) -> list[tuple[float, str]]:
    """Return the rates at which the filter cuts, with what each is."""
    rules, tracks = features.get("filter", {}), features.get("tracks")
    found = [
        (rules.get(name), f"r {sign} {percent(rules.get(name))}")
        for name, sign in (("min_rate", "≥"), ("max_rate", "≤"))
    ]
    if tracks and rules.get("min_tracks"):
        share = rules["min_tracks"] / tracks
        found.append(
            (share, f"at least {rules['min_tracks']} of {tracks} tracks, {percent(share)}")
        )
    return [(float(rate), text) for rate, text in found if rate and 0 < rate <= 1]


def _spot(name: str, sae: Findings, features: Findings, box: Sequence[float], most: float) -> Chart:
    chart = Chart(
        title=name,
        alt=f"Rate against strength of the latents of {name}: {sae['kept']} kept, "
        f"{sae['latents'] - sae['kept']} dropped.",
        x_label="rate: share of validation tracks in which it fires",
        y_label="strongest activation",
    )
    x = charts.logarithmic(box[0], box[1], chart.left, chart.right)
    y = charts.logarithmic(box[2], box[3], chart.bottom, charts.TOP)
    ticks = [t for t in charts.round_powers(box[0], box[1]) if f"{t:e}"[0] in "15"]
    chart.x_ticks = [Tick(number(x(t)), f"{t * 100:g} %") for t in ticks]
    chart.y_ticks = [Tick(number(y(t)), f"{t:g}") for t in charts.round_powers(box[2], box[3])]
    for rate, text in borders(features):
        at = number(x(rate))
        chart.rules.append(Rule(at, number(charts.TOP), at, number(chart.bottom), text))
    for state, look in (("dropped", "quiet"), ("kept", "series-1")):
        for count, rate, strength in sae["dots"][state]:
            title = f"{count} {state}: rate {percent(rate)}, strength {strength:.3g}"
            radius = number(max(1.6, 11 * sqrt(count / most)))
            chart.dots.append(Dot(number(x(rate)), number(y(strength)), radius, title, look))
        chart.legend.append((look, f"{state}: {sum(dot[0] for dot in sae['dots'][state])}"))
    if sae["silent"]:
        chart.caption = f"Not drawn: {sae['silent']} latents that fire in no validation track."
    return chart


def kept_chart(features: Mapping[str, Findings]) -> Chart | None:
    """Kept features of every SAE, of one run or of several; `features`: run's name → figures."""
    counts = {
        run: {name: (sae["kept"], sae["latents"]) for name, sae in own.get("saes", {}).items()}
        for run, own in features.items()
    }
    shown = {
        run: {name: (kept, f"{kept} of {latents} latents") for name, (kept, latents) in own.items()}
        for run, own in counts.items()
    }
    chart = _bars("Kept features", shown, label="features", show=lambda kept: f"{kept:,.0f}")
    if chart is not None and len(features) == 1:
        chart.columns = ["SAE", "Kept", "Of latents"]
        own = next(iter(counts.values()))
        chart.rows = [[n, f"{kept:,}", percent(kept / of)] for n, (kept, of) in own.items()]
    return chart


def explained_chart(training: Mapping[str, Findings]) -> Chart | None:
    """Variance that the SAEs of several runs explain on held-out frames."""
    shares = {
        run: {name: explained(sae["held_out"] or {}) for name, sae in own.get("saes", {}).items()}
        for run, own in training.items()
    }
    shown = {
        run: {n: (share, percent(share)) for n, share in own.items() if share is not None}
        for run, own in shares.items()
    }
    return _bars(
        "Variance explained", shown, label="of the variance of held-out frames", show=percent, top=1
    )


def _bars(
    title: str,
    shown: Mapping[str, Mapping[str, tuple[float, str]]],
    *,
    label: str,
    show: Callable[[float], str],
    top: float = 0,
) -> Chart | None:
    """A chart of rows, one bar per run in each; `shown`: run → row → value and its words."""
    names = [*dict.fromkeys(name for own in shown.values() for name in own)]
    if not names:
        return None
    thick = THICK if len(shown) == 1 else 12
    row = max(charts.ROW, thick * len(shown) + 8)
    parts = [
        f"{name} {' '.join(show(own[name][0]) for own in shown.values() if name in own)}"
        for name in names
    ]
    chart = Chart(
        title=title,
        alt=f"{title} by SAE: {'; '.join(parts)}.",
        height=charts.TOP + row * len(names) + charts.BOTTOM,
        left=charts.room_for(names),
        x_label=label,
        columns=["SAE", *(shown if len(shown) > 1 else [title])],
        rows=[[n, *(show(o[n][0]) if n in o else "–" for o in shown.values())] for n in names],
    )
    high = max(value for own in shown.values() for value, _ in own.values())
    # Up to at least 4, since the steps to less would be fractions of a feature.
    ups = charts.round_steps(0, top or max(high, 4), 4)
    x = charts.linear(0, ups[-1], chart.left, chart.right)
    chart.x_ticks = [Tick(number(x(up)), show(up) if top != 1 else percent(up, 0)) for up in ups]
    for line, name in enumerate(names):
        start = charts.TOP + row * line
        chart.y_ticks.append(Tick(number(start + row / 2), charts.short(name)))
        for place, (run, own) in enumerate(shown.items()):
            if name in own:
                of, words = own[name]
                at = start + (row - thick * len(shown)) / 2 + place * thick
                who = f"{name}, {run}: {words}" if run else f"{name}: {words}"
                wide = number(max(x(of) - chart.left, 0))  # An SAE can be worse than the mean.
                chart.bars.append(
                    Bar(
                        number(chart.left),
                        number(at),
                        wide,
                        str(thick - 2),
                        who,
                        charts.style(place),
                    )
                )
    chart.legend = charts.legend_of(shown)
    return chart
