"""What a run's stages found: made by workers from the run's files, and stored for its page.

A run's own worker makes them as each stage is done. For a run that was done before this site kept
them, or whose SAEs or steering were measured after it was done (`python -m pipeline quality`,
`steer --evaluate`), opening its page requests them.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from studyapp.core.errors import RunError
from studyapp.jobs import selectors as job_selectors
from studyapp.jobs.services import jobs
from studyapp.models import Job, Run, StageFindings
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import directory_of, run_directory

if TYPE_CHECKING:
    from pipeline.store.run_directory import RunDirectory

KIND = "run_findings"
QUALITY, STEERING = "quality", "steering-evaluation"
MEASURED = {QUALITY: "quality.parquet", STEERING: "steering/slopes.parquet"}
"""What may be made, and made again, after a run is done, and a file of each."""
STAGES = ("sae", "features", "scores", *MEASURED)
"""The stages that have findings; the same as in `pipeline/viewing/findings.py`, which the web
process does not import."""


def store(*, run: Run, stage: str, files: RunDirectory) -> None:
    """Make and store the findings of a finished stage; nothing for a stage that has none.

    A run is not lost because its figures cannot be made: the reason is stored in their place.
    """
    from pipeline.viewing import findings

    if stage not in STAGES:
        return
    try:
        with refusals():
            data = findings.of_stage(files, stage)
    except (RunError, KeyError, TypeError, AttributeError) as error:
        # Any JSON may stand in the files of a run that was made elsewhere.
        data = {"fault": " ".join(str(error).split())}
    StageFindings.objects.update_or_create(run=run, stage=stage, defaults={"data": data})


def fill(*, run: Run, files: RunDirectory) -> None:
    """Make and store the findings that are missing, and those that may have changed."""
    stored = set(run.findings.values_list("stage", flat=True)) - MEASURED.keys()
    for stage in STAGES:
        if stage not in stored and files.is_done(stage):
            store(run=run, stage=stage, files=files)


def request(run: Run) -> bool:
    """Have a worker make the findings that a finished run lacks.

    Returns whether that is under way; a job that failed is not tried again on the same files.
    """
    if run.state != Run.State.DONE or run.origin == Run.Origin.ITEMS:
        return False
    job = job_selectors.newest(kind=KIND, target=run.pk)
    if job is None and not run.findings.exists():
        job = _enqueue(run)
    elif _measured_since(run, _read_at(job) if job else run.finished_at):
        run.findings.filter(stage__in=MEASURED).delete()
        job = _enqueue(run)
    return job is not None and job.state in Job.UNFINISHED


def make(*, run: Run) -> None:
    """Make all findings of the run. Called by the task."""
    fill(run=run, files=run_directory(run))


def _enqueue(run: Run) -> Job:
    return jobs.enqueue(kind=KIND, target=run.pk, queue=Job.Queue.CPU)


def _read_at(job: Job) -> datetime:
    """When a job reads the files: it may have waited since before they were written."""
    return job.started_at or job.created_at


def _measured_since(run: Run, when: datetime | None) -> bool:
    """Return whether the run's SAEs or its steering were measured after its findings were made."""
    if when is None:
        return False
    folder, since = directory_of(run=run), when.timestamp()
    return any(_changed(folder / file) > since for file in MEASURED.values())


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # Most runs have no such file; one may have lost its folder.
        return 0.0
