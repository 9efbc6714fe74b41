"""Reports of technical problems: stored as they come, bounded per participation."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from studyapp.models import Participation, ProblemReport
from studyapp.models.steps import Step
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.selectors.trials import progress_of

MOST_REPORTS = 20
"""Maximum number of reports per participation; more say nothing new."""


def report(
    *,
    participation: Participation,
    kind: str,
    words: str,
    state: dict[str, Any],
    browser: dict[str, Any],
) -> ProblemReport | None:
    """Store a report with the step and trial that the participation is at; None if it has enough.

    After a withdrawal nothing is stored.
    """
    with transaction.atomic():
        row = selectors.locked(participation.pk)
        if row.status == Participation.Status.WITHDRAWN or row.problems.count() >= MOST_REPORTS:
            return None
        step = selectors.step_of(row)
        is_trial = step in (Step.TRIAL, Step.PRACTICE)
        return ProblemReport.objects.create(
            participation=row,
            page=step.value,
            trial=progress_of(row).current if is_trial else None,
            kind=kind,
            words=words,
            browser=browser,
            state=state,
        )
