"""A study in the making: its draft with all sounds, and the power of its design."""

from __future__ import annotations

from studyapp.core.errors import StudyError
from studyapp.jobs.services import jobs
from studyapp.models import StudyPlan
from studyapp.wizard import selectors
from studyapp.wizard.services import drafts, power


def make(held: jobs.Held) -> None:
    """Make the draft of the plan that the job names."""
    try:
        drafts.make(plan=_plan(held), held=held)
    except StudyError as error:
        raise jobs.WorkError(str(error)) from error


def estimate(held: jobs.Held) -> None:
    """Estimate the power of the design that was asked last."""
    power.estimate(plan=_plan(held), held=held)


def _plan(held: jobs.Held) -> StudyPlan:
    plan = selectors.by_id(held.job.target)
    if plan is None:
        raise jobs.WorkError("the plan is not there any more")
    return plan
