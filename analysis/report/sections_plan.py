"""The section on the study's plan, and every deviation from it."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.estimates.results import Summary
from analysis.report.page import bullets, heading, paragraph
from analysis.report.text import escape


def plan(summary: Summary) -> Iterator[str]:
    """Always in the report, even if there is no plan."""
    yield heading("What was fixed beforehand", "plan")
    planned = summary.plan or summary.exclusion_source in ("plan", "deviation")
    if not planned:
        yield paragraph(
            "No plan stands beside the table. The confirmatory test of each comparison, the "
            "difference in mean confidence, is this program’s own rule and was not chosen on these "
            "data; whoever ran it may still have chosen among its options."
        )
    else:
        yield paragraph(escape(_said(summary)))
        if summary.plan.get("text"):
            yield f"<blockquote>{escape(summary.plan['text'])}</blockquote>"
    if summary.deviations:
        yield paragraph("<b>Deviations from what was fixed beforehand:</b>")
        yield bullets(escape(text) for text in summary.deviations)
    elif planned:
        yield paragraph("This analysis departs from the plan in nothing.")


def _said(summary: Summary) -> str:
    """The plan in one paragraph."""
    fixed = summary.plan
    parts = []
    if fixed.get("comparisons"):
        pairs = ", ".join(f"{a} − {b}" for a, b in fixed["comparisons"])
        parts.append(f"the comparisons {pairs}")
    if fixed.get("confirmatory"):
        parts.append("the confirmatory tests " + ", ".join(fixed["confirmatory"]))
    if fixed.get("equivalence_bound"):
        parts.append(f"equivalence within {fixed['equivalence_bound']:g} steps")
    if fixed.get("statuses"):
        parts.append("participations of status " + ", ".join(fixed["statuses"]))
    if summary.exclusion_source in ("plan", "deviation"):
        parts.append("rules of exclusion (see the quality of the answers)")
    parts += [f"{name} {fixed[name]}" for name in ("resamples", "seed") if fixed.get(name)]
    return "The study fixed beforehand: " + ("; ".join(parts) or "a text") + "."
