"""A run: its stages one after another, as far as this queue's workers do them."""

from __future__ import annotations

from studyapp.jobs.services import jobs
from studyapp.models import Run
from studyapp.runs.services import executor, imports


def work(lease: jobs.JobLease) -> bool:
    """Execute the run that the job names; True if the job was put back for others."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run is not there any more")
    return executor.run_pipeline(run=run, lease=lease)


def check_import(lease: jobs.JobLease) -> bool:
    """Check every hash of an imported run and index it."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run is not there any more")
    imports.finish_import(run=run, lease=lease)
    return False
