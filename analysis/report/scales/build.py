"""The page and the files of ratings on another scale."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

import numpy as np

from analysis.estimates.descriptives import Ratings, ratings_of
from analysis.estimates.results import Summary
from analysis.reading.mapping.scales import Scale
from analysis.reading.table import Responses
from analysis.report import figures, figures_listeners, page
from analysis.report.about.data import data
from analysis.report.about.head import facts, with_contents
from analysis.report.cells import per_method_table, with_interval
from analysis.report.page import figure, heading, numbered, paragraph
from analysis.report.sections_between import confirmatory, every_difference
from analysis.report.sections_listeners import agreement, choices, machine
from analysis.report.sections_plan import look_words
from analysis.report.text import escape

PER_METHOD = ("mean_confidence", "sd_confidence", "clmm_mean_confidence")


def axis_of(scale: Scale) -> figures.Axis:
    """The scale as an axis; words stand at its ends."""
    low, high = scale.ends
    ticks = np.arange(low, high + 1) if scale.is_ordinal else np.linspace(low, high, 5)
    ends = (scale.levels[0], scale.levels[-1]) if scale.levels else None
    said = f"{low:g} ({ends[0]}) to {high:g} ({ends[1]})" if ends else f"{low:g} to {high:g}"
    return figures.Axis(low, high, tuple(ticks.tolist()), f"rating, {said}", "rating")


def draw(summary: Summary, responses: Responses, scale: Scale) -> list[figures.Figure]:
    """Means and differences."""
    axis = axis_of(scale)
    methods = [_outer(ratings_of(responses, method), scale) for method in summary.methods]
    means = [summary.find("mean_confidence", method) for method in summary.methods]
    drawn = [figures.means(methods, means, axis)]
    shown = [
        e for e in summary.estimates if e.name == "difference_mean_confidence" and e.recommended
    ]
    drawn += [figures.differences(shown, axis)] if shown else []
    found = figures_listeners.consensus_of(summary)
    return [*drawn, found] if found else drawn


def _outer(ratings: Ratings, scale: Scale) -> Ratings:
    low, high = scale.ends
    values = low + (ratings.values - 1) * (high - low) / 4
    return dataclasses.replace(ratings, values=np.clip(values, low, high))


def files(summary: Summary, drawings: Sequence[figures.Figure], scale: Scale) -> dict[str, str]:
    """Every file of the report but the tables: its path in the folder, and its text."""
    pictures = {d.name: figure(d) for d in drawings}
    body = "\n".join(_body(summary, pictures, scale))
    for kind in ("Table", "Figure"):
        body = numbered(body, kind)
    text = json.dumps(summary.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    return {
        "report.html": page.page(f"Results: {summary.table}", [with_contents(body)]),
        "summary.json": text + "\n",
        **{f"figures/{one.name}.svg": page.standalone(one) for one in drawings},
    }


def _body(summary: Summary, pictures: dict[str, str], scale: Scale) -> Iterator[str]:
    yield f"<header><h1>{escape(summary.study.title or 'Listeners’ ratings')}</h1>"
    yield paragraph(" · ".join(facts(summary)), "quiet")
    yield "</header>"
    for warning in summary.warnings:
        yield f'<p class="warning" role="note"><strong>{escape(warning)}</strong></p>'
    low, high = scale.ends
    means = "; ".join(
        f"{with_interval(summary.find('mean_confidence', m))} for <b>{escape(m)}</b>"
        for m in summary.methods
    )
    said = f"The mean rating, from {low:g} to {high:g}, was {means}. {look_words(summary)}"
    yield paragraph(said.strip(), "lead")
    yield from confirmatory(summary)
    yield heading("Ratings by method", "ratings")
    caption = "<b>Table #.</b> Each method’s ratings. In brackets, 95 % intervals; counts below."
    yield per_method_table(summary, caption, PER_METHOD)
    yield from (picture for name, picture in pictures.items() if name != "consensus")
    yield from choices(summary, pictures)
    yield from agreement(summary)
    yield from machine(summary, pictures, "ratings")
    yield heading("Appendix", "appendix")
    yield from every_difference(summary)
    yield from data(summary)
