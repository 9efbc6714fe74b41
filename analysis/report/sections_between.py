"""The section on differences between methods: estimates, tests, and other clusterings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.estimates.hypothesis_tests import CONFIRMATORY
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
MAIN = (
    "difference_identification_corrected",
    "difference_mean_confidence",
    "difference_share_at_least_4",
    "difference_share_first_label",
)
"""The rows of each comparison outside the appendix."""
CAPTIONS = {
    "difference_share_at_least_4": "; differences of shares are in percentage points",
    "superiority_ratings": ". Superiority is how often a rating of the first method is above one "
    "of the second",
    "clmm_logit_effect": ". The mixed model is one model of all methods; its difference is on the "
    "latent scale",
}
"""What the caption says of a row, if the row is there."""
RESAMPLED = "by both, resampled"
MOST_PAIRS = 6
"""With more comparisons than this the page shows only the main rows of each."""


def confirmatory(summary: Summary) -> Iterator[str]:
    """The tests that were named beforehand, apart from all others; nothing with a single method."""
    if len(summary.methods) < 2 and not summary.confirmatory:
        return
    yield heading("Confirmatory results", "confirmatory")
    tests = summary.confirmatory
    if not tests:
        yield paragraph("There is no confirmatory test: every result below is exploratory.")
        return
    found = summary.recommended
    rows = [[_tested(t), _estimate(found.get((t.name, t.method))), *_p_values(t)] for t in tests]
    by = "named by the plan" if _planned(summary) else "by this program’s default"
    caption = (
        f"<b>Table #.</b> The confirmatory tests ({_counted(tests)}, {by}), adjusted together by "
        "Holm’s method. A null hypothesis is rejected where the adjusted p is below "
        f"{1 - summary.level:.2f}."
        + (
            " Adjusted p-values and intervals take account of all planned looks."
            if summary.look
            else ""
        )
    )
    yield html_table(caption, ["comparison, null hypothesis", "estimate", "p", "adjusted p"], rows)


def _tested(t: HypothesisTest) -> str:
    """What a confirmatory test compares, its null hypothesis, and how it was made."""
    how = [escape(t.note)] if t.note else []
    if t.statistic is not None:
        df = f", {number(t.df, 1)} df" if t.df is not None else ""
        how.append(f"statistic {number(t.statistic)}{df}")
    lines = [first_up(t.label), "; ".join(how) if t.p is not None else first_up(t.reason)]
    return f"<b>{escape(t.method)}</b>" + "".join(
        f'<span class="under why">{line}</span>' for line in lines if line
    )


def _p_values(t: HypothesisTest) -> list[str]:
    if t.p is None or t.p_adjusted is None:
        return ["not made", ""]
    return [p_value(t.p), p_value(t.p_adjusted)]


def _estimate(e: Estimate | None) -> str:
    if e is None or e.value is None:
        return "—"
    return f'<span class="value">{value(e)}</span><span class="under">{interval(e)}</span>'


def differences(summary: Summary, pictures: dict[str, str]) -> Iterator[str]:
    """The main differences of each comparison; nothing without a comparison."""
    found = _found(summary)
    if not found:
        return
    yield heading("Difference between methods", "differences", 3)
    yield _differences([e for e in found if e.name in MAIN], _names(summary))
    if "differences" in pictures:
        yield pictures["differences"]


def every_difference(summary: Summary) -> Iterator[str]:
    """The appendix: every difference, the exploratory tests, and other clusterings."""
    found = _found(summary)
    if not found:
        return
    yield heading("Every difference and exploratory test", "every-difference", 3)
    yield _differences(found, _names(summary))
    yield from _tests(summary.tests, _names(summary))
    yield from _clusterings(summary)


def _names(summary: Summary) -> list[str]:
    return [f"{a} − {b}" for a, b in summary.comparisons]


def _found(summary: Summary) -> list[Estimate]:
    """Every difference, by comparison."""
    names = _names(summary)
    found = [e for e in summary.estimates if e.name in BETWEEN and e.recommended]
    return sorted(found, key=lambda e: (names.index(e.method), BETWEEN.index(e.name)))


def _differences(found: Sequence[Estimate], names: Sequence[str]) -> str:
    one = len(names) == 1
    shown = [e for e in found if len(names) <= MOST_PAIRS or e.name in MAIN[:2]]
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


def _tests(tests: Sequence[HypothesisTest], names: Sequence[str]) -> Iterator[str]:
    # Tests of all methods together have sections of their own.
    shown = [t for t in tests if t.family != CONFIRMATORY and t.method in names]
    if not shown or len(names) > MOST_PAIRS:
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
        "<b>Table #.</b> Exploratory tests, with the null hypothesis in the first column, adjusted "
        "over all comparisons by Benjamini and Hochberg’s method."
    )
    yield html_table(caption, ["", "statistic", "p", "adjusted p"], rows)


def _planned(summary: Summary) -> bool:
    named = any(summary.plan.get(key) for key in ("comparisons", "confirmatory"))
    return named and summary.plan_fixed != "after"


def _counted(tests: Sequence[HypothesisTest]) -> str:
    return f"{sum(t.p is not None for t in tests)} in the family"


def _small(t: HypothesisTest) -> str:
    return f'<span class="under why">{escape(t.note)}</span>' if t.note else ""


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
    yield heading("The same numbers under other clusterings", "clusterings", 4)
    yield paragraph(
        "The interval recommended for this design is in bold: by participant if each feature was "
        "rated once, by both if features were rated more than once."
    )
    head = ["", *(f"by {escape(way)}" if "bootstrap" not in way else RESAMPLED for way in ways)]
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
