"""The section on the study's plan, and every deviation from it."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.estimates.results import Summary
from analysis.reading.plan import ACCURACY_TEST, PAIR_KINDS
from analysis.report.page import bullets, heading, paragraph
from analysis.report.text import escape, number, percent


def plan(summary: Summary) -> Iterator[str]:
    """The section, which is in the report even if there is no plan."""
    late = summary.plan_fixed == "after"
    yield heading("Analysis plan" if late else "Preregistration", "plan")
    planned = summary.plan or summary.exclusion_source in ("plan", "deviation")
    if not planned and not summary.confirmatory and not summary.methods:
        yield paragraph(
            "No analysis plan was provided with the table, and no test is confirmatory."
        )
    elif not planned:
        yield paragraph(
            "No analysis plan was provided with the table. The confirmatory test of each "
            f"comparison, {_default(summary)}, is this program’s default and was not "
            "chosen after seeing these data, but anyone who ran it may have chosen among its "
            "options."
        )
    else:
        yield paragraph(escape(_said(summary)))
        if summary.plan.get("text"):
            yield f"<blockquote>{escape(summary.plan['text'])}</blockquote>"
        if summary.plan_fixed == "unknown":
            yield paragraph(
                "Nothing beside the table says when the plan was fixed: whether it was before the "
                "first answer cannot be checked here."
            )
    yield from _looks(summary)
    if summary.deviations:
        what = "Deviations from the plan" if planned else "Departures from the default"
        yield paragraph(f"<b>{what}:</b>")
        yield bullets(escape(text) for text in summary.deviations)
    elif planned:
        yield paragraph("The analysis followed the plan.")


SPENDING_WORDS = {"obrien-fleming": "O’Brien–Fleming type", "pocock": "Pocock type"}


def _looks(summary: Summary) -> Iterator[str]:
    """How the levels of planned looks are computed; nothing without them."""
    at = summary.look
    if not at:
        return
    yield paragraph(
        f"The plan looks at the results {at['of']} times. Lan and DeMets’s spending function of "
        f"the {SPENDING_WORDS[at['spending']]} says how much of the error rate each look may use; "
        "boundaries come from recursive integration. The adjusted p-value of a confirmatory test "
        "is Holm’s, over sequential p-values: compared with "
        f"{1 - summary.level:.2f}, it keeps the family-wise error rate over all looks together. "
        "The differences that these tests are of have repeated confidence intervals (Jennison and "
        f"Turnbull), at this look with a nominal level of {percent(1 - at['level'], 2)}: such an "
        "interval excludes no difference where its test, on its own, rejects, and those of all "
        f"looks together contain the true difference in {percent(summary.level, 0)} of studies or "
        "more. All other intervals are as without looks. Estimates are not corrected: where a "
        "study stops because a test rejects, they are too large on average."
    )


def look_words(summary: Summary) -> str:
    """Which look this report is, for the lead; empty without planned looks."""
    at = summary.look
    if not at:
        return ""
    last = at["number"] == at["of"]
    text = (
        f"This is {'the last' if last else 'look ' + str(at['number'])} of {at['of']} planned "
        f"looks, after {at['counted']} of {at['planned']} planned participants; adjusted p-values "
        f"take account of all looks (a single test rejects at p ≤ {number(at['level'], 4)})."
    )
    if not last:
        text += " A test that does not reject here is made again at the next look."
    return text


def _default(summary: Summary) -> str:
    """The default confirmatory test of this study, in words."""
    if summary.confirmatory and all(t.name in PAIR_KINDS for t in summary.confirmatory):
        return f"that {summary.confirmatory[0].label}"
    accuracy = any(t.name == ACCURACY_TEST for t in summary.confirmatory)
    return f"the difference in {'accuracy corrected for chance' if accuracy else 'mean confidence'}"


def _said(summary: Summary) -> str:
    """The plan in one paragraph."""
    fixed = summary.plan
    parts = []
    if fixed.get("comparisons"):
        pairs = ", ".join(f"{a} − {b}" for a, b in fixed["comparisons"])
        parts.append(f"the comparisons {pairs}")
    if fixed.get("confirmatory"):
        labels = {t.name: t.label for t in summary.tests}
        named = "; ".join(f"“{labels.get(name, name)}”" for name in fixed["confirmatory"])
        parts.append(f"the confirmatory tests of {named}")
    if looks := fixed.get("looks"):
        shares = ", ".join(percent(f, 0) for f in looks["fractions"])
        of = f" of {looks['participants']} participants" if looks["participants"] else ""
        parts.append(f"looks after {shares}{of}, {SPENDING_WORDS[looks['spending']]} spending")
    if fixed.get("equivalence_bound"):
        parts.append(f"equivalence within {fixed['equivalence_bound']:g} steps")
    if fixed.get("statuses"):
        parts.append("participations of status " + ", ".join(fixed["statuses"]))
    if summary.exclusion_source in ("plan", "deviation"):
        parts.append("exclusion rules (see “Quality of the answers”)")
    parts += [f"{name} {fixed[name]}" for name in ("resamples", "seed") if fixed.get(name)]
    return "The study’s plan: " + ("; ".join(parts) or "a text") + "."
