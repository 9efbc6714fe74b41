"""What workers do for a draft: make its study, and estimate the power of its design."""

from __future__ import annotations

from studyapp.core.errors import StudyError
from studyapp.jobs.services import jobs
from studyapp.models import StudyDraft
from studyapp.wizard import selectors
from studyapp.wizard.services import drafts, power


def make(lease: jobs.JobLease) -> None:
    """Make the study of the draft that the job names."""
    try:
        drafts.make(draft=_draft(lease), lease=lease)
    except StudyError as error:
        raise jobs.WorkError(str(error)) from error


def estimate(lease: jobs.JobLease) -> None:
    """Estimate the power of the latest design."""
    power.estimate(draft=_draft(lease), lease=lease)


def _draft(lease: jobs.JobLease) -> StudyDraft:
    draft = selectors.by_id(lease.job.target)
    if draft is None:
        raise jobs.WorkError("this draft no longer exists")
    return draft
