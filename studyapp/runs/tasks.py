"""Jobs of runs: execute a run's stages, or check an imported run."""

from __future__ import annotations

from studyapp.jobs.services import jobs
from studyapp.models import Run
from studyapp.runs.services import executor, imports


def work(lease: jobs.JobLease) -> bool:
    """Execute the job's run. Return True if the job was put back."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run no longer exists")
    return executor.run_pipeline(run=run, lease=lease)


def check_import(lease: jobs.JobLease) -> bool:
    """Check every hash of an imported run, then index it."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run no longer exists")
    imports.finish_import(run=run, lease=lease)
    return False
