"""Stages in pieces: the run's job makes a job of each, and all workers of its queue take them.

What is finished lies in the run's directory (`pipeline.pieces`), so a job that is repeated costs
nothing, and any worker can close the stage once all of its pieces are there.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from studyapp.core.errors import RunError
from studyapp.jobs.services import jobs, outages
from studyapp.models import Job, Run, StageRecord
from studyapp.runs.services.folders import run_directory
from studyapp.runs.services.progress import PieceProgress, add_line

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.run import OpenStage

logger = logging.getLogger(__name__)

KIND = "run_piece"
PATIENCE = 6
"""How often pieces that were made are looked for before the run fails; the pauses double from two
seconds on. A network file system may show a file later on one machine than on another."""

NAMED = 10
"""Pieces that one line names."""


def share(*, run: Run, record: StageRecord, lease: jobs.JobLease, config: RunConfig) -> bool:
    """Leave the pieces of a stage to all workers of the queue.

    Returns True if the run's job was put back until they are made; False if the caller is to
    execute the stage, of which at most one piece is missing. Raises `RunError` if a piece failed or
    does not appear, `BusyError` if it may appear yet.
    """
    from pipeline.errors import BusyError
    from pipeline.run import open_stage

    if outages.with_retries(partial(jobs.await_pieces, lease)):
        return True
    if config.machine.online:  # One process computes the activations for all.
        return False
    own = lease.job.pieces.filter(piece__startswith=f"{record.stage}/")
    if failed := own.filter(state=Job.State.FAILED).first():
        raise RunError(failed.error)
    files = run_directory(run, partial(outages.with_retries, lease.check))
    stage = open_stage(config, files, record.stage)
    if stage is None:
        return False
    if not own.exists():
        stage.begin()
    missing = stage.unfinished()
    if len(missing) < 2:
        return False
    if own.filter(piece__in=_named(record, missing), state=Job.State.DONE).exists():
        name, n = next(iter(missing)), len(missing)
        if lease.job.deferrals < PATIENCE:
            raise BusyError(f"{n} finished pieces of {record.stage} are not to be seen yet")
        raise RunError(
            f"{n} finished pieces of {record.stage}, such as {name}, are not in "
            f"{files}; is this folder the same on all workers?"
        )
    outages.with_retries(partial(_divide, record, lease, stage, missing))
    return True


@transaction.atomic
def _divide(
    record: StageRecord, lease: jobs.JobLease, stage: OpenStage, missing: dict[str, int]
) -> None:
    total = sum(stage.sizes().values())
    record.total, record.done = total, total - sum(missing.values())
    record.started_at = record.heartbeat_at = timezone.now()
    record.unit = stage.unit[:30]
    now = stage.ready(missing)
    record.note = f"{len(now)} pieces for all workers of the queue {lease.job.queue}"
    record.save(update_fields=["total", "done", "unit", "started_at", "heartbeat_at", "note"])
    jobs.divide(lease, kind=KIND, pieces=_named(record, now))


def _named(record: StageRecord, pieces: dict[str, int]) -> list[str]:
    return [f"{record.stage}/{piece}" for piece in pieces]


def clear(record: StageRecord) -> None:
    """Delete the rows of a finished stage's pieces, also those of earlier attempts; a line of the
    stage's log keeps how many there were, and which were claimed more than once."""
    ended = Job.objects.filter(
        kind=KIND, target=record.run_id, piece__startswith=f"{record.stage}/"
    ).exclude(state__in=Job.UNFINISHED)
    done = ended.filter(state=Job.State.DONE)
    if made := done.count():
        again = sorted(done.filter(attempts__gt=1).values_list("piece", flat=True))
        text = f"{made} pieces, claimed more than once: {', '.join(again[:NAMED]) or 'none'}"
        add_line(record, text + (f" and {len(again) - NAMED} more" if again[NAMED:] else ""))
    ended.delete()


def make(*, run: Run, lease: jobs.JobLease, config: RunConfig) -> None:
    """Make the job's piece; the stage stays open for the worker's next piece.

    Raises `PipelineError` if it cannot be made, `BusyError` if somebody works on the run who does
    not only make pieces, `LeaseLostError` if it is no longer this worker's.
    """
    from pipeline.run import open_stage

    name, _, piece = lease.job.piece.partition("/")
    lease.kept["fence"] = partial(outages.with_retries, lease.check)
    if "stage" not in lease.kept:
        # The fence is that of the piece at hand, also when the stage is kept for the next one.
        files = run_directory(run, lambda: lease.kept["fence"]())
        lease.kept["stage"] = open_stage(config, files, name)
    stage: OpenStage | None = lease.kept["stage"]
    if stage is None:  # It is done, so this piece is.
        return
    progress = PieceProgress(run.stages.get(stage=name), check=jobs.Checker(lease))
    stage.make(piece, progress.advance)
    progress.finish()
