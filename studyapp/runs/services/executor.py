"""What the worker does with a run: execute its stages one after another, then index it."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from studyapp.core.errors import RunError
from studyapp.jobs.services import jobs, outages
from studyapp.models import Job, Project, Run, StageRecord
from studyapp.runs.services import budget, index, lifecycle, pieces, policy, stages
from studyapp.runs.services import progress as run_progress
from studyapp.runs.services.configs import refusals, validated
from studyapp.runs.services.folders import fetch, run_directory
from studyapp.runs.services.results import findings

if TYPE_CHECKING:
    from pipeline.config import RunConfig

logger = logging.getLogger(__name__)


def run_pipeline(*, run: Run, lease: jobs.JobLease) -> bool:
    """Execute the run's stages that belong to the job's queue; index the run after the last one.

    Returns True if the job was put back: for another queue's workers, until the pieces of a stage
    are made, or because another process is still working in the run directory. Raises
    `jobs.WorkError` with the pipeline's one-line message, which is stored in the run's row, or
    `jobs.LeaseLostError` if the run was stopped or another worker has it.
    """
    from pipeline.errors import BusyError, PipelineError

    _begin(run, lease)
    try:
        queue = _execute_stages(run, lease)
        if queue is None:
            return True
        if queue:
            outages.with_retries(lambda: jobs.release(lease, queue=queue))
            return True
        outages.with_retries(lambda: index_run(run=run, lease=lease))
    except BusyError as error:
        logger.warning("run %s waits: %s", run.name, error)
        outages.with_retries(lambda: jobs.defer(lease))
        return True
    except (PipelineError, RunError) as error:
        fail(run, lease, str(error))
        raise jobs.WorkError(str(error)) from error
    except jobs.LeaseLostError:
        raise
    except Exception as error:
        # Store the error in the row as well: researchers do not see the worker's log.
        fail(run, lease, f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    return False


def make_piece(*, run: Run, lease: jobs.JobLease) -> bool:
    """Make the job's piece of a stage. Returns True if it was put back, because another process is
    working in the run directory. Raises as `run_pipeline` does; the run's own job notices."""
    from pipeline.errors import BusyError, PipelineError

    try:
        config = outages.with_retries(partial(_config_for, run, lease.job.piece.partition("/")[0]))
        pieces.make(run=run, lease=lease, config=config)
    except BusyError as error:
        logger.warning("%s waits: %s", lease.job, error)
        outages.with_retries(lambda: jobs.defer(lease))
        return True
    except (PipelineError, RunError) as error:
        raise jobs.WorkError(str(error)) from error
    return False


def index_run(*, run: Run, lease: jobs.JobLease | None = None) -> int:
    """Make rows from the run's directory, mark the run as done, and return its number of features.

    A run that is already indexed is not changed. A job passes its `lease`, so that a worker that
    has lost it writes nothing. Raises `PipelineError` if a file cannot be read.
    """
    directory = run_directory(run)
    if run.remote and not settings.ELSEWHERE:
        fetch(directory, "exemplars")
    identifier = directory.description("key")["key"][:12]
    findings.fill(run=run, files=directory)  # Where a worker died before it stored them.
    with transaction.atomic():
        if lease is not None:
            lease.lock()
        made = index.make_rows(run=run, files=directory)
        done = {"state": Run.State.DONE, "error": "", "identifier": identifier}
        Run.objects.filter(pk=run.pk).update(**done, finished_at=timezone.now())
    run.refresh_from_db()
    return made


@transaction.atomic
def fail(run: Run, lease: jobs.JobLease, reason: str) -> None:
    """Mark the run as failed; its stages' rows keep their progress."""
    lease.lock()
    stages.note_run_failed(run, reason)


@transaction.atomic
def _begin(run: Run, lease: jobs.JobLease) -> None:
    """Mark the run as running, and reset a stage that a lost worker left unfinished, unless its
    pieces are under way."""
    lease.lock()
    Run.objects.filter(pk=run.pk, state__in=Run.UNDER_WAY).update(state=Run.State.RUNNING, error="")
    if not lease.job.pieces.filter(state__in=Job.UNFINISHED).exists():
        left = run.stages.filter(state=StageRecord.State.RUNNING)
        left.update(state=StageRecord.State.WAITING)


def _execute_stages(run: Run, lease: jobs.JobLease) -> str | None:
    """Execute the stages that are not done; stop at the first stage that needs another queue, or
    whose pieces all workers share.

    Returns the name of that queue, None if the job was put back until the pieces are made, or "" if
    no stage is left.
    """
    from pipeline.run import STAGES, execute_stage, prepare

    out, executed = run_directory(run, partial(outages.with_retries, lease.check)), False
    for stage in STAGES:
        record = run.stages.get(stage=stage)
        if record.state == StageRecord.State.DONE:
            continue
        queue = lifecycle.queue_of(config=run.config, stage=stage)
        if queue != lease.job.queue:
            return queue
        config = outages.with_retries(partial(_begin_stage, run, record, lease))
        if pieces.share(run=run, record=record, lease=lease, config=config):
            return None
        progress = run_progress.RowProgress(record, check=jobs.Checker(lease))
        directory = execute_stage(config, out, stage, progress=progress)
        executed = True
        entry = directory.manifest()["stages"][stage]
        outages.with_retries(partial(stages.note_done, record, lease, entry))
        outages.with_retries(partial(findings.store, run=run, stage=stage, files=directory))
    if not executed:
        # No stage has compared the folder's key with the config yet, so do it here.
        prepare(_config_for(run, ""), out)
    return ""


@transaction.atomic
def _begin_stage(run: Run, record: StageRecord, lease: jobs.JobLease) -> RunConfig:
    """Mark a stage as running and return the config to run it with. Raises what `_config_for`
    raises."""
    if run.project_id is not None:
        # Two runs of a project that start at once must not both be given the same remaining budget.
        Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    config = _config_for(run, record.stage)
    if record.state != StageRecord.State.RUNNING:  # Its pieces may be under way.
        stages.note_running(record, lease)
    return config


def _config_for(run: Run, stage: str) -> RunConfig:
    """Return the config for this stage: checked again, with the values that settings impose.

    Raises `RunError` if the run's maker may no longer start it or name what its config names, or
    if the project's budget is spent; `BusyError` if another run of the project is spending it.
    """
    run.refresh_from_db(fields=["created_by", "project"])
    policy.check_maker(run)
    config: dict[str, Any] = dict(run.config)
    if policy.is_guarded(run):
        policy.check(config)
        config = policy.with_site_values(config)
    made = validated(config)
    if stage == "labels" and run.project_id is not None and budget.is_paid(config):
        return made.with_ceiling(_ceiling_for(run))
    return made


def _ceiling_for(run: Run) -> float:
    from pipeline.errors import BusyError

    if other := budget.run_in_progress(run):
        raise BusyError(f"run {other.name!r} of the same project is using a paid service")
    with refusals():
        ceiling = budget.ceiling(run)
    if ceiling <= 0:
        raise RunError(
            f"project {run.project} has spent its ${settings.GEMINI_BUDGET:g} budget for paid "
            "services; an administrator can raise EARWITNESS_GEMINI_BUDGET"
        )
    return ceiling
