"""The section on features: the best and worst by label, and confidence by SAE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis.report.about.ranked import MOST, Group, Ranked
from analysis.report.cells import MOST_COLUMNS, many, stacked
from analysis.report.page import heading, html_table
from analysis.report.text import escape, number

MOST_SHOWN = 60
"""Longest label on the page, characters."""


def features(
    ranks: Mapping[str, Sequence[Ranked]], groups: Sequence[Group], pictures: Mapping[str, str]
) -> Iterator[str]:
    """The section; nothing without features."""
    if not ranks:
        return
    yield heading("Features", "by-feature")
    yield from _ends(dict(list(ranks.items())[:MOST_COLUMNS]), left=len(ranks) - MOST_COLUMNS)
    if groups:
        yield _by_sae(groups, list(ranks))
    if "features" in pictures:
        yield pictures["features"]


def _ends(ranks: Mapping[str, Sequence[Ranked]], left: int) -> Iterator[str]:
    shrunk = any(r.level is not None for of in ranks.values() for r in of)
    order = "by shrunken mean" if shrunk else "by mean"
    more = f" {many(left, 'further method')}: tables/features.csv." if left > 0 else ""
    for kind, words in (("best", "most"), ("worst", "least")):
        columns = [end_of(of, kind) for of in ranks.values()]
        rows = [
            [
                str(place + 1),
                *(_cell(column[place]) if place < len(column) else "" for column in columns),
            ]
            for place in range(max(len(column) for column in columns))
        ]
        if rows:
            caption = (
                f"<b>Table #.</b> Features in whose labels listeners were {words} confident, "
                f"{order}: the label that the method ranks first, the mean and the number of "
                f"ratings. The ends of a list of few ratings each are partly chance.{more}"
            )
            yield html_table(caption, ["", *(escape(m) for m in ranks)], rows, "labels")


def end_of(of: Sequence[Ranked], kind: str) -> Sequence[Ranked]:
    """The best or the worst features, at most ten, none of them both."""
    if kind == "best":
        return of[: min(MOST, -(-len(of) // 2))]
    return of[::-1][: min(MOST, len(of) // 2)]


def _cell(feature: Ranked) -> str:
    text = feature.label if len(feature.label) <= MOST_SHOWN else f"{feature.label[:MOST_SHOWN]}…"
    name = escape(text or feature.feature)
    if feature.page:
        name = f'<a href="{escape(feature.page)}" target="_blank" rel="noopener">{name}</a>'
    under = f"{number(feature.mean)} · n {feature.n} · {escape(feature.feature)}"
    return f'{name}<span class="under why">{under}</span>'


def _by_sae(groups: Sequence[Group], methods: Sequence[str]) -> str:
    shown = methods[:MOST_COLUMNS]
    rows = [
        [
            f'{escape(group.sae)}<span class="under why">{escape(group.hookpoint)}</span>',
            *(stacked(group.means[m]) if m in group.means else "—" for m in shown),
        ]
        for group in groups
    ]
    caption = (
        "<b>Table #.</b> Mean confidence by SAE and layer, with 95 % intervals. No test compares "
        "SAEs: which features were drawn from each depends on what it kept."
    )
    return html_table(caption, ["", *(escape(m) for m in shown)], rows)
