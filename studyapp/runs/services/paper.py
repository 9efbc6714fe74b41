"""The paper's tables and figures of a finished run: made by a worker, sent by the site."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from studyapp.core.errors import RunError
from studyapp.core.files import Report, report_in
from studyapp.jobs.services import jobs
from studyapp.models import Job, Run
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import run_directory

KIND = "run_paper"
PAGE = "paper.html"


def may_have(run: Run) -> bool:
    """Whether the run has what the tables are made of: a table of items has no SAE."""
    return run.state == Run.State.DONE and run.origin != Run.Origin.ITEMS


def request_report(*, run: Run) -> Job:
    """Have a worker make or remake the tables; raises `RunError` if the run is not finished."""
    if not may_have(run):
        raise RunError(f"{run.name} is not a finished run of the pipeline")
    return jobs.enqueue(kind=KIND, target=run.pk, queue=Job.Queue.CPU)


def make(*, run: Run) -> None:
    """Make the tables of one run. Called by the task; raises `RunError` with one line."""
    from pipeline.paper.build import build
    from pipeline.progress import SilentProgress

    with refusals("the tables cannot be made: "):
        build([run_directory(run)], folder_of(run), probe=True, progress=SilentProgress())


def folder_of(run: Run) -> Path:
    """The folder of a run's report; reports of studies begin with a number."""
    return Path(settings.DATA) / "reports" / f"run-{run.pk}"


def report_of(run: Run) -> Report | None:
    """The latest report; None if there is none."""
    return report_in(folder_of(run), PAGE)
