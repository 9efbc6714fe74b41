"""Reads for the pages that many participations are on or ended on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from studyapp.models import Participation, StepRecord, Study
from studyapp.models.steps import Step


def pages_of(study: Study, rows: Sequence[Participation]) -> dict[int, Step]:
    """Primary key → the page that the participation is on or ended on, in one query for all."""
    done: defaultdict[int, set[str]] = defaultdict(set)
    records = StepRecord.objects.filter(participation__in=rows, done_at__isnull=False)
    for pk, step in records.values_list("participation_id", "step"):
        done[pk].add(step)
    return {row.pk: _page(study, row, done[row.pk]) for row in rows}


def _page(study: Study, row: Participation, done: set[str]) -> Step:
    if row.status == Participation.Status.COMPLETE:
        return Step.THANKS
    if row.consented_at is None:
        return Step.CONSENT
    passed = done | {Step.CONSENT.value}
    if row.instructed_at is not None:
        passed.add(Step.INSTRUCTIONS.value)
    return Step(next((step for step in study.steps if step not in passed), Step.TRIAL))
