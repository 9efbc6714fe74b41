"""The report's page, in the order in which a reader needs it.

The lead, then the confirmatory results, then the exploratory ones, then who took part, the plan and
a methods section to paste; all that is left is an appendix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.report.about.computed import computed, every_estimate
from analysis.report.about.data import data
from analysis.report.about.features import features
from analysis.report.about.head import opening, with_contents
from analysis.report.about.participants import participants
from analysis.report.about.paste import paste
from analysis.report.analyse import Analysis
from analysis.report.cells import per_method_table
from analysis.report.figures import Figure
from analysis.report.latent_scale.assumptions import assumptions, omnibus
from analysis.report.latent_scale.levels import latent_levels
from analysis.report.latent_scale.moderators import moderators
from analysis.report.page import figure, heading, numbered, paragraph
from analysis.report.sections_between import (
    confirmatory,
    differences,
    every_difference,
)
from analysis.report.sections_listeners import agreement, choices, machine
from analysis.report.sections_model import joint_model
from analysis.report.sections_plan import plan
from analysis.report.sections_quality import quality
from analysis.report.sections_words import words
from analysis.report.trial_kinds.sections import lead, sections

PER_METHOD = (
    "mean_confidence",
    "sd_confidence",
    "share_at_least_4",
    "share_equal_5",
    "share_equal_4",
    "share_equal_3",
    "share_equal_2",
    "share_equal_1",
    "share_feature_means_at_least_4",
    "share_feature_means_above_4",
    "share_feature_levels_at_least_4",
    "share_participant_means_at_least_4",
    "share_participant_means_above_4",
)
MAIN = (
    "identification_accuracy",
    "identification_chance",
    "identification_corrected",
    "mean_confidence",
    "share_at_least_4",
    "share_first_label",
    "share_first_label_chance",
    "share_none_of_these",
    "share_label_at_least_4",
)
"""The rows of the first table; all others are in the appendix."""


def report(analysis: Analysis, drawings: Sequence[Figure]) -> tuple[str, list[str]]:
    """The page's title and its HTML parts."""
    summary, pictures = analysis.summary, {d.name: figure(d) for d in drawings}
    body = "\n".join(
        [
            *opening(summary, lead(summary, analysis.of_kinds, whole=not summary.comparisons)),
            *confirmatory(summary),
            *_exploratory(analysis, pictures),
            *participants(summary),
            *plan(summary),
            *paste(summary),
            *_appendix(analysis, pictures),
        ]
    )
    for kind in ("Table", "Figure"):
        body = numbered(body, kind)
    title = summary.study.title or summary.table
    return f"Results: {title}", [with_contents(body)]


def _exploratory(analysis: Analysis, pictures: dict[str, str]) -> Iterator[str]:
    summary = analysis.summary
    yield heading("Exploratory results", "exploratory")
    yield paragraph(
        "What follows describes these data. No test was named for it beforehand, and of many such "
        "numbers some look large by chance.",
        "quiet",
    )
    yield heading("Confidence by method", "confidence", 3)
    yield per_method_table(
        summary,
        "<b>Table #.</b> Each method’s ratings and choices. In brackets, 95 % intervals; counts "
        "below.",
        MAIN,
    )
    yield from (pictures[name] for name in ("distribution", "means") if name in pictures)
    yield from differences(summary, pictures)
    yield from features(analysis.ranks, analysis.groups, pictures)
    yield from sections(summary, analysis.of_kinds, pictures, rank=3)


def _appendix(analysis: Analysis, pictures: dict[str, str]) -> Iterator[str]:
    summary = analysis.summary
    yield heading("Appendix", "appendix")
    yield from data(summary)
    yield heading("Ratings by method", "ratings", 3)
    yield per_method_table(summary, "<b>Table #.</b> Every row of the ratings.", PER_METHOD)
    yield from every_difference(summary)
    yield from joint_model(summary)
    yield from omnibus(summary)
    yield from assumptions(summary, pictures)
    yield from moderators(summary)
    yield from latent_levels(pictures)
    yield from choices(summary, pictures)
    yield from agreement(summary)
    yield from machine(summary, pictures)
    yield from words(summary, analysis.own)
    yield from quality(summary, analysis.straight_line)
    yield from computed(summary)
    yield from every_estimate(summary)
