"""The section on who took part: what became of them, and what they said of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from analysis.estimates.results import Summary
from analysis.reading.people import STEPS, Sample
from analysis.report.cells import first_up, many
from analysis.report.page import heading, html_table, paragraph
from analysis.report.text import escape, number


def participants(summary: Summary) -> Iterator[str]:
    """The section, from `participants.csv`; without it only a line that says what is missing."""
    yield heading("Participants", "participants")
    sample = summary.sample
    if not sample.known:
        yield paragraph(
            f"{many(summary.accounting['n_participants'], 'participant')} entered the estimates. "
            "No participants.csv was provided with the table, so nothing is known of those who "
            "left before an answer, nor of age, device and training."
        )
        return
    yield paragraph(" ".join(sentences(sample)))
    yield _flow(sample, ", ".join(summary.accounting["statuses"]))


def sentences(sample: Sample) -> Iterator[str]:
    """The sample in prose; also for the methods section."""
    total = {step: sample.total(step) for step in STEPS}
    yield f"{many(total['started'], 'participation')} began."
    lost = [
        f"{total[step]} {words}"
        for step, words in (
            ("refused", "refused consent"),
            ("screened_out", "did not pass the screening"),
            ("left_before", "ended before a first answer"),
            ("left_after", "ended later without completing it"),
            ("excluded", "were complete but excluded, or without an answer that counts"),
        )
        if total[step]
    ]
    if lost:
        yield f"Of these, {_listed(lost)}."
    yield f"{total['entered']} entered the estimates."
    if sample.ages:
        yield f"Age: {_shares(sample.ages)}."
    if sample.devices:
        yield f"Listened with: {_shares(sample.devices)}."
    passed, judged = sample.headphones
    if judged:
        yield f"{passed} of {judged} passed the headphone check."
    if sample.training:
        t = sample.training
        yield (
            f"Musical training (score): mean {number(t['mean'], 1)}, SD {number(t['sd'], 1)}, from "
            f"{t['lowest']:g} to {t['highest']:g} ({t['n']:g} answered)."
        )
    if sample.minutes:
        m = sample.minutes
        yield (
            f"A participation took {number(m['median'], 1)} minutes (median; half of them from "
            f"{number(m['lower'], 1)} to {number(m['upper'], 1)})."
        )


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _shares(counts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{escape(name)} ({n})" for name, n in counts.items())
    return re.sub(r"(\d)-(\d)", r"\1–\2", listed)


def _flow(sample: Sample, statuses: str) -> str:
    """What became of the participations, by method; rows that are 0 for all are left out."""
    methods = list(sample.by_method)
    rows = [
        [
            first_up(words.format(statuses=statuses)),
            *(str(sample.by_method[m][step]) for m in methods),
            str(sample.total(step)),
        ]
        for step, words in STEPS.items()
        if sample.total(step)
    ]
    caption = (
        "<b>Table #.</b> Participations by method. If one method loses more listeners than "
        "another, those that remain may differ."
    )
    return html_table(caption, ["", *(escape(m) for m in methods), "all"], rows)
