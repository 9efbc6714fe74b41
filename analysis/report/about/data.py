"""The appendix's section on the table: what it holds, and what did not enter the estimates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analysis.estimates.results import Summary
from analysis.report.cells import first_up, many
from analysis.report.page import bullets, heading, html_table, paragraph
from analysis.report.text import escape


def data(summary: Summary) -> Iterator[str]:
    """What the table holds, and what was left out."""
    facts = summary.accounting
    yield heading("Data", "data", 3)
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
        "than another, those that remain may differ. Those who left before a first answer are "
        "under “Participants”, as far as there is a participants.csv."
    )
    return html_table(caption, ["", *(escape(m) for m in entered)], rows)
