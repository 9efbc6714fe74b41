"""Measuring a finished run's SAEs from its page: who may, at whose cost, and what comes of it."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from studyapp.core.errors import RunError
from studyapp.jobs.tasks import work
from studyapp.models import AuditRecord, Job, Project, Run
from studyapp.runs.services import folders, lifecycle
from studyapp.runs.services.results import quality
from tests.pipeline.conftest import (  # noqa: F401
    corpus_folder,
    finished_run,
    small_config,
    subject_folder,
)

pytestmark = pytest.mark.django_db


def made(config: dict[str, Any], project: Project | None = None) -> Run:
    """A finished run of this site, so far without files."""
    name = f"run {secrets.token_hex(4)}"
    run = lifecycle.create_run(name=name, config=config, created_by=None, project=project)
    run.state = Run.State.DONE
    # Made on the command line of this machine, where nobody has to be asked.
    run.origin = Run.Origin.COMMAND
    run.save()
    return run


def test_the_button_has_a_worker_measure_the_saes_and_the_page_shows_it(
    researcher: Client,
    small_config: dict[str, Any],  # noqa: F811 - the fixture
    finished_run: Path,  # noqa: F811 - the fixture
) -> None:
    run = made(small_config)
    shutil.copytree(finished_run, folders.directory_of(run=run), dirs_exist_ok=True)
    page = reverse("run", args=[run.pk])
    researcher.get(page)
    work(Job.objects.get(kind="run_findings").pk)
    assert "Measure the loss recovered" in researcher.get(page).content.decode()
    for _ in range(2):
        researcher.post(reverse("measure-run", args=[run.pk]))
    assert AuditRecord.objects.filter(action="had the SAEs measured of").count() == 2
    job = Job.objects.get(kind=quality.KIND)
    content = researcher.get(page).content.decode()
    assert "A worker measures what the subject loses" in content
    assert "hx-get" in content
    assert "Measure the loss" not in content
    # Another process works in the folder: later.
    with folders.run_directory(run).lock():
        work(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.WAITING
    work(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.DONE, "")
    researcher.get(page)
    work(Job.objects.filter(kind="run_findings").latest("pk").pk)
    content = researcher.get(page).content.decode()
    assert "Loss<br>recovered" in content
    assert "Measure the loss again" in content


def test_what_cannot_be_measured_is_one_line_on_the_page(
    researcher: Client,
    small_config: dict[str, Any],  # noqa: F811 - the fixture
) -> None:
    run = made(small_config)
    job = quality.request(run=run)
    work(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "stage sae is not done" in job.error
    assert "\n" not in job.error
    # In the part of the page that is loaded again while a worker measures.
    part = researcher.get(reverse("run", args=[run.pk]), headers={"hx-request": "true"})
    assert "stage sae is not done" in part.content.decode()


def test_it_counts_as_a_run_of_its_project_and_is_of_finished_runs_made_here(
    small_config: dict[str, Any],  # noqa: F811 - the fixture
    settings: Any,
) -> None:
    settings.RUNS_PER_PROJECT = 1
    project = Project.objects.create(name="Hearing")
    first, second = made(small_config, project), made(small_config, project)
    for _ in range(2):  # The same job: it does not count against itself.
        quality.request(run=first)
    with pytest.raises(RunError, match="has 1 runs waiting, running or being measured, of at most"):
        quality.request(run=second)
    Job.objects.all().delete()
    project.may_start_runs = False
    project.save()
    with pytest.raises(RunError, match="may not start runs"):
        quality.request(run=second)
    for change in ({"state": Run.State.RUNNING}, {"origin": Run.Origin.IMPORT}):
        run = made(small_config)
        Run.objects.filter(pk=run.pk).update(**change)
        run.refresh_from_db()
        with pytest.raises(RunError, match="not a finished run that was made here"):
            quality.request(run=run)
