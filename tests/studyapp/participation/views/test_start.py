"""The study's link, and every ending."""

from __future__ import annotations

import pytest
from django.test import Client

from studyapp.models import Participation, Study
from studyapp.studies.services import lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import make_features, make_run, make_study

pytestmark = pytest.mark.django_db


def test_an_unknown_study_is_a_page(client: Client) -> None:
    response = client.get("/s/nowhere/")
    assert (response.status_code, passages.page_of(response)) == (404, "unknown")


@pytest.mark.parametrize("state", ["frozen", "paused", "closed"])
def test_a_study_that_is_not_open_is_a_page(client: Client, state: str) -> None:
    study = make_study(state=state)
    response = client.get(f"/s/{study.slug}/")
    assert (response.status_code, passages.page_of(response)) == (200, state)
    assert not Participation.objects.exists()


def test_a_draft_is_unknown(client: Client) -> None:
    study = make_study(state="draft")
    assert passages.page_of(client.get(f"/s/{study.slug}/")) == "unknown"


def test_a_full_study_is_refused_politely_on_arrival_and_at_consent(client: Client) -> None:
    study = make_study(features=3, trials_per_participation=3)
    waiting = Client()
    passages.enter(waiting, study)
    for _ in range(2):
        passages.reach_trials(Client(), study)
    assert passages.page_of(client.get(f"/s/{study.slug}/")) == "full"
    response = waiting.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
    assert (response.status_code, passages.page_of(response)) == (200, "full")


def test_finished_participants_see_their_code_again_even_when_the_study_is_closed(
    client: Client,
) -> None:
    study = make_study(features=3)
    participation = passages.reach_trials(client, study)
    passages.finish(client, study, participation)
    lifecycle.close(study)
    participation.refresh_from_db()
    page = client.get(f"/s/{study.slug}/", follow=True)
    assert participation.completion_code in page.content.decode()


def test_participants_in_the_middle_are_told_when_the_study_closes(client: Client) -> None:
    study = make_study(features=3)
    passages.reach_trials(client, study)
    lifecycle.close(study)
    response = client.get(f"/s/{study.slug}/trial/", follow=True)
    assert passages.page_of(response) == "closed_midway"


def test_visitors_before_consent_wait_while_the_study_is_paused(client: Client) -> None:
    study = make_study(features=3)
    passages.enter(client, study)
    lifecycle.pause(study)
    response = client.post(f"/s/{study.slug}/consent/", {"decision": "agree"}, follow=True)
    assert passages.page_of(response) == "paused"
    lifecycle.open_study(study)
    assert passages.page_of(client.get(f"/s/{study.slug}/ended/", follow=True)) == "consent"


@pytest.mark.parametrize("status", ["screened_out", "returned", "timed_out", "withdrawn"])
def test_every_other_ending_has_a_page(client: Client, status: str) -> None:
    study = make_study(features=3)
    participation = passages.enter(client, study)
    Participation.objects.filter(pk=participation.pk).update(status=status)
    response = client.get(f"/s/{study.slug}/", follow=True)
    assert passages.page_of(response) == status


def test_the_link_leads_to_the_open_version(client: Client) -> None:
    run = make_run()
    make_features(run)
    first = make_study(run=run, slug="twice")
    lifecycle.close(first)
    second = make_study(run=run, slug="twice")
    make_study(run=run, slug="twice", state="draft")
    assert passages.enter(client, second).study == second


def test_participants_who_began_in_an_older_version_stay_there(client: Client) -> None:
    run = make_run()
    make_features(run)
    first = make_study(run=run, slug="twice")
    participation = passages.reach_trials(client, first, PROLIFIC_PID="p", SESSION_ID="s")
    lifecycle.pause(first)
    make_study(run=run, slug="twice")
    response = Client().get("/s/twice/", {"PROLIFIC_PID": "p", "SESSION_ID": "s"}, follow=True)
    assert passages.page_of(response) == "trial"
    assert participation.study == first


def test_a_link_preview_begins_nothing(client: Client) -> None:
    study: Study = make_study()
    assert client.head(f"/s/{study.slug}/").status_code == 200
    assert not Participation.objects.exists()


@pytest.mark.parametrize("page", ["consent", "instructions", "trial"])
def test_a_form_without_its_csrf_token_is_refused_on_a_page(page: str) -> None:
    study = make_study()
    client = Client(enforce_csrf_checks=True)
    passages.enter(client, study)
    response = client.post(f"/s/{study.slug}/{page}/", {"decision": "agree"})
    assert response.status_code == 403
    assert "Please go back and try again" in response.content.decode()


def test_the_look_is_for_researchers(client: Client, django_user_model) -> None:  # type: ignore[no-untyped-def]
    assert client.get("/look/").status_code == 302
    client.force_login(django_user_model.objects.create_user("ada"))
    assert "Style guide" in client.get("/look/").content.decode()
