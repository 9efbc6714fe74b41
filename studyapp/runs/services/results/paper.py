"""The paper's tables and figures of a finished run, or of several runs of a project together: made
by a worker, sent by the site."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from studyapp.core.errors import RunError
from studyapp.core.files import Report, report_in
from studyapp.jobs.services import jobs
from studyapp.models import Job, JoinedRuns, Project, Run
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import run_directory

KIND, JOINED_KIND = "run_paper", "joined_paper"
PAGE = "paper.html"


def may_have(run: Run) -> bool:
    """Whether the run has what the tables are made of: a table of items has no SAE."""
    return run.state == Run.State.DONE and run.origin != Run.Origin.ITEMS


def request_report(*, run: Run) -> Job:
    """Have a worker make or remake the tables; raises `RunError` if the run is not finished."""
    if not may_have(run):
        raise RunError(f"{run.name} is not a finished run of the pipeline")
    return jobs.enqueue(kind=KIND, target=run.pk, queue=Job.Queue.CPU)


def joinable(project: Project) -> QuerySet[Run]:
    """The runs of a project whose tables may be joined, newest first."""
    finished = Run.objects.filter(project=project, state=Run.State.DONE)
    return finished.exclude(origin=Run.Origin.ITEMS).order_by("-pk")


@transaction.atomic
def request_joined(*, project: Project, runs: list[int]) -> Job:
    """Have a worker join these runs into one report, which replaces the project's last one.

    Raises `RunError` if they are not two or more finished runs of the project, or if the tables are
    just being made.
    """
    # The lock makes two simultaneous requests see each other's job.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    chosen = joinable(project).filter(pk__in=runs)
    if len(chosen) < max(2, len(set(runs))):
        raise RunError("choose two or more finished runs of this project")
    if Job.objects.filter(kind=JOINED_KIND, target=project.pk, state__in=Job.UNFINISHED).exists():
        raise RunError("the tables are just being made; choose again when they are there")
    if report_of_joined(project) is None:
        # It may be of a run that has gone to another project, and must not come to light again.
        shutil.rmtree(folder_of_joined(project), ignore_errors=True)
    joined, _ = JoinedRuns.objects.get_or_create(project=project)
    joined.runs.set(chosen)
    return jobs.enqueue(kind=JOINED_KIND, target=project.pk, queue=Job.Queue.CPU)


def make(*, run: Run) -> None:
    """Make the tables of one run. Called by the task; raises `RunError` with one line."""
    _build([run], folder_of(run))


def make_joined(*, project: Project) -> None:
    """Join the runs that were chosen. Called by the task; raises `RunError` with one line."""
    runs = list(chosen_of(project))
    if len(runs) < 2:
        raise RunError("fewer than two of the chosen runs are still finished runs of this project")
    _build(runs, folder_of_joined(project))


def _build(runs: list[Run], folder: Path) -> None:
    from pipeline.paper.build import build
    from pipeline.progress import SilentProgress

    with refusals("the tables cannot be made: "):
        build([run_directory(run) for run in runs], folder, probe=True, progress=SilentProgress())


def chosen_of(project: Project) -> QuerySet[Run]:
    """The runs that were last chosen, as far as they may still be joined, oldest first."""
    return joinable(project).filter(pk__in=_chosen(project)).order_by("pk")


def _chosen(project: Project) -> Any:
    return JoinedRuns.objects.filter(project=project, runs__isnull=False).values("runs")


def folder_of(run: Run) -> Path:
    """The folder of a run's report; reports of studies begin with a number."""
    return Path(settings.DATA) / "reports" / f"run-{run.pk}"


def folder_of_joined(project: Project) -> Path:
    """The folder of the report of several runs of a project."""
    return Path(settings.DATA) / "reports" / f"project-{project.pk}"


def report_of(run: Run) -> Report | None:
    """The latest report; None if there is none."""
    return report_in(folder_of(run), PAGE)


def report_of_joined(project: Project) -> Report | None:
    """The latest report of several runs; None if there is none, or if one of these runs has gone to
    another project since, whose members decide who sees it."""
    if Run.objects.filter(pk__in=_chosen(project)).exclude(project=project).exists():
        return None
    return report_in(folder_of_joined(project), PAGE)
