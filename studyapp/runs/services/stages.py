"""The rows of a run's stages: created from its manifest, updated by its worker."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from studyapp.jobs.services import jobs
from studyapp.models import Run, StageRecord
from studyapp.runs.services import pieces
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import run_directory

logger = logging.getLogger(__name__)


def create_records(run: Run) -> None:
    """Create one row per stage; stages in the manifest are done, all others wait."""
    from pipeline.run import STAGES

    with refusals():
        finished = run_directory(run).manifest()["stages"]
    run.stages.all().delete()
    for order, stage in enumerate(STAGES):
        record = StageRecord.objects.create(run=run, stage=stage, order=order)
        if stage in finished:
            _note_done(record, finished[stage])


def _note_done(record: StageRecord, entry: Mapping[str, Any]) -> None:
    record.state = StageRecord.State.DONE
    record.summary, record.seconds = entry["summary"], entry["seconds"]
    record.done = max(record.done, record.total)
    record.save()


@transaction.atomic
def note_done(record: StageRecord, lease: jobs.JobLease, entry: Mapping[str, Any]) -> None:
    """Mark a stage as done while the lease is valid; `entry` is its entry in the manifest. The rows
    of its pieces are deleted: at the paper's size a run has thousands."""
    lease.lock()
    jobs.note_progress(lease)
    pieces.clear(record)
    _note_done(record, entry)


@transaction.atomic
def note_running(record: StageRecord, lease: jobs.JobLease) -> None:
    """Mark a stage as running while the lease is valid."""
    lease.lock()
    record.state, record.started_at = StageRecord.State.RUNNING, timezone.now()
    record.save(update_fields=["state", "started_at"])


@transaction.atomic
def note_run_failed(run: Run, reason: str) -> None:
    """Mark a run and its running stage as failed; `reason` is the one line that says why."""
    logger.warning("run %s failed: %s", run.name, reason)
    run.stages.filter(state=StageRecord.State.RUNNING).update(state=StageRecord.State.FAILED)
    failed = {"state": Run.State.FAILED, "error": reason}
    Run.objects.filter(pk=run.pk).update(**failed, finished_at=timezone.now())
