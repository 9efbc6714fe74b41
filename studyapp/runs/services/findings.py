"""What a run's stages found: made by workers from the run's files, and stored for its page.

A run's own worker makes them as each stage is done. For a run that was done before this site kept
them, opening its page requests them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from studyapp.core.errors import RunError
from studyapp.jobs import selectors as job_selectors
from studyapp.jobs.services import jobs
from studyapp.models import Job, Run, StageFindings
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import run_directory

if TYPE_CHECKING:
    from pipeline.store.run_directory import RunDirectory

KIND = "run_findings"
STAGES = ("sae", "features", "scores")
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
    """Make and store the findings that are missing."""
    stored = set(run.findings.values_list("stage", flat=True))
    for stage in STAGES:
        if stage not in stored and files.is_done(stage):
            store(run=run, stage=stage, files=files)


def request(run: Run) -> bool:
    """Have a worker make the findings of a run that was done without them.

    Returns whether that is under way; a job that failed is not tried again.
    """
    if run.state != Run.State.DONE or run.findings.exists():
        return False
    job = job_selectors.newest(kind=KIND, target=run.pk)
    if job is None:
        job = jobs.enqueue(kind=KIND, target=run.pk, queue=Job.Queue.CPU)
    return job.state in Job.UNFINISHED


def make(*, run: Run) -> None:
    """Make all findings of the run. Called by the task."""
    fill(run=run, files=run_directory(run))
