"""The paper's tables on a run's page: a job makes them, and only their files are sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from studyapp.jobs.tasks import work
from studyapp.models import AuditRecord, Job, Run
from studyapp.runs.services import paper
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
