"""Quality flags while a study runs: how often each was raised, for whom, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studyapp.exports import flags as quality
from studyapp.exports import machines, watching
from studyapp.exports import selectors as rows
from studyapp.models import Participation, Study
from studyapp.studies.selectors import people

NEWEST = 300
"""Flags are counted over this many of the newest complete participations."""
REASONS = {
    "failed_catch": "chose a wrong label in {failed_catch} of {catch} catch trials",
    "same_confidence": "gave the same confidence in all {main} main trials",
    "same_position": "chose the same position in all {main} main trials",
    "rushed": "answered {under} of {main} main trials in less time than the sounds last",
    "inconsistent": "chose another label in every one of {repeat} repeats",
    "submission_unverified": "the recruiting service could not be asked about the submission",
    "submission_unknown": "the recruiting service does not know the submission",
}
"""Flag → what it says of a participation, with its numbers."""


@dataclass(frozen=True)
class Flagged:
    """A participation with flags."""

    identifier: str
    simulated: bool
    reasons: list[str]


@dataclass(frozen=True)
class Flags:
    """The flags of the newest complete participations."""

    participations: int
    counts: list[tuple[str, int]]
    """Flag, in words, and number of participations that have it."""
    flagged: list[Flagged]
    """Newest first."""


def flags(study: Study) -> Flags:
    """Flags by the study's own rules; they are for information only and change nothing."""
    counted = study.participations.filter(people.counted(study))
    complete = counted.filter(status=Participation.Status.COMPLETE)
    fields = ("identifier", "simulated", "submission", "study")
    found = complete.only(*fields).order_by("-pk")
    if study.watch_machines:
        found = found.prefetch_related("steps_taken")
    newest = {one.pk: one for one in found[:NEWEST]}
    raised: dict[int, list[str]] = {}
    reasons: dict[int, list[str]] = {}
    for pk, answers in rows.responses_of(study, among=list(newest)):
        facts = [quality.facts(row) for row in answers]
        own = quality.participation_flags(facts, study.quality_rules)
        raised[pk] = own + quality.submission_flags(newest[pk])
        reasons[pk] = [REASONS[name].format_map(_numbers(facts)) for name in raised[pk]]
        if study.watch_machines:
            signs = machines.signs(watching.watched(newest[pk], answers))
            if machines.is_flagged(signs):
                raised[pk].append(machines.FLAG)
                reasons[pk] += [machines.SIGNS[sign] for sign in signs]
    counts = Counter(name for own in raised.values() for name in own)
    rare = (*quality.SUBMISSION_FLAGS, machines.FLAG)
    known = (*quality.PARTICIPATION_FLAGS, *(name for name in rare if counts[name]))
    return Flags(
        participations=len(newest),
        counts=[(name.replace("_", " "), counts[name]) for name in known],
        flagged=[
            Flagged(one.identifier, one.simulated, reasons[pk])
            for pk, one in newest.items()
            if raised.get(pk)
        ],
    )


def _numbers(facts: Sequence[quality.Facts]) -> Mapping[str, int]:
    """What the reasons count."""
    kinds = Counter(one.kind for one in facts)
    main = [one for one in facts if one.kind == "main"]
    return {
        "main": len(main),
        "catch": kinds["catch"],
        "repeat": kinds["repeat"],
        "failed_catch": sum("failed_catch" in one.flags for one in facts),
        "under": sum("under_clip_length" in one.flags for one in main),
    }
