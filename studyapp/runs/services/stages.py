"""The rows of a run's stages: laid out by what its manifest calls done, moved by its worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from studyapp.jobs.services import jobs
from studyapp.models import Run, StageRecord
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import run_directory


def lay_out(run: Run) -> None:
    """One row a stage; what the manifest calls done is done, everything else waits."""
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
def note_done(record: StageRecord, held: jobs.Held, entry: Mapping[str, Any]) -> None:
    """Call a stage done, while its worker holds the job; `entry` is its manifest's."""
    held.lock()
    jobs.note_progress(held)
    _note_done(record, entry)


@transaction.atomic
def note_running(record: StageRecord, held: jobs.Held) -> None:
    """Call a stage running, while its worker holds the job."""
    held.lock()
    record.state, record.started_at = StageRecord.State.RUNNING, timezone.now()
    record.save(update_fields=["state", "started_at"])
