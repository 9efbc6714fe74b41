"""The section on differences between methods: estimates, tests, and other clusterings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.estimates.results import Estimate, HypothesisTest, Summary
from analysis.report.cells import first_up, stacked
from analysis.report.page import heading, html_table, paragraph
from analysis.report.text import escape, interval, number, p_value, value

BETWEEN = (
    "difference_identification_corrected",
    "difference_identification_paired",
    "difference_mean_confidence",
    "difference_paired_by_feature",
    "difference_share_at_least_4",
    "difference_share_equal_5",
    "logistic_identification_effect",
    "difference_share_first_label",
    "logistic_first_label_effect",
    "superiority_ratings",
    "cliffs_delta_ratings",
    "superiority_participant_means",
    "cliffs_delta_participant_means",
    "clmm_logit_effect",
    "clmm_probit_effect",
    "difference_clmm_mean_confidence",
    "difference_clmm_share_at_least_4",
)
MAIN = ("difference_identification_corrected", "difference_mean_confidence")
"""The rows of each comparison that the page shows even with many of them."""
CAPTIONS = {
    "difference_share_at_least_4": "; differences of shares are in percentage points",
    "superiority_ratings": ". Superiority is how often a rating of the first method is above one "
    "of the second",
    "clmm_logit_effect": ". The mixed model is one model of all methods; its difference is on the "
    "latent scale",
}
"""What the caption says of a row, if the row is there."""
MOST_PAIRS = 6
"""With more comparisons than this the page shows only the main rows of each."""


def between(summary: Summary, pictures: dict[str, str]) -> Iterator[str]:
    """The section; nothing if there is only one method."""
    found = [e for e in summary.estimates if e.name in BETWEEN and e.recommended]
    if not found:
        return
    names = [f"{a} − {b}" for a, b in summary.comparisons]
    found.sort(key=lambda e: (names.index(e.method), BETWEEN.index(e.name)))
    yield heading("Difference between methods", "differences")
    yield _differences(found, names)
    if "differences" in pictures:
        yield pictures["differences"]
    yield from _tests(summary.tests, names, _planned(summary))
    yield from _clusterings(summary)


def _differences(found: Sequence[Estimate], names: Sequence[str]) -> str:
    one = len(names) == 1
    shown = [e for e in found if len(names) <= MOST_PAIRS or e.name in MAIN]
    rows = [
        [first_up(e.label) if one else f"{escape(e.method)}: {escape(e.label)}", stacked(e)]
        for e in shown
    ]
    there = {e.name for e in shown if e.value is not None}
    caption = (
        "<b>Table #.</b> Differences, the first method minus the second, with 95 % intervals"
        + "".join(text for name, text in CAPTIONS.items() if name in there)
        + "."
        + (f" Here {escape(names[0])}." if one else "")
    )
    return html_table(caption, ["", "difference"], rows)


def _tests(tests: Sequence[HypothesisTest], names: Sequence[str], planned: bool) -> Iterator[str]:
    shown = [t for t in tests if len(names) <= MOST_PAIRS or t.family == "confirmatory"]
    if not shown:
        return
    one = len(names) == 1
    rows = [
        [
            (first_up(t.label) if one else f"{escape(t.method)}: {escape(t.label)}") + _small(t),
            *_numbers(t),
        ]
        for t in shown
    ]
    caption = (
        "<b>Table #.</b> Tests, with the null hypothesis in the first column. The confirmatory "
        f"tests ({_counted(tests)}, "
        + ("named by the plan" if planned else "by this program’s default")
        + ") are adjusted by Holm’s method, the exploratory ones by Benjamini and Hochberg’s, both "
        "over all comparisons."
    )
    yield html_table(caption, ["", "statistic", "p", "adjusted p"], rows)


def _planned(summary: Summary) -> bool:
    named = any(summary.plan.get(key) for key in ("comparisons", "confirmatory"))
    return named and summary.plan_fixed != "after"


def _counted(tests: Sequence[HypothesisTest]) -> str:
    return f"{sum(t.family == 'confirmatory' and t.p is not None for t in tests)} in the family"


def _small(t: HypothesisTest) -> str:
    words = ", ".join(part for part in (t.family, escape(t.note)) if part)
    return f'<span class="under why">{words}</span>'


def _numbers(t: HypothesisTest) -> list[str]:
    if t.p is None or t.p_adjusted is None:
        return [first_up(t.reason), "", ""]
    degrees = f'<span class="under">{number(t.df, 1)} df</span>' if t.df is not None else ""
    statistic = "—" if t.statistic is None else f"{number(t.statistic)}{degrees}"
    return [statistic, p_value(t.p), p_value(t.p_adjusted)]


def _clusterings(summary: Summary) -> Iterator[str]:
    """The same values under each kind of clustering, with the recommended one marked."""
    names = ("mean_confidence", "share_at_least_4", "difference_mean_confidence")
    ways = list(
        dict.fromkeys(
            e.clustered_by for e in summary.estimates if e.name in names and e.clustered_by
        )
    )
    keys = list(dict.fromkeys((e.name, e.method) for e in summary.estimates if e.name in names))
    if len(summary.methods) > MOST_PAIRS:
        return
    found = {(e.name, e.method, e.clustered_by): e for e in summary.estimates}
    rows = []
    for name, method in keys:
        cells = [found.get((name, method, way)) for way in ways]
        first = next(e for e in cells if e is not None)
        rows.append(
            [
                f"{escape(method)}: {escape(first.label)}<br>{value(first)}",
                *(_clustered(e) for e in cells),
            ]
        )
    yield heading("The same numbers under other clusterings", "clusterings", 3)
    yield paragraph(
        "The interval recommended for this design is in bold: by participant if each feature was "
        "rated once, by both if features were rated more than once."
    )
    head = ["", *(f"by {escape(way)}" if "bootstrap" not in way else "pigeonhole" for way in ways)]
    yield html_table(
        "<b>Table #.</b> Intervals, by the unit that is taken as independent.", head, rows
    )


def _clustered(e: Estimate | None) -> str:
    if e is None:
        return "—"
    if e.low is None:
        return f'<span class="under why">{escape(e.reason)}</span>'
    text = f'<span class="value">{interval(e)}</span>'
    return f"<b>{text}</b>" if e.recommended else text
