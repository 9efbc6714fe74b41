"""The results page: unavailable until the study is closed, then the report and only its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studyapp.models import AuditRecord, Job, Study
from studyapp.results import services as results
from tests.studyapp import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_data_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA = tmp_path / "data"


def place(study: Study, name: str, *more: str) -> str:
    return reverse(name, args=[study.slug, study.version, *more])


def put(study: Study) -> None:
    """Put a report where the page expects it."""
    folder = results.folder_of(study)
    (folder / "tables").mkdir(parents=True)
    (folder / results.PAGE).write_text("<p>the report</p>")
    (folder / "tables" / "features.csv").write_text("a\r\n")
    (folder / "secret.key").write_text("x")


def test_results_stay_closed_while_the_study_is_open(researcher: Client) -> None:
    study = factories.make_study()
    put(study)
    page = researcher.get(place(study, "results"))
    assert b"Results are available once the study is closed" in page.content
    assert researcher.get(place(study, "report-document")).status_code == 404
    researcher.post(place(study, "results"))
    assert not Job.objects.filter(kind=results.KIND).exists()


def test_asking_makes_a_job_once_and_is_recorded(researcher: Client) -> None:
    study = factories.make_study(state=Study.State.CLOSED)
    assert b"Create the report" in researcher.get(place(study, "results")).content
    for _ in range(2):
        assert researcher.post(place(study, "results")).status_code == 302
    assert Job.objects.filter(kind=results.KIND, target=study.pk).count() == 1
    assert AuditRecord.objects.filter(action="asked for the report of").count() == 2
    assert b"The report is being created" in researcher.get(place(study, "results")).content


def test_the_report_is_shown_in_place_without_any_script(researcher: Client) -> None:
    study = factories.make_study(state=Study.State.CLOSED)
    put(study)
    page = researcher.get(place(study, "results")).content.decode()
    assert f'<iframe class="report" src="{place(study, "report-document")}"' in page
    assert "allow-scripts" not in page
    document = researcher.get(place(study, "report-document"))
    assert document.content == b"<p>the report</p>"
    policy = document.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert document.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_only_files_of_the_report_are_handed_out(researcher: Client) -> None:
    study = factories.make_study(state=Study.State.CLOSED)
    put(study)
    found = researcher.get(place(study, "report-file", "tables/features.csv"))
    assert b"".join(found) == b"a\r\n"  # type: ignore[arg-type]
    for name in ("secret.key", "../earwitness.sqlite3", "report.html"):
        assert researcher.get(place(study, "report-file", name)).status_code == 404


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    study = factories.make_study(state=Study.State.CLOSED)
    put(study)
    for name in ("results", "report-document"):
        assert client.get(place(study, name)).status_code == 302
    client.force_login(User.objects.create_user("eve", password="x"))
    assert client.get(place(study, "report-document")).status_code == 404


def test_a_failed_report_says_why(researcher: Client) -> None:
    study = factories.make_study(state=Study.State.CLOSED)
    Job.objects.create(kind=results.KIND, target=study.pk, queue="cpu", state=Job.State.FAILED,
                       error="responses.csv: holds a header and no response")  # fmt: skip
    page = researcher.get(place(study, "results")).content
    assert b"could not be created: responses.csv: holds a header" in page


def test_a_closed_study_says_what_its_link_does(researcher: Client) -> None:
    for state, said in ((Study.State.CLOSED, True), (Study.State.OPEN, False)):
        study = factories.make_study(slug=f"s-{state}", state=state)
        page = researcher.get(place(study, "study")).content
        assert (b"takes no more answers: the link only says so" in page) == said
