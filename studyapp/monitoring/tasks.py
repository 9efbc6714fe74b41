"""What workers do for a project's notices: send one."""

from __future__ import annotations

from studyapp.jobs.services import jobs
from studyapp.monitoring.services import notices


def send_notice(lease: jobs.JobLease) -> bool:
    """Send the notice that the job names; True if it is tried again later."""
    return notices.deliver(lease)
