"""Cells and tables of estimates, used by all sections of the report."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.estimates.results import Estimate, Summary
from analysis.report.page import html_table
from analysis.report.text import clean, escape, interval, value

MOST_COLUMNS = 4
"""With more methods than this a table has one row per method and quantity, not columns."""


def per_method_table(summary: Summary, caption: str, names: Sequence[str], few: int = 4) -> str:
    """A table of estimates, one column per method; empty if none of them was computed.

    With many methods one row per method and quantity, for the first `few` quantities only.
    """
    found = summary.recommended
    present = [name for name in names if any((name, m) in found for m in summary.methods)]
    if not present:
        return ""
    if len(summary.methods) <= MOST_COLUMNS:
        rows = [_row(name, found, summary.methods) for name in present]
        return html_table(caption, ["", *(escape(m) for m in summary.methods)], rows)
    rows = [
        [f"{escape(method)}: {escape(found[name, method].label)}", stacked(found[name, method])]
        for method in summary.methods
        for name in present[:few]
        if (name, method) in found
    ]
    return html_table(caption, ["", "value"], rows)


def _row(name: str, found: dict[tuple[str, str], Estimate], methods: Sequence[str]) -> list[str]:
    label = next(found[name, m].label for m in methods if (name, m) in found)
    return [
        first_up(label),
        *(stacked(found[name, m]) if (name, m) in found else "—" for m in methods),
    ]


def stacked(e: Estimate) -> str:
    """A value with its interval, and its counts below them."""
    if e.value is None:
        return f"{value(e)}: {escape(e.reason)}"
    lines = [f'<span class="value">{value(e)}</span>']
    if e.low is None:
        lines.append(f'<span class="under why">{escape(e.reason)}</span>')
    else:
        lines.append(f'<span class="interval">{interval(e)}</span>')
    return "".join(lines) + _counts(e)


def _counts(e: Estimate) -> str:
    if e.of is not None:
        return f'<span class="under">{e.count} of {e.of}</span>'
    if e.name in ("mean_confidence", "difference_mean_confidence"):
        return (
            f'<span class="under">{many(e.n_ratings, "rating")}</span>'
            f'<span class="under">{many(e.n_participants, "participant")}</span>'
        )
    if e.name == "difference_paired_by_feature":
        return f'<span class="under">{many(e.n_features, "shared feature")}</span>'
    if e.name.startswith(("alpha", "gwet", "icc", "consensus", "brennan")) and e.low is not None:
        return f'<span class="under">{many(e.n_features, "feature")}</span>'
    return ""


def with_interval(e: Estimate) -> str:
    """A value with its interval, on one line."""
    return f"{value(e)} {interval(e)}".strip()


def many(n: int, noun: str) -> str:
    """A number with its noun, in the singular or plural."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def first_up(label: str) -> str:
    """A label at the start of a line: capitalised, with "≥ 4" kept on one line."""
    shown = escape(clean(label))
    shown = shown[:1].upper() + shown[1:]
    return shown.replace("≥ 4", "≥&nbsp;4").replace("&gt; 4", "&gt;&nbsp;4")
