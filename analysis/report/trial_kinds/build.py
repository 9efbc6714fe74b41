"""The report of a table that has no label trials: pairs, intruder trials or both."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

from analysis.estimates.hypothesis_tests import adjusted
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Summary
from analysis.pairs.describe import PairResults
from analysis.reading.people import read_sample
from analysis.reading.quality import flag_counts, participations
from analysis.reading.study import study_of
from analysis.report import page
from analysis.report.about.computed import every_estimate
from analysis.report.about.data import data
from analysis.report.about.deviations import common_deviations
from analysis.report.about.head import CONTENTS, facts, with_contents
from analysis.report.about.latex import latex_tables
from analysis.report.about.participants import participants
from analysis.report.about.paste import as_text, paste
from analysis.report.analyse import Begun, look_of, plan_of, versions
from analysis.report.figures import Figure
from analysis.report.page import figure, heading, numbered, paragraph
from analysis.report.sections_between import confirmatory
from analysis.report.sections_plan import look_words, plan
from analysis.report.sections_quality import quality
from analysis.report.text import escape
from analysis.report.trial_kinds.sections import lead, sections


def summary_of(begun: Begun, results: PairResults, without: PairResults) -> Summary:
    """Everything in the report; `without` the exclusions."""
    done, responses, read = begun.done, begun.excluded.responses, begun.read
    tests = adjusted(results.tests, done.look)
    excluded = len(responses.ratings) < len(read.ratings)
    return Summary(
        table=responses.name,
        table_sha256=responses.sha256,
        seed=done.seed,
        resamples=done.resamples,
        level=LEVEL,
        methods=results.methods,
        accounting=dataclasses.asdict(responses.accounting) | {"statuses": responses.statuses},
        estimates=tuple(results.estimates),
        tests=tuple(tests),
        notes=responses.notes,
        warnings=responses.warnings,
        exclusions=tuple(dataclasses.asdict(e) for e in begun.excluded.exclusions),
        exclusion_source=begun.excluded.source,
        without_exclusions=tuple(e for e in without.estimates if e.recommended and excluded),
        flags=flag_counts(participations(read, done.folder)),
        versions=versions(),
        study=study_of(begun.study, read),
        sample=read_sample(done.folder, read, responses),
        plan=plan_of(begun.study, done.plan),
        plan_fixed=done.fixed,
        look=look_of(done.look),
        deviations=tuple(common_deviations(begun.study, read, done, begun.excluded, tests)),
    )


def files(
    summary: Summary, results: PairResults, drawings: Sequence[Figure], straight_line: float
) -> dict[str, str]:
    """The page, the summary and the figures: path in the folder, and text."""
    pictures = {one.name: figure(one) for one in drawings}
    body = "\n".join(_body(summary, results, pictures, straight_line))
    for kind in ("Table", "Figure"):
        body = numbered(body, kind)
    text = json.dumps(summary.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    title = f"Results: {summary.study.title or summary.table}"
    return {
        "report.html": page.page(title, [with_contents(body)]),
        "summary.json": text + "\n",
        "methods.txt": as_text(summary),
        **latex_tables(summary, {}),
        **{f"figures/{one.name}.svg": page.standalone(one) for one in drawings},
    }


def _body(
    summary: Summary, results: PairResults, pictures: dict[str, str], straight_line: float
) -> Iterator[str]:
    yield f"<header><h1>{escape(summary.study.title or 'Listeners’ answers')}</h1>"
    yield paragraph(" · ".join(facts(summary)), "quiet")
    yield "</header>"
    for warning in summary.warnings:
        yield f'<p class="warning" role="note"><strong>{escape(warning)}</strong></p>'
    yield from lead(summary, results, whole=True)
    if looks := look_words(summary):
        yield paragraph(looks)
    yield CONTENTS
    yield from confirmatory(summary)
    yield from sections(summary, results, pictures, rank=2)
    yield from participants(summary)
    yield from plan(summary)
    yield from paste(summary)
    yield heading("Appendix", "appendix")
    yield from data(summary)
    yield from quality(summary, straight_line)
    yield from _computed(summary)
    yield from every_estimate(summary)


def _computed(summary: Summary) -> Iterator[str]:
    yield heading("How it was computed", "methods", 3)
    yield paragraph(
        "Answers of one listener resemble each other, and so do answers about one feature, so they "
        "are not independent: intervals and tests are clustered by listener, and by feature too "
        "where features were judged more than once (two-way). Shares: Student’s t on the logit, "
        "with the jackknife’s standard error. Slopes: Student’s t on the standard error of the "
        "mixed logistic model. Strengths: Student’s t on the clustered sandwich standard error. "
        "Their measured coverage is in docs/statistics.md."
    )
    versions = ", ".join(f"{escape(name)} {escape(v)}" for name, v in summary.versions.items())
    yield paragraph(
        f"Seed {summary.seed}. {versions}. SHA-256 of the table: "
        f"<code>{summary.table_sha256}</code>.",
        "quiet",
    )
