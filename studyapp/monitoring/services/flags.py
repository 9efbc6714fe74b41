"""Quality flags, counted while a study runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from studyapp.exports import flags as quality
from studyapp.exports import selectors as rows
from studyapp.models import Participation, Study
from studyapp.studies.selectors import people

NEWEST = 300
"""Flags are counted over this many of the newest complete participations."""


@dataclass(frozen=True)
class Flags:
    """How often each flag was raised among the newest complete participations."""

    participations: int
    flagged: int
    counts: list[tuple[str, int]]
    """Flag, in words, and number of participations that have it."""


def flags(study: Study) -> Flags:
    """Flags by the study's own rules; they are for information only and change nothing."""
    counted = study.participations.filter(people.counted(study))
    complete = counted.filter(status=Participation.Status.COMPLETE)
    newest = list(complete.order_by("-pk").values_list("pk", flat=True)[:NEWEST])
    counts: Counter[str] = Counter()
    flagged = 0
    for _, answers in rows.responses_of(study, among=newest):
        facts = [quality.facts(row) for row in answers]
        own = quality.participation_flags(facts, study.quality_rules)
        counts.update(own)
        flagged += bool(own)
    known = [(name.replace("_", " "), counts[name]) for name in quality.PARTICIPATION_FLAGS]
    return Flags(len(newest), flagged, known)
