"""Runs and studies that hold nothing are deleted, by editors, on record; others never."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from studyapp.models import AuditRecord, Run, Study, StudySeries
from studyapp.recruitment.services import tokens
from tests.studyapp import factories, passages

pytestmark = pytest.mark.django_db


def test_a_study_nobody_came_to_is_deleted_with_its_link(admin_client: Client) -> None:
    study = factories.make_study(state=Study.State.PAUSED)
    tokens.make_tokens(study=study, kind="single", count=2)
    page = f"/studies/{study.slug}/1/"
    assert "Delete permanently" in admin_client.get(page).text
    assert admin_client.post(f"{page}delete").url == "/"
    assert not Study.objects.exists()
    assert not StudySeries.objects.exists()
    assert AuditRecord.objects.get().target == f"{study.slug} v1"


def test_a_study_that_is_open_or_that_someone_came_to_is_kept(
    client: Client, admin_client: Client
) -> None:
    study = factories.make_study()
    page = f"/studies/{study.slug}/1/"
    told = admin_client.post(f"{page}delete", follow=True).text
    assert "is open: pause or close it first" in told
    passages.enter(client, study)
    Study.objects.update(state=Study.State.PAUSED)
    assert "Delete permanently" not in admin_client.get(page).text
    told = admin_client.post(f"{page}delete", follow=True).text
    assert "has participations" in told
    assert Study.objects.exists()


@pytest.mark.parametrize(("origin", "is_kept"), [("site", False), ("import", True)])
def test_a_run_without_features_is_deleted_and_only_our_own_files_with_it(
    admin_client: Client, origin: str, is_kept: bool
) -> None:
    run = factories.make_run()
    Run.objects.update(origin=origin, state=Run.State.FAILED)
    folder = Path(settings.DATA) / run.directory
    assert "Delete permanently" in admin_client.get(f"/runs/{run.pk}/").text
    assert admin_client.post(f"/runs/{run.pk}/delete").url == "/"
    assert not Run.objects.exists()
    assert folder.exists() == is_kept


def test_a_run_with_features_or_at_work_is_kept(admin_client: Client) -> None:
    run = factories.make_run()
    Run.objects.update(state=Run.State.RUNNING)
    told = admin_client.post(f"/runs/{run.pk}/delete", follow=True).text
    assert "is under way, has features" in told
    Run.objects.update(state=Run.State.DONE)
    factories.make_features(run)
    assert "Delete permanently" not in admin_client.get(f"/runs/{run.pk}/").text
    admin_client.post(f"/runs/{run.pk}/delete")
    assert Run.objects.exists()
