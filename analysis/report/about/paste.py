"""A methods section to paste into a paper, with the study's own numbers.

What no file knows stands in square brackets, for the author to fill in.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping

from analysis.estimates.results import Summary
from analysis.reading.population import ALL_SIMULATED
from analysis.report.about.participants import sentences
from analysis.report.cells import many
from analysis.report.page import heading, paragraph
from analysis.report.text import clean, escape, number

Section = tuple[str, str]
"""Heading, and text that is not escaped."""

POLICIES = {
    "candidates": "the method’s five best distinct labels for the feature",
    "identification": "the method’s best label for the feature, among four best labels for other "
    "features",
}
SELECTIONS = {
    "random": "drawn at random",
    "best": "taken, those with the highest {score},",
    "list": "chosen by the researchers",
}
CHECKS = {
    "huggins": "Huggins pitches",
    "antiphase": "tones in antiphase",
    "either": "Huggins pitches, or after a failure tones in antiphase",
    "both": "Huggins pitches and tones in antiphase",
}


def sections_of(summary: Summary) -> list[Section]:
    """Participants, materials, procedure and analysis."""
    return [
        ("Participants", " ".join(_participants(summary))),
        ("Materials", " ".join(_materials(summary))),
        ("Procedure", " ".join(_procedure(summary))),
        ("Analysis", " ".join(_analysis(summary))),
    ]


def paste(summary: Summary) -> Iterator[str]:
    """The section of the page."""
    yield heading("Methods section to paste", "paste")
    yield paragraph(
        "Filled in from the files of the study; square brackets mark what they do not say. The "
        "same text is in <code>methods.txt</code>, the main tables in <code>latex/</code>.",
        "quiet",
    )
    yield '<div class="paste">'
    for name, text in sections_of(summary):
        yield paragraph(f"<b>{name}.</b> {escape(text)}")
    yield "</div>"


def as_text(summary: Summary) -> str:
    """The same as plain text."""
    return "\n\n".join(f"{name}. {clean(text)}" for name, text in sections_of(summary)) + "\n"


def _participants(summary: Summary) -> Iterator[str]:
    if ALL_SIMULATED in summary.warnings:
        yield "[All participants were simulated listeners.]"
    if summary.sample.known:
        yield from (html.unescape(text) for text in sentences(summary.sample))
    else:
        n = summary.accounting["n_participants"]
        yield f"{many(n, 'participant')} entered the estimates. [Age, device, training.]"
    yield "[How they were recruited and paid.]"
    approval = summary.study.design.get("ethics_approval")
    yield f"Ethics approval: {approval}." if approval else "[Ethics approval.]"


def _materials(summary: Summary) -> Iterator[str]:
    study, facts = summary.study, summary.accounting
    design = study.design
    drawn = design.get("features_wanted")
    if drawn and study.eligible:
        how = SELECTIONS.get(str(design.get("selection") or "random"), "selected")
        yield (
            f"{drawn} features were {how.format(score=design.get('best_by') or 'score')} from "
            f"{study.eligible} eligible ones of {study.features_of_run} "
            "[of which model, layers and SAEs]."
        )
    else:
        yield f"{many(facts['n_features'], 'feature')} [of which model, layers and SAEs]."
    methods = ", ".join(summary.methods)
    yield f"Their labels came from {many(len(summary.methods), 'method')}: {methods}."
    loudness = design.get("loudness_lufs")
    matched = f", matched in loudness ({number(loudness, 0)} LUFS)" if loudness is not None else ""
    yield f"Each feature was heard as three of its strongest clips{matched}."
    if policy := POLICIES.get(str(design.get("option_policy"))):
        yield f"The options were {policy}."


def _procedure(summary: Summary) -> Iterator[str]:
    design = summary.study.design
    within = design.get("design") == "within"
    if design.get("design"):
        yield (
            "Every participant rated labels of all methods."
            if within
            else "Every participant rated labels of one method, assigned at random."
        )
    if trials := design.get("trials_per_participation"):
        added = [
            many(int(n), f"{kind} trial")
            for kind in ("practice", "catch", "repeat")
            if (n := design.get(f"{kind}_trials")) and _taken(design, kind)
        ]
        with_these = f", with {' and '.join(added)}" if added else ""
        yield f"A participation had {many(int(trials), 'trial')}{with_these}."
    yield (
        "In each trial participants heard three sounds, chose the label that came closest to what "
        "all three share, and said how confident they were that it fits, from 1 (not confident at "
        "all) to 5 (completely confident)."
    )
    if ratings := design.get("ratings_per_item"):
        yield f"Planned: {many(int(ratings), 'rating')} per feature and method."
    check = CHECKS.get(str(design.get("headphone_check")))
    if check and "headphones" in design.get("steps", ()):
        after = "were screened out" if design.get("headphones_required") else "could continue"
        yield f"Headphones were checked by {check}; participants who failed {after}."


def _taken(design: Mapping[str, object], kind: str) -> bool:
    steps = design.get("steps")
    return kind != "practice" or (isinstance(steps, list) and "practice" in steps)


def _analysis(summary: Summary) -> Iterator[str]:
    family = summary.confirmatory
    before = summary.plan and summary.plan_fixed == "before"
    yield (
        f"The design and the analysis plan were fixed before the first answer (design hash "
        f"{summary.study.design_hash[:12]})."
        if before and summary.study.design_hash
        else "No analysis plan was fixed before the first answer."
        if summary.plan_fixed == "after" or not summary.plan
        else "[When the analysis plan was fixed.]"
    )
    if family:
        nulls = "; ".join(dict.fromkeys(t.label for t in family))
        adjusted = ", adjusted by Holm’s method" if len(family) > 1 else ""
        comparisons = ", ".join(dict.fromkeys(t.method for t in family))
        yield f"Confirmatory null hypotheses: {nulls} ({comparisons}){adjusted}."
    yield _intervals(summary)
    if summary.exclusions:
        rules = "; ".join(e["meaning"] for e in summary.exclusions if e["applied"])
        yield f"Exclusions: {rules}." if rules else "No exclusion rule could be applied."
    else:
        yield "Nobody was excluded by a rule."
    if any("bootstrap" in e.interval for e in summary.estimates):
        yield f"Bootstrap intervals rest on {summary.resamples:,} resamples (seed {summary.seed})."
    versions = ", ".join(
        f"{name.capitalize() if name == 'python' else name} {version}"
        for name, version in summary.versions.items()
    )
    by = f"Earwitness [version] (python -m analysis; {versions})" if versions else "Earwitness"
    yield f"All estimates were computed with {by}."


def _intervals(summary: Summary) -> str:
    units = sorted(
        {e.clustered_by for e in summary.estimates if e.recommended and e.name == "mean_confidence"}
    )
    return (
        f"Intervals are 95 % intervals with standard errors clustered by {' or '.join(units)}: "
        "Student’s t on the logit of (mean − 1)/4 for means, Student’s t for differences of means, "
        "Student’s t on the logit with the jackknife’s standard error for shares."
        + (
            " Differences with a confirmatory test have repeated confidence intervals, which allow "
            "for the planned looks."
            if summary.look
            else ""
        )
    )
