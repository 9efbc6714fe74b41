"""Moderators of the joint model: one exploratory table."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.estimates.results import Estimate, HypothesisTest, Summary
from analysis.models.mixed import ALL_METHODS
from analysis.models.moderators import OWN_TRENDS
from analysis.reading.moderators import HEADPHONES, MODERATORS, TRIAL
from analysis.report.cells import MOST_COLUMNS, first_up, many, stacked
from analysis.report.page import bullets, heading, html_table, paragraph
from analysis.report.text import escape, p_value


def moderators(summary: Summary) -> Iterator[str]:
    """The section; nothing where none was asked for."""
    found = {(e.name, e.method): e for e in summary.estimates if e.name.startswith("moderator_")}
    asked = [name for name in MODERATORS if (f"moderator_{name}", ALL_METHODS) in found]
    if not asked:
        return
    average = {name: found[f"moderator_{name}", ALL_METHODS] for name in asked}
    yield heading("Moderators (exploratory)", "moderators", 3)
    yield paragraph(
        "Each moderator is a covariate of the joint model, on its own and times the method: does "
        "it go with higher or lower ratings, and does it do so alike under all methods? Nothing "
        "here was randomised but the order of trials."
        + (f" That of the trials is a description: {OWN_TRENDS}." if TRIAL in asked else "")
    )
    fitted = [name for name in asked if average[name].value is not None]
    if fitted:
        yield _table(summary, found, fitted)
    left = [name for name in asked if name not in fitted]
    if left:
        yield bullets(f"{first_up(MODERATORS[n])}: {escape(average[n].reason)}." for n in left)


def _table(summary: Summary, found: dict[tuple[str, str], Estimate], names: list[str]) -> str:
    tests = {t.name: t for t in summary.tests}
    methods = summary.methods if len(summary.methods) <= MOST_COLUMNS else ()
    rows = []
    for name in names:
        average, words = found[f"moderator_{name}", ALL_METHODS], first_up(MODERATORS[name])
        per = "passed − not passed" if name == HEADPHONES else "per standard deviation"
        about = f"{per}, {many(average.n_participants, 'participant')}"
        under = [
            [f"{words}, under {escape(m)}", stacked(found[f"moderator_{name}", m]), ""]
            for m in methods
        ]
        same = _p(tests.get(f"moderator_{name}_by_method"))
        rows += [
            [
                f'{words}<span class="under why">{about}</span>',
                stacked(average),
                _p(tests.get(f"moderator_{name}")),
            ],
            *under,
            [f"{words}: the same under all methods", "", same],
        ]
    caption = (
        "<b>Table #.</b> Change on the latent scale that goes with each moderator, on average over "
        "methods and under each, with 95 % intervals. p: of no change on average, and of the same "
        "change under all methods, where they are tested; not adjusted here (adjusted with all "
        "exploratory tests in <code>tests.csv</code>)."
    )
    return html_table(caption, ["", "change", "p"], rows)


def _p(t: HypothesisTest | None) -> str:
    return "" if t is None or t.p is None else p_value(t.p)
