"""The report's page from a `Summary`, written like the results section of a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from analysis.estimates.results import Estimate, Summary
from analysis.listeners.free_text import OwnWords
from analysis.reading.plan import DEFAULT_TEST
from analysis.reading.quality import STRAIGHT_LINE
from analysis.report.cells import MOST_COLUMNS, first_up, many, per_method_table, with_interval
from analysis.report.figures import Figure
from analysis.report.page import bullets, figure, heading, html_table, paragraph
from analysis.report.sections_between import between
from analysis.report.sections_lead import judges_accuracy, recognition
from analysis.report.sections_listeners import agreement, choices, machine
from analysis.report.sections_model import joint_model
from analysis.report.sections_plan import plan
from analysis.report.sections_quality import quality
from analysis.report.sections_verdict import exploratory, family_of, verdict
from analysis.report.sections_words import words
from analysis.report.text import escape, interval, value

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


def report(
    summary: Summary,
    drawings: Sequence[Figure],
    own: OwnWords | None = None,
    line: float = STRAIGHT_LINE,
) -> tuple[str, list[str]]:
    """The page's title and its HTML parts; `line` is the study's length of a straight line."""
    pictures = {d.name: figure(d) for d in drawings}
    body = "\n".join(
        [
            *_opening(summary),
            *_data(summary),
            *plan(summary),
            *_confidence(summary, pictures),
            *between(summary, pictures),
            *joint_model(summary),
            *choices(summary, pictures),
            *agreement(summary),
            *machine(summary, pictures),
            *words(summary, own),
            *quality(summary, line),
            *_methods_text(summary),
            *_every_estimate(summary),
        ]
    )
    for kind in ("Table", "Figure"):
        body = _numbered(body, kind)
    return f"Results: {summary.table}", [body]


def _numbered(body: str, kind: str) -> str:
    """Put the numbers of tables or figures in, in the order of the page."""
    numbers = count(1)
    return re.sub(f"<b>{kind} #", lambda _: f"<b>{kind} {next(numbers)}", body)


def _opening(summary: Summary) -> Iterator[str]:
    yield "<header><h1>Listeners’ answers to the labels</h1>"
    facts = summary.accounting
    yield paragraph(
        f"Results of {escape(summary.table)}: {many(facts['n_ratings'], 'rating')} by "
        f"{many(facts['n_participants'], 'participant')} of "
        f"{many(facts['n_features'], 'feature')} under {many(len(summary.methods), 'method')}.",
        "quiet",
    )
    yield "</header>"
    for warning in summary.warnings:
        yield paragraph(f"<strong>{escape(warning)}</strong>", "warning")
    yield from recognition(summary)
    yield paragraph(_headline(summary), "lead")


def _headline(summary: Summary) -> str:
    means = [summary.find("mean_confidence", method) for method in summary.methods]
    if len(means) <= MOST_COLUMNS:
        said = "; ".join(f"{with_interval(e)} for <b>{escape(e.method)}</b>" for e in means)
        text = f"Mean confidence that the chosen label fits, from 1 to 5, was {said}."
    else:
        ranked = sorted(means, key=lambda e: -(e.value or 0))
        text = (
            f"Mean confidence runs from {with_interval(ranked[-1])} for "
            f"<b>{escape(ranked[-1].method)}</b> to {with_interval(ranked[0])} for "
            f"<b>{escape(ranked[0].method)}</b>."
        )
    if judges_accuracy(summary):
        # The verdict of the whole family stands above, with accuracy.
        judged = DEFAULT_TEST in {t.name for t in family_of(summary)}
        said = "" if judged else exploratory(summary)
    else:
        said = verdict(summary)
    return f"{text} {said}".strip()


def _data(summary: Summary) -> Iterator[str]:
    facts = summary.accounting
    yield heading("Data", "data")
    kinds = ", ".join(f"{n} {escape(kind)}" for kind, n in facts["rows_by_kind"].items())
    only = ", ".join(facts["statuses"])
    yield paragraph(
        f"The table holds {many(facts['n_rows'], 'response')} ({kinds}). Only main trials enter "
        f"the estimates, and only of participations with status {escape(only)}."
    )
    left_out = [
        f"{escape(status)}: {many(people, 'participation')}, {many(rows, 'main response')}"
        for status, (people, rows) in facts["left_out_by_status"].items()
    ]
    if left_out:
        yield paragraph("Not counted because of the participation’s status:")
        yield bullets(left_out)
    if facts["n_without_confidence"]:
        n = facts["n_without_confidence"]
        yield paragraph(f"{many(n, 'main response')} without a confidence: not counted.")
    if facts["n_second_ratings"]:
        n = facts["n_second_ratings"]
        yield paragraph(
            f"{many(n, 'main response')} on a feature that the same participant had already rated "
            "under the same method: not counted; the first answer is."
        )
    yield _by_method(facts["by_method"])
    if summary.notes:
        yield bullets(escape(note) for note in summary.notes)


ENTERED = {
    "participations": "participations with an answer",
    "not_counted": "of these, not counted because of their status",
    "responses": "main responses of those counted",
    "without_confidence": "of these, without a confidence",
}
"""The rows of the table of what entered, by method."""


def _by_method(entered: Mapping[str, Mapping[str, int]]) -> str:
    """Attrition and missing confidence by method; empty where nothing is missing."""
    if not any(e["not_counted"] or e["without_confidence"] for e in entered.values()):
        return ""
    rows = [
        [first_up(text), *(str(e[key]) for e in entered.values())] for key, text in ENTERED.items()
    ]
    caption = (
        "<b>Table #.</b> What entered, by method. If one method loses more listeners or answers "
        "than another, those that remain may differ. Participations that left before their first "
        "answer are not in the table."
    )
    return html_table(caption, ["", *(escape(m) for m in entered)], rows)


def _confidence(summary: Summary, pictures: dict[str, str]) -> Iterator[str]:
    yield heading("Confidence by method", "confidence")
    yield per_method_table(
        summary,
        "<b>Table #.</b> Each method’s ratings. In brackets, 95 % intervals; counts below.",
        PER_METHOD,
    )
    shown = ("distribution", "means", "features")
    yield from (pictures[name] for name in shown if name in pictures)


def _methods_text(summary: Summary) -> Iterator[str]:
    yield heading("How it was computed", "methods")
    yield paragraph(
        "Ratings of one listener resemble each other, and so do ratings of one feature, so ratings "
        "are not independent. Where each feature was rated once, intervals take the participant as "
        "the unit; where features were rated more than once, participants and features both "
        "(two-way standard error of Cameron, Gelbach and Miller); differences paired by feature "
        "always both. Several studies or versions are strata: differences are weighted means of "
        "those within each. Means: Student’s t on the logit "
        "of (mean − 1)/4, with the clustered standard error by the delta method. Differences of "
        "means: Student’s t on the clustered standard error. Shares: Wilson’s interval on the "
        "effective number of ratings. Where all ratings of a method are at one end of the scale, "
        "limits are exact. These were chosen by measured coverage. A test or an "
        "interval that was measured to miss its error rate in designs like this one is absent, "
        "with the reason in its place. The column <i>interval</i> below "
        "names the kind of each interval."
    )
    yield paragraph(_tests_text(summary))
    yield paragraph(
        "A share of feature means or participant means counts features or participants, not "
        "ratings; “≥ 4” and “&gt; 4” are never mixed. Intervals describe features and listeners "
        "like these, not other corpora; those of consensus hold for these listeners only."
    )
    versions = ", ".join(f"{escape(name)} {escape(v)}" for name, v in summary.versions.items())
    yield paragraph(
        f"Seed {summary.seed}. {versions}. SHA-256 of the table: "
        f"<code>{summary.table_sha256}</code>.",
        "quiet",
    )


def _tests_text(summary: Summary) -> str:
    """How methods were compared: only the tests that were made."""
    made = {t.name for t in summary.tests if t.p is not None}
    parts = {
        "difference_mean_confidence": "the difference in means by Student’s t on the recommended "
        "clustered standard error",
        "difference_paired_by_feature": "the same paired by feature, where both methods have it",
        "superiority_ratings": "the probability of superiority by its placements, clustered "
        "likewise",
        "permutation_participant_means": "participants’ means by a permutation test of Welch’s t",
        "sign_flip_participant_means": "participants’ own differences by flipping their signs",
        "welch_participant_means": "by Welch’s test",
        "brunner_munzel_participant_means": "and by Brunner and Munzel’s",
        "difference_identification_corrected": "accuracy corrected for chance by Student’s t on "
        "the recommended clustered standard error",
        "difference_share_first_label": "the share of first labels likewise",
        "logistic_identification_wald": "right choices by a mixed logistic model whose floor is "
        "the share expected under random choice, which <code>choice_models.R</code> recomputes "
        "with R’s lme4",
        "logistic_first_label_wald": "first labels by a mixed logistic model",
        "equivalence_mean_confidence": "equivalence by two one-sided tests",
        "clmm_logit_wald": "one cumulative link mixed model of all methods, with random "
        "participants, features and their interactions with the method as far as the design allows "
        "them, by Laplace’s approximation (adaptive "
        "Gauss–Hermite quadrature of ten points where there is one random effect), which "
        "<code>mixed_models.R</code> recomputes with R’s ordinal",
    }
    done = [text for name, text in parts.items() if name in made]
    return f"Methods were compared by {'; '.join(done)}." if done else "No methods were compared."


def _every_estimate(summary: Summary) -> Iterator[str]:
    yield heading("Every estimate", "estimates")
    yield "<details><summary>All values with their intervals and counts</summary>"
    rows = [
        [
            f"{escape(e.method)}: {escape(e.label)}",
            _short_value(e),
            escape(e.interval),
            str(e.n_ratings),
            str(e.n_participants),
            str(e.n_features),
        ]
        for e in summary.estimates
    ]
    head = ["", "value", "interval", "ratings", "participants", "features"]
    yield html_table("The same as <code>estimates.csv</code>, rounded.", head, rows)
    yield "</details>"


def _short_value(e: Estimate) -> str:
    if e.value is None:
        return f"{value(e)}: {escape(e.reason)}"
    return f'{value(e)}<span class="under">{interval(e)}</span>'
