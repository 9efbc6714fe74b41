"""The paper's tables on a run's page: a job makes them, and only their files are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from studyapp.jobs.tasks import work
from studyapp.models import AuditRecord, Job, JoinedRuns, Project, Run
from studyapp.runs.services.results import paper
from tests.pipeline.paper.factory import make_run
from tests.studyapp import factories

pytestmark = pytest.mark.django_db


def test_a_worker_makes_them_and_the_page_sends_them(researcher: Client, tmp_path: Path) -> None:
    made = make_run(tmp_path / "made", layers=(1,))
    run = Run.objects.create(
        name="made", directory=str(made), config={}, state=Run.State.DONE, origin=Run.Origin.COMMAND
    )
    page = reverse("run-paper", args=[run.pk])
    assert page in researcher.get(reverse("run", args=[run.pk])).content.decode()
    assert b"Make tables and figures" in researcher.get(page).content
    assert researcher.get(reverse("run-paper-document", args=[run.pk])).status_code == 404
    for _ in range(2):
        assert researcher.post(page).status_code == 302
    assert AuditRecord.objects.filter(action="asked for the paper's tables of").count() == 2
    work(Job.objects.get(kind=paper.KIND, target=run.pk).pk)
    content = researcher.get(page).content.decode()
    assert "tables/table_1.csv" in content
    document = researcher.get(reverse("run-paper-document", args=[run.pk]))
    assert b"4,697" in document.content
    assert "default-src 'none'" in document.headers["Content-Security-Policy"]
    file = researcher.get(reverse("run-paper-file", args=[run.pk, "tables/table_1.csv"]))
    assert b"".join(file.streaming_content).startswith(b"model,layer,expansion,k,kept")  # type: ignore[attr-defined]
    assert researcher.get(reverse("run-paper-file", args=[run.pk, "../x"])).status_code == 404


def test_a_run_without_saes_says_so_in_one_line(researcher: Client) -> None:
    run = factories.make_study().runs.get()
    page = reverse("run-paper", args=[run.pk])
    researcher.post(page)
    job = Job.objects.get(kind=paper.KIND, target=run.pk)
    work(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "is missing" in job.error
    assert b"They could not be made" in researcher.get(page).content
    Run.objects.filter(pk=run.pk).update(origin=Run.Origin.ITEMS)
    assert b"this is none" in researcher.get(page).content


def made_run(folder: Path, name: str, project: Project | None, **facts: Any) -> Run:
    return Run.objects.create(
        name=name, directory=str(make_run(folder / name, **facts)), config={}, project=project,
        state=Run.State.DONE, origin=Run.Origin.COMMAND,
    )  # fmt: skip


def test_runs_of_a_project_are_joined_by_a_worker(researcher: Client, tmp_path: Path) -> None:
    project = Project.objects.create(name="p")
    runs = [made_run(tmp_path, f"layer-{layer}", project, layers=(layer,)) for layer in (1, 2)]
    page = reverse("joined-paper", args=[project.pk])
    assert b"layer-2" in researcher.get(page).content
    researcher.post(page, {"run": [run.pk for run in runs]})
    again = researcher.post(page, {"run": [run.pk for run in runs]}, follow=True)
    assert b"just being made" in again.content
    work(Job.objects.get(kind=paper.JOINED_KIND, target=project.pk).pk)
    assert b"tables/table_1.csv" in researcher.get(page).content
    file = researcher.get(reverse("joined-paper-file", args=[project.pk, "tables/table_1.csv"]))
    rows = b"".join(file.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert sorted({row.split(",")[1] for row in rows[1:]}) == ["1", "2"]
    [noted] = AuditRecord.objects.filter(action="asked for the paper's tables of")
    assert noted.detail == {"runs": "layer-1, layer-2"}
    # Whoever sees only this project no longer sees a run that has gone to another.
    Run.objects.filter(pk=runs[0].pk).update(project=Project.objects.create(name="q"))
    document = reverse("joined-paper-document", args=[project.pk])
    assert researcher.get(document).status_code == 404
    runs[0] = made_run(tmp_path, "layer-3", project, layers=(3,))
    researcher.post(page, {"run": [run.pk for run in runs]})
    assert researcher.get(document).status_code == 404


def test_only_finished_runs_of_the_project_are_joined(researcher: Client, tmp_path: Path) -> None:
    project, other = Project.objects.create(name="p"), Project.objects.create(name="q")
    own, foreign = made_run(tmp_path, "own", project), made_run(tmp_path, "foreign", other)
    page = reverse("joined-paper", args=[project.pk])
    for chosen in ([own.pk, foreign.pk], [own.pk], [own.pk, own.pk], ["x"], []):
        said = researcher.post(page, {"run": chosen}, follow=True).content
        assert b"choose two or more finished runs of this project" in said
    assert b"foreign" not in researcher.get(page).content
    assert not JoinedRuns.objects.exists()
    assert not Job.objects.exists()
