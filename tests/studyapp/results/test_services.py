"""The link to the analysis: when results may be seen, who makes them, the power of a design."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from studyapp.jobs import tasks
from studyapp.models import Job, Study
from studyapp.results import services as results
from studyapp.studies.services import lifecycle
from tests.studyapp import factories, passages


@pytest.fixture(autouse=True)
def _own_data_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA = tmp_path / "data"


def answered() -> Study:
    """A closed study with two finished participations, one per method."""
    study = factories.make_study()
    for _ in range(2):
        client = Client()
        passages.finish(client, study, passages.reach_trials(client, study))
    lifecycle.close(study)
    study.refresh_from_db()
    return study


@pytest.mark.django_db
def test_a_worker_makes_the_report_of_a_closed_study() -> None:
    study = answered()
    assert results.report_of(study) is None
    # Closing the study has asked for it.
    job = Job.objects.get(kind=results.KIND, target=study.pk)
    assert results.request_report(study=study) == job
    tasks.work(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.DONE, "")
    report = results.report_of(study)
    assert report is not None
    assert {"estimates.csv", "summary.json", "tests.csv"} <= set(report.files)
    assert {"methods.txt", "latex/methods.tex"} <= set(report.files)
    text = report.page.read_text(encoding="utf-8")
    run = study.runs.get()
    assert f'href="/runs/{run.pk}/features/' in text
    assert "6 ratings" in text
    with (report.page.parent / "tables" / "participations.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2


@pytest.mark.django_db
def test_an_open_study_has_no_results_unless_it_was_unblinded() -> None:
    study = factories.make_study()
    with pytest.raises(results.ReportError, match="is not closed, and its results would unblind"):
        results.request_report(study=study)
    results.folder_of(study).mkdir(parents=True)
    (results.folder_of(study) / results.PAGE).write_text("early")
    assert results.report_of(study) is None
    study.unblinded_at = timezone.now()
    assert results.report_of(study) is not None


@pytest.mark.django_db
def test_no_study_has_the_report_of_one_whose_slug_it_took_over() -> None:
    first = factories.make_study(slug="x", state=Study.State.CLOSED)
    results.folder_of(first).mkdir(parents=True)
    (results.folder_of(first) / results.PAGE).write_text("another project's")
    Study.objects.filter(pk=first.pk).update(slug="x-2")
    first.refresh_from_db()
    second = factories.make_study(slug="x", state=Study.State.CLOSED)
    second.version = first.version
    assert results.report_of(second) is None


@pytest.mark.django_db
def test_the_job_reports_a_study_without_answers() -> None:
    study = factories.make_study(state=Study.State.CLOSED)
    job = results.request_report(study=study)
    tasks.work(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "nothing to estimate" in job.error
    assert results.report_of(study) is None


def test_power_of_a_design_grows_with_its_participants() -> None:
    few, many = (
        results.estimate_power(participants=n, trials=5, ratings=1, simulations=40) for n in (8, 80)
    )
    assert few.power < many.power
    assert few.width > many.width
    assert (many.participants, many.features, many.simulations) == (80, 400, 40)
    assert many == results.estimate_power(participants=80, trials=5, ratings=1, simulations=40)


def test_an_impossible_design_is_refused_in_one_line() -> None:
    with pytest.raises(results.ReportError, match="participants is 1; it must be from 2"):
        results.estimate_power(participants=1, trials=5, ratings=1)


@pytest.mark.django_db
def test_a_study_that_is_closed_without_an_answer_asks_for_no_report() -> None:
    study = factories.make_study()
    lifecycle.close(study)
    assert not Job.objects.filter(kind=results.KIND).exists()
