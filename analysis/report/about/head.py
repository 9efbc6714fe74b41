"""The head of the report: title, study, dates, warnings, the lead, and the contents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from analysis.estimates.results import Summary
from analysis.reading.plan import DEFAULT_TEST
from analysis.report.cells import MOST_COLUMNS, many, with_interval
from analysis.report.page import paragraph
from analysis.report.sections_lead import judges_accuracy, recognition
from analysis.report.sections_verdict import exploratory, verdict
from analysis.report.text import escape

CONTENTS = "<!-- contents -->"
"""Where the contents go when all headings are known (`with_contents`)."""
_HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>')


def opening(summary: Summary, further: Iterable[str] = ()) -> Iterator[str]:
    """Everything above the first section; `further`: paragraphs at the end of the lead."""
    yield f"<header><h1>{escape(summary.study.title or 'Listeners’ answers to the labels')}</h1>"
    yield paragraph(" · ".join(facts(summary)), "quiet")
    if summary.study.design_hash:
        yield paragraph(f"Design <code>{escape(summary.study.design_hash)}</code>", "quiet")
    yield "</header>"
    for warning in summary.warnings:
        yield f'<p class="warning" role="note"><strong>{escape(warning)}</strong></p>'
    yield from recognition(summary)
    yield paragraph(_headline(summary), "lead")
    yield from further
    yield CONTENTS


def facts(summary: Summary) -> Iterator[str]:
    """Study, version and dates as far as they are known, and the counts."""
    study, counted = summary.study, summary.accounting
    plural = "s" if " and " in study.version else ""
    if study.name:
        yield f"Study {escape(study.name)}" + (
            f", version{plural} {escape(study.version)}" if study.version else ""
        )
    if study.frozen_at:
        yield f"design frozen {escape(study.frozen_at)}"
    if study.answered_from:
        days = sorted({study.answered_from, study.answered_to})
        yield f"answers of {' to '.join(days)}"
    yield (
        f"{escape(summary.table)}: {many(counted['n_ratings'], 'rating')} by "
        f"{many(counted['n_participants'], 'participant')} of "
        f"{many(counted['n_features'], 'feature')}"
        + (f" under {many(len(summary.methods), 'method')}" if summary.methods else "")
    )


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
        judged = DEFAULT_TEST in {t.name for t in summary.confirmatory}
        said = "" if judged else exploratory(summary)
    else:
        said = verdict(summary)
    return f"{text} {said}".strip()


def with_contents(body: str) -> str:
    """The page's body with a list of its sections in the place for it."""
    items = "".join(
        f'<li><a href="#{anchor}">{words}</a></li>' for anchor, words in _HEADING.findall(body)
    )
    return body.replace(CONTENTS, f'<nav aria-label="Contents"><ol>{items}</ol></nav>', 1)
