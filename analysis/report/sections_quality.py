"""The section on quality: flags, repeats, exclusions, and results without exclusions."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from analysis.estimates.results import Summary
from analysis.reading.quality import FLAGS
from analysis.report.cells import first_up, many, per_method_table, stacked
from analysis.report.page import heading, html_table, paragraph
from analysis.report.text import escape

MAIN = (
    "mean_confidence",
    "share_at_least_4",
    "share_first_label",
    "identification_accuracy",
    "difference_mean_confidence",
    "pair_steered_plain",
    "intruder_accuracy",
)
REPEATS = ("repeat_same_choice", "repeat_same_confidence")
SOURCES = {
    "plan": "These are the rules in the study’s plan.",
    "given": "The rules were given with the command; no plan was provided with the table.",
    "deviation": "<b>Deviation from the plan:</b> the rules were given with the command in place "
    "of those in the study’s plan.",
}


def quality(summary: Summary, line: float) -> Iterator[str]:
    """The section: who is flagged, what was excluded, and what the exclusions change."""
    yield heading("Quality of the answers", "quality", 3)
    yield from _flags(summary, line)
    yield per_method_table(
        summary,
        "<b>Table #.</b> Test–retest agreement on repeated trials.",
        REPEATS,
    )
    yield from _exclusions(summary)


def _flags(summary: Summary, line: float) -> Iterator[str]:
    methods = sorted({method for counts in summary.flags.values() for method in counts})
    rows = [
        [
            first_up(FLAGS[flag].format(line=line)),
            *(_share(counts.get(method)) for method in methods),
        ]
        for flag, counts in summary.flags.items()
    ]
    if rows:
        caption = (
            "<b>Table #.</b> Flagged participations (all participations are in "
            "<code>tables/participations.csv</code>). Flags exclude no one."
        )
        yield html_table(caption, ["", *(escape(m) for m in methods)], rows)


def _share(counts: tuple[int, int] | None) -> str:
    return "—" if counts is None else f"{counts[0]} of {counts[1]}"


def _exclusions(summary: Summary) -> Iterator[str]:
    if not summary.exclusions:
        yield paragraph("There are no exclusion rules; nothing was excluded.")
        return
    yield paragraph(SOURCES[summary.exclusion_source])
    rows = [
        [
            first_up(e["meaning"]),
            many(e["n_participations"], "participation") if e["applied"] else "not applied",
            many(e["n_responses"], "response") if e["applied"] else escape(e["reason"]),
        ]
        for e in summary.exclusions
    ]
    caption = "<b>Table #.</b> Exclusion rules and what each excludes (rules may overlap)."
    yield html_table(caption, ["", "excludes", "with"], rows)
    if not summary.without_exclusions:
        yield paragraph("The rules excluded nothing: every result is the same without them.")
        return
    yield _with_and_without(
        summary, MAIN, "<b>Table #.</b> Main results with and without the exclusions."
    )
    yield "<details><summary>Every result with and without the exclusions</summary>"
    names = {e.name for e in summary.without_exclusions}
    yield _with_and_without(
        summary, names, "Also in <code>tables/without_exclusions.csv</code>, unrounded."
    )
    yield "</details>"


def _with_and_without(summary: Summary, names: Collection[str], caption: str) -> str:
    rows = [
        [f"{escape(e.method)}: {escape(e.label)}", _with(summary, e.name, e.method), stacked(e)]
        for e in summary.without_exclusions
        if e.name in names
    ]
    return html_table(caption, ["", "with exclusions", "without"], rows)


def _with(summary: Summary, name: str, method: str) -> str:
    try:
        return stacked(summary.find(name, method))
    except KeyError:
        return "no responses left"
