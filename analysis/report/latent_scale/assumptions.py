"""The joint model's test of all methods, and the checks of its assumptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analysis.estimates.results import HypothesisTest, Summary
from analysis.models.checks import CHECK, OMNIBUS, RATIO
from analysis.report.cells import first_up, stacked
from analysis.report.page import heading, html_table, paragraph
from analysis.report.text import escape, number, p_value, value

MOST_RATIOS = 6
"""With more comparisons than this the ratios of spreads are in the files only."""


def omnibus(summary: Summary) -> Iterator[str]:
    """The test of all methods together, in a sentence; nothing with two methods."""
    for t in summary.tests:
        if t.name == OMNIBUS and t.p is not None and t.statistic is not None:
            yield paragraph(
                f"All {len(summary.methods)} methods together, {escape(t.label)}: "
                f"{escape(t.note).replace('F with', f'F = {number(t.statistic)} with')}, "
                f"p {p_value(t.p)} (exploratory)."
            )


def assumptions(summary: Summary, pictures: Mapping[str, str]) -> Iterator[str]:
    """The checks with their figure; nothing where no joint model was fitted."""
    checks = [t for t in summary.tests if t.family == CHECK]
    if not checks:
        return
    yield heading("Does the model’s picture of a method hold?", "assumptions", 3)
    yield paragraph(
        "The joint model moves the latent scale by one amount for each method, and gives all "
        "methods the same noise. Each assumption is set against a larger model with the same "
        "random effects, with thresholds or with a scale for each method. Neighbouring ratings are "
        "merged until each method has five in every category. This describes, and tests nothing: "
        "listeners who each use the scale in their own way make the larger models look better than "
        "they are, so no p-value is given. Tests of means and shares do not rest on these "
        "assumptions."
    )
    rows = [[first_up(t.label), *_numbers(t)] for t in checks]
    caption = (
        "<b>Table #.</b> Likelihood ratios of the larger models: twice the gain in log-likelihood "
        "over the joint model, beside the number of parameters added, which is about what they "
        "gain where the assumption holds."
    )
    yield html_table(caption, ["assumption", "gain", "parameters"], rows)
    if "cuts" in pictures:
        yield pictures["cuts"]
    yield from _ratios(summary)


def _numbers(t: HypothesisTest) -> list[str]:
    if t.statistic is None or t.df is None:
        return [f"Not estimable: {escape(t.reason)}", ""]
    return [number(t.statistic), f"{t.df:g}"]


def _ratios(summary: Summary) -> Iterator[str]:
    found = [e for e in summary.estimates if e.name == RATIO]
    if not 0 < len(found) <= MOST_RATIOS:
        return
    rows = [[escape(e.method), stacked(e) if e.value is None else value(e)] for e in found]
    caption = (
        "<b>Table #.</b> Ratio of the spreads of ratings around a method’s level on the latent "
        "scale, the first method’s over the second’s; 1: equally noisy. Without intervals, which "
        "would be too narrow for the reason above."
    )
    yield html_table(caption, ["", "ratio"], rows)
