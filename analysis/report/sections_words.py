"""The section on the listeners' own names: what they are, and how similar to the labels."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.estimates.results import Summary
from analysis.listeners.free_text import GROUP_AT, Group, Named, OwnWords
from analysis.report.cells import many, per_method_table
from analysis.report.page import heading, paragraph, prose_table
from analysis.report.text import escape, number

CLOSENESS = (
    "free_text_share",
    "free_text_chosen",
    "free_text_first",
    "free_text_elsewhere",
    "free_text_gain",
)
MOST_FEATURES = 40
MOST_GROUPS = 6
MOST_MEMBERS = 4
MOST_LABELS = 3
MOST_SHOWN = 80
"""Longest text on the page, characters."""


def words(summary: Summary, own: OwnWords | None) -> Iterator[str]:
    """The section; nothing if no listener gave a name of their own."""
    if own is None:
        return
    yield heading("In the listeners’ own words", "words", 3)
    yield paragraph(
        f"Similarity is {escape(own.similarity)}, from 0 (nothing in common) to 1 (the same). A "
        "method’s value is meaningful only in comparison with its value for other features’ labels."
    )
    yield per_method_table(
        summary,
        "<b>Table #.</b> Names given by listeners, compared with the methods’ labels.",
        CLOSENESS,
        few=len(CLOSENESS),
    )
    shown = own.features[:MOST_FEATURES]
    left = len(own.features) - len(shown)
    more = f" {many(left, 'further feature')} in the table’s file." if left else ""
    yield "<details><summary>Each feature: the methods’ labels, the listeners’ names</summary>"
    yield prose_table(
        "Labels in the order of their rank, and listeners’ own names in groups of "
        f"similar ones (mean similarity {number(GROUP_AT)} or more), with how often each was "
        f"given; all are in <code>tables/free_text.csv</code>, and for a spreadsheet in "
        f"<code>free_text.spreadsheet.csv</code>.{more}",
        ["feature", "labels", "own names"],
        [[escape(f.feature), _labels(f), _groups(f)] for f in shown],
    )
    yield "</details>"


def _labels(named: Named) -> str:
    return "<br>".join(
        f"<b>{escape(method)}</b>: " + ", ".join(_short(text) for text in texts[:MOST_LABELS])
        for method, texts in named.labels
    )


def _groups(named: Named) -> str:
    lines = [_group(group) for group in named.groups[:MOST_GROUPS]]
    left = len(named.groups) - len(lines)
    return "<br>".join(lines + ([f"and {many(left, 'further group')}"] if left else []))


def _group(group: Group) -> str:
    others = [_short(text) for text, _ in group.members[1:MOST_MEMBERS]]
    left = len(group.members) - 1 - len(others)
    alike = ", ".join(others + ([f"{left} more"] if left > 0 else []))
    return f"{_short(group.name)} ({group.n})" + (f": {alike}" if alike else "")


def _short(text: str) -> str:
    return escape(text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…")
