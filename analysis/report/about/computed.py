"""The appendix's sections on how everything was computed, and the list of every estimate."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.estimates.results import Estimate, Summary
from analysis.models.rscript_confirmatory import in_r
from analysis.report.page import heading, html_table, paragraph
from analysis.report.text import escape, interval, value


def computed(summary: Summary) -> Iterator[str]:
    """How intervals and tests were computed, and from what."""
    yield heading("How it was computed", "methods", 3)
    yield paragraph(
        "Ratings of one listener resemble each other, and so do ratings of one feature, so ratings "
        "are not independent. Where each feature was rated once, intervals take the participant as "
        "the unit; where features were rated more than once, participants and features both "
        "(two-way standard error of Cameron, Gelbach and Miller); differences paired by feature "
        "always both. Several studies or versions are strata: differences are weighted means of "
        "those within each. Means: Student’s t on the logit "
        "of (mean − 1)/4, with the clustered standard error by the delta method. Differences of "
        "means: Student’s t on the clustered standard error. Shares: Student’s t on the "
        "logit, with the jackknife’s standard error. Where all ratings of a method are at one end "
        "of the scale, limits are exact. These were chosen by measured coverage. A test or an "
        "interval that was measured to miss its error rate in designs like this one is absent, "
        "with the reason in its place. The column <i>interval</i> below "
        "names the kind of each interval."
    )
    yield paragraph(_tests_text(summary))
    yield from _in_r(summary)
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


def _in_r(summary: Summary) -> Iterator[str]:
    """Which scripts beside the report do the same in R."""
    said = []
    if in_r(summary):
        said.append(
            "<code>confirmatory_tests.R</code> recomputes confirmatory tests between methods in R."
        )
    if any(e.name == "clmm_logit_effect" and e.value is not None for e in summary.estimates):
        said.append(
            "<code>bayes_models.R</code> fits the ordinal model of all methods by Bayes with brms; "
            "its priors and its regions of practical equivalence are stated in it."
        )
    if said:
        yield paragraph(" ".join(said))


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


def every_estimate(summary: Summary) -> Iterator[str]:
    """A folded table of all of them."""
    yield heading("Every estimate", "estimates", 3)
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
