"""How good a finished run's SAEs are, measured by a worker when its page asks for it.

The same as `python -m pipeline quality`: what the subject loses when an SAE's reconstruction
replaces its stream. Opening the run's page has the figures made from the file (`findings.request`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction

from studyapp.core.errors import RunError
from studyapp.jobs import selectors as job_selectors
from studyapp.jobs.services import jobs, outages
from studyapp.models import Job, Run
from studyapp.runs.services import lifecycle, policy
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import run_directory
from studyapp.runs.services.results import findings

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

KIND = lifecycle.QUALITY_KIND


def may_have(run: Run) -> bool:
    """Whether the run is finished and was made here: what was made elsewhere is never executed."""
    here = run.origin not in Run.ELSEWHERE and not Path(run.directory).is_absolute()
    return here and run.state == Run.State.DONE


@transaction.atomic
def request(*, run: Run, by: User | AnonymousUser | None = None) -> Job:
    """Have a worker measure the run's SAEs, by the rules of starting a run.

    If the user who made the run may no longer start it, `by` becomes responsible for it. Raises
    `RunError` if the run is not finished or was made elsewhere, or if its project or `by` may not
    start it.
    """
    if not may_have(run):
        raise RunError(f"run {run.name!r} is not a finished run that was made here")
    lifecycle.check_project(run)
    if by is not None and policy.must_take_over(run, by):
        Run.objects.filter(pk=run.pk).update(created_by=by.pk)
    queue = lifecycle.queue_of(config=run.config, stage="activations")
    return jobs.enqueue(kind=KIND, target=run.pk, queue=queue)


def newest(run: Run) -> Job | None:
    """The newest job that measures the run's SAEs."""
    return job_selectors.newest(kind=KIND, target=run.pk)


def make(*, run: Run, lease: jobs.JobLease) -> None:
    """Measure the SAEs. Called by the task.

    Raises `RunError` with one line, `BusyError` if another process is working in the folder.
    """
    from pipeline.errors import BusyError
    from pipeline.progress import SilentProgress
    from pipeline.run import measure

    check = jobs.Checker(lease)

    class Checked(SilentProgress):
        def advance(self, n: int = 1) -> None:
            check()

    if not may_have(run):  # Re-run, perhaps, since it was asked for.
        raise RunError(f"run {run.name!r} is not a finished run that was made here")
    policy.check_maker(run)
    if policy.is_guarded(run):
        policy.check(run.config)
    try:
        with refusals("the SAEs cannot be measured: "):
            files = run_directory(run, partial(outages.with_retries, lease.check))
            measure(files, progress=Checked())
    except RunError as error:
        if isinstance(error.__cause__, BusyError):
            raise error.__cause__ from error
        raise
    if run.remote:  # The site would not notice the new file in the store.
        findings.store(run=run, stage=findings.QUALITY, files=files)
