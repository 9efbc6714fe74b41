"""The sections on pairs and on intruder trials, and what the lead says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from analysis.estimates.hypothesis_tests import EXPLORATORY
from analysis.estimates.results import Estimate, Summary
from analysis.pairs.describe import PairResults
from analysis.pairs.intruders import ALL_FEATURES
from analysis.pairs.trials import sides_of
from analysis.reading.plan import PAIR_KINDS
from analysis.report.cells import per_method_table, with_interval
from analysis.report.page import heading, html_table, paragraph
from analysis.report.sections_verdict import of_family
from analysis.report.text import escape, p_value, percent

LED = PAIR_KINDS[:3]
"""The comparisons that the lead tells."""
INTRUDER = (
    "intruder_accuracy",
    "intruder_chance",
    "intruder_corrected",
    "intruder_d_prime",
    "intruder_clap_sound",
    "spearman_intruder_sound",
    "spearman_intruder_sound_corrected",
    "intruder_clap",
    "spearman_intruder",
    "spearman_intruder_corrected",
)


def lead(summary: Summary, results: PairResults, *, whole: bool) -> Iterator[str]:
    """What pairs and intruder trials show, in a paragraph each.

    `whole`: whether no other paragraph tells the confirmatory family.
    """
    found = {(e.name, e.method): e for e in results.estimates if e.recommended}
    said = [text for method in results.methods for text in _said(found, method)]
    if said and whole and summary.confirmatory:
        said.append(of_family(summary.confirmatory, summary.recommended, 1 - summary.level))
    if said:
        opening = "Listeners heard two clips and said which has more of what the label says."
        yield paragraph(" ".join([opening, *said]), "lead")
    accuracy = found.get(("intruder_accuracy", ALL_FEATURES))
    if accuracy is not None:
        yield paragraph(_intruder(accuracy, found["intruder_chance", ALL_FEATURES]), "lead")


def _said(found: dict[tuple[str, str], Estimate], method: str) -> Iterator[str]:
    told = [(kind, found[kind, method]) for kind in LED if (kind, method) in found]
    if not told:
        return
    parts = [f"over {sides_of(kind)[1]} in {with_interval(e)} of choices" for kind, e in told]
    yield (
        f"With <b>{escape(method)}</b>’s labels they chose {sides_of(told[0][0])[0]} "
        f"{', '.join(parts)}, where 50 % is no difference."
    )


def _intruder(accuracy: Estimate, chance: Estimate) -> str:
    by_chance = (
        "" if chance.value is None else f", where random choice gives {percent(chance.value)}"
    )
    return (
        "Listeners found the clip in which the feature does not fire in "
        f"{with_interval(accuracy)} of intruder trials{by_chance}."
    )


def sections(
    summary: Summary, results: PairResults, pictures: dict[str, str], rank: int
) -> Iterator[str]:
    """Both sections; nothing without pairs and intruder trials."""
    yield from _pairs(summary, results, pictures, rank)
    yield from _intruders(summary, results, rank)


def _pairs(
    summary: Summary, results: PairResults, pictures: dict[str, str], rank: int
) -> Iterator[str]:
    if not results.methods:
        return
    own = dataclasses.replace(summary, methods=results.methods, estimates=tuple(results.estimates))
    names = list(dict.fromkeys(e.name for e in results.estimates))
    yield heading("Pairs: which of two clips has more of the label", "pairs", rank)
    yield paragraph(
        "Both clips of a pair come from the same seed. 50 % is what listeners give who hear no "
        "difference. “No difference” is no choice: it is shown as a share of its own, and counted "
        "as half a choice of each clip in the second row of a comparison."
    )
    if results.unnamed:
        yield paragraph(
            f"{results.unnamed} pairs compare two clips of one kind, such as two interventions. "
            "They have no share of their own; their answers are in the strengths."
        )
    shares = [name for name in names if name.startswith(PAIR_KINDS) and "_at_" not in name]
    yield _table(own, "Choices between two clips, with 95 % intervals.", [*shares, *CHECKS])
    yield from _tests(summary)
    yield from _doses(own, names, pictures)
    yield from _strengths(own, names, pictures)


def _tests(summary: Summary) -> Iterator[str]:
    """The tests within pairs that are not confirmatory."""
    rows = [
        [
            f"{escape(t.method)}: {escape(t.label)}",
            p_value(t.p) if t.p is not None else escape(t.reason),
            "" if t.p_adjusted is None else p_value(t.p_adjusted),
        ]
        for t in summary.tests
        if t.name in PAIR_KINDS and t.family == EXPLORATORY
    ]
    if rows:
        caption = (
            "<b>Table #.</b> Exploratory tests of pairs, with the null hypothesis in the first "
            "column, adjusted by Benjamini and Hochberg’s method."
        )
        yield html_table(caption, ["", "p", "adjusted p"], rows)


CHECKS = ("pair_first_clip", "pair_clap_agrees", "pair_repeat_same_choice")


def _doses(own: Summary, names: Sequence[str], pictures: dict[str, str]) -> Iterator[str]:
    doses = [name for name in names if "_at_" in name]
    if doses:
        yield _table(own, "The same by intervention and dose.", doses)
    if "doses" in pictures:
        yield pictures["doses"]
    model = [name for name in names if name.startswith(MODEL)]
    if model:
        yield _table(
            own,
            "Dose–response by a mixed logistic model with random listeners and features. A slope "
            "of 0.5 means that one unit of α more multiplies the odds of choosing the clip by "
            "1.65. <code>dose_models.R</code> recomputes it with R’s lme4.",
            model,
        )


MODEL = ("pair_slope_", "pair_bias_", "pair_sd_")


def _strengths(own: Summary, names: Sequence[str], pictures: dict[str, str]) -> Iterator[str]:
    shown = [name for name in names if name.startswith("pair_strength_")]
    if not shown:
        return
    if "strengths" in pictures:
        yield pictures["strengths"]
    yield _table(
        own,
        "Bradley–Terry log-strengths over all pairs together, ties by Davidson’s model.",
        [*shown, "pair_ties"],
    )


def _table(own: Summary, caption: str, names: Sequence[str]) -> str:
    return per_method_table(own, f"<b>Table #.</b> {caption}", names, few=len(names))


def _intruders(summary: Summary, results: PairResults, rank: int) -> Iterator[str]:
    own = dataclasses.replace(summary, methods=(ALL_FEATURES,), estimates=tuple(results.estimates))
    shown = _table(
        own,
        "Intruder trials. No label is involved: the numbers are of the features, not of a method. "
        "CLAP’s own choice is by sound, where the export has it, and by the features’ labels.",
        INTRUDER,
    )
    if shown:
        yield heading("Intruders: the clip in which the feature does not fire", "intruders", rank)
        yield shown
        yield paragraph("Each feature is in <code>tables/intruders.csv</code>.", "quiet")
