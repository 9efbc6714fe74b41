"""Jobs of runs: execute a run's stages, check an imported run, make the figures of a run's page,
measure its SAEs and what steering does."""

from __future__ import annotations

from collections.abc import Callable

from studyapp.core.errors import RunError
from studyapp.jobs.services import jobs, outages
from studyapp.models import Project, Run
from studyapp.runs.services import executor, imports
from studyapp.runs.services.item_tables import uploads
from studyapp.runs.services.results import findings, paper, quality, steering


def work(lease: jobs.JobLease) -> bool:
    """Execute the job's run. Return True if the job was put back."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run no longer exists")
    return executor.run_pipeline(run=run, lease=lease)


def make_piece(lease: jobs.JobLease) -> bool:
    """Make one piece of a stage of the job's run. Return True if the job was put back."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run no longer exists")
    return executor.make_piece(run=run, lease=lease)


def check_import(lease: jobs.JobLease) -> bool:
    """Check every hash of an imported run, then index it."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run no longer exists")
    imports.finish_import(run=run, lease=lease)
    return False


def check_items(lease: jobs.JobLease) -> bool:
    """Check an uploaded table of items, then make its rows."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the items no longer exist")
    uploads.finish(run=run, lease=lease)
    return False


def make_findings(lease: jobs.JobLease) -> bool:
    """Make what the page of a finished run shows of its files."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run no longer exists")
    findings.make(run=run)
    return False


def make_paper(lease: jobs.JobLease) -> bool:
    """Make the paper's tables and figures of a finished run."""
    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run no longer exists")
    try:
        paper.make(run=run)
    except RunError as error:
        raise jobs.WorkError(str(error)) from error
    return False


def measure_saes(lease: jobs.JobLease) -> bool:
    """Measure the SAEs of a finished run. Return True if the job was put back, because another
    process is working in the run's folder."""
    return _measure(lease, quality.make)


def evaluate_steering(lease: jobs.JobLease) -> bool:
    """Evaluate steering on a finished run. Return True if the job was put back, because another
    process is working in the run's folder."""
    return _measure(lease, steering.make)


def _measure(lease: jobs.JobLease, make: Callable[..., None]) -> bool:
    from pipeline.errors import BusyError

    run = Run.objects.filter(pk=lease.job.target).first()
    if run is None:
        raise jobs.WorkError("the run no longer exists")
    try:
        make(run=run, lease=lease)
    except BusyError:
        outages.with_retries(lambda: jobs.defer(lease))
        return True
    except RunError as error:
        raise jobs.WorkError(str(error)) from error
    return False


def join_paper(lease: jobs.JobLease) -> bool:
    """Join the runs that were chosen of a project into the paper's tables and figures."""
    project = Project.objects.filter(pk=lease.job.target).first()
    if project is None:
        raise jobs.WorkError("the project no longer exists")
    try:
        paper.make_joined(project=project)
    except RunError as error:
        raise jobs.WorkError(str(error)) from error
    return False
