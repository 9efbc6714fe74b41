"""Lost places, and steps that change while a page is open, as a participant experiences them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from studyapp.core.errors import ParticipationError
from studyapp.models import Participation, StepRecord, Study
from studyapp.models.steps import Step
from studyapp.participation.services import checks, participations
from studyapp.participation.services.answers import show_trial
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db
EVERY_STEP = ["device", "volume", "headphones", "instructions", "practice", "trial"]


def one_place(**options: Any) -> Study:
    """A study with room for one."""
    given = {"features": 3, "trials_per_participation": 3, "methods": ["descriptors"]}
    return make_study(**(given | options))


def lose_the_place(someone: Participation) -> None:
    """The lease has expired, and someone else has taken the place."""
    past = timezone.now() - timedelta(minutes=1)
    Participation.objects.filter(pk=someone.pk).update(lease_expires_at=past)
    participations.consent(participation=participations.begin(study=someone.study))


@pytest.mark.parametrize("step", [*EVERY_STEP, "questionnaire"])
def test_every_step_after_consent_needs_the_place(client: Client, step: str) -> None:
    study = one_place(steps=["consent", *EVERY_STEP, "questionnaire"])
    someone = passages.reach(client, study, step)
    page = f"/s/{study.slug}/{step}/"
    client.get(page)
    lose_the_place(someone)
    assert passages.page_of(client.get(page)) == "place_lost"
    passages.pass_step(client, study, someone, step)
    someone.refresh_from_db()
    assert (someone.status, someone.completion_code) == ("active", "")
    assert StepRecord.objects.filter(participation=someone, step=step, done_at=None).exists() or (
        step in ("instructions", "trial")
    )
    answer = client.get(f"/s/{study.slug}/", follow=True)
    assert (answer.status_code, passages.page_of(answer)) == (200, "place_lost")
    assert f'href="/s/{study.slug}/withdraw/"' in answer.content.decode()


def test_the_questionnaire_does_not_overfill_the_study(client: Client) -> None:
    study = one_place(steps=["consent", "instructions", "trial", "questionnaire"])
    someone = passages.reach(client, study, "questionnaire")
    client.get(f"/s/{study.slug}/questionnaire/")
    past = timezone.now() - timedelta(minutes=1)
    Participation.objects.filter(pk=someone.pk).update(lease_expires_at=past)
    other = Client()
    passages.finish(other, study, passages.reach(other, study, "trial"))
    client.post(f"/s/{study.slug}/questionnaire/", {"age_band": "25-34"})
    assert study.participations.filter(status="complete").count() == 1


def test_the_place_is_kept_through_the_questionnaire_while_there_is_room(client: Client) -> None:
    study = one_place(steps=["consent", "instructions", "trial", "questionnaire"])
    someone = passages.reach(client, study, "questionnaire")
    past = timezone.now() - timedelta(minutes=1)
    Participation.objects.filter(pk=someone.pk).update(lease_expires_at=past)
    client.get(f"/s/{study.slug}/questionnaire/")
    client.post(f"/s/{study.slug}/questionnaire/", {"age_band": "25-34"})
    someone.refresh_from_db()
    assert someone.status == "complete"


def test_the_headphone_page_redirects_while_its_last_answer_is_taken(client: Client) -> None:
    study = make_study(steps=["consent", "headphones", "instructions", "trial"])
    someone = passages.reach(client, study, "headphones")
    page = f"/s/{study.slug}/headphones/"
    client.get(page)
    for _ in range(checks.HEADPHONE_PASS - 1):
        passages.pass_step(client, study, someone, "headphones")
    last = checks.current_trial(someone.steps_taken.get(step="headphones"))

    def take_it() -> None:
        checks.answer_headphones(participation=someone, token=last["token"], choice=last["answer"])

    with connection.execute_wrapper(_before_the_second_read_of_the_record(take_it)):
        answer = client.get(page)
    assert (answer.status_code, answer["Location"]) == (302, f"/s/{study.slug}/")
    with pytest.raises(ParticipationError):
        checks.current_trial(someone.steps_taken.get(step=Step.HEADPHONES))


def _before_the_second_read_of_the_record(act: Callable[[], None]) -> Callable[..., Any]:
    """Something happens after the page has looked up the current step."""
    reads = 0

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal reads
        reads += sql.startswith("SELECT") and 'FROM "studyapp_steprecord"' in sql
        if reads == 2:
            reads += 1
            act()
        return execute(sql, params, many, context)

    return wrapper


def test_a_trial_erased_in_the_meantime_redirects(client: Client) -> None:
    study = make_study()
    someone = passages.reach(client, study, "trial")
    trial = someone.trials.get(number=1)
    someone.trials.all().delete()
    with pytest.raises(ParticipationError, match="erased"):
        show_trial(trial=trial)
