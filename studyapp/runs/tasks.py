"""A run: its stages one after another, as far as this queue's workers do them."""

from __future__ import annotations

from studyapp.jobs.services import jobs
from studyapp.models import Run
from studyapp.runs.services import lifecycle


def work(held: jobs.Held) -> bool:
    """Execute the run that the job names; True if the job was put back for others."""
    run = Run.objects.filter(pk=held.job.target).first()
    if run is None:
        raise jobs.WorkError("the run is not there any more")
    return lifecycle.run_pipeline(run=run, held=held)


def check_import(held: jobs.Held) -> bool:
    """Check every hash of an imported run and index it."""
    run = Run.objects.filter(pk=held.job.target).first()
    if run is None:
        raise jobs.WorkError("the run is not there any more")
    lifecycle.finish_import(run=run, held=held)
    return False
