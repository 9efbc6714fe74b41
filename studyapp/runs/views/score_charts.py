"""The charts of methods' scores in runs, drawn from stored figures. Presentation only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studyapp.models.runs import is_control
from studyapp.runs.services.scorers import CHANCE, MEANING
from studyapp.runs.views import charts
from studyapp.runs.views.charts import Bar, Chart, Dot, Rule, Tick, number, value
from studyapp.runs.views.run_charts import Findings

SPREAD = ("Labels", "Lower quartile", "Median", "Upper quartile", "No score")


def score_charts(scores: Mapping[str, Findings]) -> list[Chart]:
    """For each scorer, its scores by method, of one run or of several."""
    names = dict.fromkeys(name for own in scores.values() for name in own.get("scorers", {}))
    return [_score_chart(name, scores) for name in names]


def _score_chart(scorer: str, scores: Mapping[str, Findings]) -> Chart:
    """Median and quartiles of each method's scores."""
    spreads = {
        run: {
            method: of["all"]
            for method, of in own.get("scorers", {}).get(scorer, {}).get("methods", {}).items()
            if of["all"]["n"]
        }
        for run, own in scores.items()
    }
    methods = [*dict.fromkeys(method for own in spreads.values() for method in own)]
    row = max(charts.ROW + 4, 14 * len(spreads) + 8)
    comparable = all(
        own["scorers"][scorer]["comparable"]
        for own in scores.values()
        if scorer in own.get("scorers", {})
    )
    judges = {
        judge
        for own in scores.values()
        for judge in own.get("scorers", {}).get(scorer, {}).get("heard_by", ())
    }
    medians = [
        [method, *(value(own[method]["median"]) for own in spreads.values() if method in own)]
        for method in methods
    ]
    said = "; ".join(map(" ".join, medians)) or "none"
    chart = Chart(
        title=f"Scores: {scorer}",
        alt=f"Medians of {scorer} by method: {said}.",
        caption=_score_caption(scorer, comparable, methods, judges=len(judges)),
        height=charts.TOP + row * max(len(methods), 1) + charts.BOTTOM,
        left=charts.room_for(methods),
        x_label=f"{scorer} of the best label per feature",
        columns=["Method", *["Run"] * (len(spreads) > 1), *SPREAD],
    )
    edges = [one[q] for own in spreads.values() for one in own.values() for q in ("q25", "q75")]
    chance = CHANCE.get(scorer)
    edges += [] if chance is None else [chance]
    ups = charts.round_steps(min(edges, default=0), max(edges, default=1))
    x = charts.linear(ups[0], ups[-1], chart.left, chart.right)
    chart.x_ticks = [Tick(number(x(up)), f"{up:.3g}") for up in ups]
    if chance is not None:
        at = number(x(chance))
        chart.rules.append(
            Rule(at, number(charts.TOP), at, number(chart.bottom), f"chance: {chance:g}")
        )
    for line, method in enumerate(methods):
        start = charts.TOP + row * line
        chart.y_ticks.append(Tick(number(start + row / 2), charts.short(method)))
        for place, (run, own) in enumerate(spreads.items()):
            if method in own:
                middle = start + row / 2 + (place - (len(spreads) - 1) / 2) * 14
                _draw_spread(chart, x, middle, own[method], (method, run), place)
    chart.legend = charts.legend_of(spreads)
    return chart


def _draw_spread(
    chart: Chart,
    x: charts.Scale,
    middle: float,
    one: Findings,
    named: tuple[str, str],
    place: int,
) -> None:
    look = charts.style(place) + (" control" if is_control(named[0]) else "")
    who = ", ".join(part for part in named if part)
    title = (
        f"{who}: median {value(one['median'])}, quartiles {value(one['q25'])} to "
        f"{value(one['q75'])}, {one['n']} labels"
    )
    wide = number(max(x(one["q75"]) - x(one["q25"]), 0.5))
    chart.bars.append(
        Bar(number(x(one["q25"])), number(middle - 3), wide, "6", title, look + " soft")
    )
    chart.dots.append(Dot(number(x(one["median"])), number(middle), "5", title, look))
    figures = [value(one[name]) for name in ("q25", "median", "q75")]
    runs = [named[1]] if named[1] else []
    chart.rows.append([named[0], *runs, str(one["n"]), *figures, str(one["without"])])


def _score_caption(scorer: str, comparable: bool, methods: Sequence[str], *, judges: int) -> str:
    parts = ["Dot: median over features; bar: middle half."]
    if scorer in CHANCE:
        parts.append("Dashed line: chance.")
    if any(map(is_control, methods)):
        parts.append("Hollow: the control, whose labels belong to other features.")
    if scorer in MEANING:
        parts.append(MEANING[scorer])
    elif not comparable:
        parts.append("Scores of different methods cannot be compared.")
    if judges > 1:
        parts.append("The runs were scored by different CLAPs, so they cannot be compared by it.")
    return " ".join(parts)
