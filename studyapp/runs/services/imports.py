"""Runs that were made elsewhere: registered, checked file by file, and indexed; never executed."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction

from studyapp.core.errors import RunError
from studyapp.jobs.services import jobs
from studyapp.models import Job, Project, Run
from studyapp.runs.services import executor, lifecycle, stages
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import (
    check_files,
    check_stages,
    new_directory,
    opened,
    rows_of,
    run_directory,
    stored,
)

if TYPE_CHECKING:
    from pipeline.store.run_directory import RunDirectory


def import_run(*, directory: Path | str, name: str, project: Project | None = None) -> Run:
    """Import a finished run directory made elsewhere, and check every hash in its manifest.

    Raises `RunError` if the run is not finished, if a file differs, or if the name is taken.
    `directory` may be the URL of a store, such as `s3://BUCKET/PREFIX`: the files stay there.
    """
    with refusals(), ExitStack() as undone, transaction.atomic():
        files, remote = _opened(directory)
        if remote:
            # What was copied of it, if it does not become a run.
            undone.callback(shutil.rmtree, files.path, ignore_errors=True)
        run = _registered(files, remote, name, Run.State.NEW, project)
        check_files(run_directory(run))
        executor.index_run(run=run)
        undone.pop_all()
    return run


def request_import(*, directory: Path, name: str, project: Project | None) -> Run:
    """Import as `import_run` does, but let a worker check the hashes: a run has gigabytes.

    Raises `RunError` at once if the run is not finished, or if the name is taken.
    """
    with refusals(), transaction.atomic():
        run = _registered(*_opened(directory), name, Run.State.QUEUED, project)
        jobs.enqueue(kind=lifecycle.IMPORT_KIND, target=run.pk, queue=Job.Queue.CPU)
    return run


def finish_import(*, run: Run, lease: jobs.JobLease) -> None:
    """Check and index a run that `request_import` registered. Called by the task."""
    try:
        with refusals():
            files = run_directory(run)
            check_stages(files)
            check_files(files, check=jobs.Checker(lease))
            executor.index_run(run=run, lease=lease)
    except RunError as error:
        executor.fail(run, lease, str(error))
        raise jobs.WorkError(str(error)) from error


def _registered(
    files: RunDirectory, remote: str, name: str, state: str, project: Project | None
) -> Run:
    """Create the row for a run directory in which every stage is done."""
    config = files.description().get("config")
    if not isinstance(config, dict):
        raise RunError(f"{files} has a run.json without a config; is it a run directory?")
    check_stages(files)
    if other := Run.objects.filter(remote=remote) if remote else rows_of(files.path):
        raise RunError(f"{files} is already imported as run {other[0].name!r}")
    try:
        with transaction.atomic():
            run = Run.objects.create(
                name=name, directory=stored(files.path), remote=remote, config=config,
                state=state, origin=Run.Origin.IMPORT, project=project,
            )  # fmt: skip
    except IntegrityError as error:
        raise RunError(f"a run named {name!r} already exists") from error
    stages.create_records(run)
    return run


def _opened(place: Path | str) -> tuple[RunDirectory, str]:
    """The files in a folder; or those at a URL, which is returned too, with copies where those of
    the site's own runs in a store are."""
    from pipeline.store.remote import Remote, cache_of, is_url

    if not is_url(str(place)):
        return opened(Path(place).resolve(), ""), ""
    cache_of(str(place))  # Refuses what the commands refuse.
    url = Remote(str(place)).url
    return opened(settings.DATA / new_directory(), url), url
