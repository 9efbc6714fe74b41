"""A study in the making: its draft with all sounds, and the power of its design."""

from __future__ import annotations

from studyapp.core.errors import StudyError
from studyapp.jobs.services import jobs
from studyapp.models import StudyPlan
from studyapp.wizard import selectors
from studyapp.wizard.services import drafts, power


def make(lease: jobs.JobLease) -> None:
    """Make the draft of the plan that the job names."""
    try:
        drafts.make(plan=_plan(lease), lease=lease)
    except StudyError as error:
        raise jobs.WorkError(str(error)) from error


def estimate(lease: jobs.JobLease) -> None:
    """Estimate the power of the design that was asked last."""
    power.estimate(plan=_plan(lease), lease=lease)


def _plan(lease: jobs.JobLease) -> StudyPlan:
    plan = selectors.by_id(lease.job.target)
    if plan is None:
        raise jobs.WorkError("the plan is not there any more")
    return plan
