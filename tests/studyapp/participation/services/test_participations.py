from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from studyapp.core.errors import NotHeardError, ParticipationError, PlaceLostError
from studyapp.models import Event, Participation, Response, Study, Trial
from studyapp.participation.selectors.trials import progress_of
from studyapp.participation.services import answers, participations
from studyapp.participation.services.answers import record_response, show_trial
from studyapp.participation.services.events import EventData, record_events
from studyapp.studies.services import lifecycle
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_study(features=3, trials_per_participation=2)


@pytest.fixture
def someone(study: Study) -> Participation:
    someone = participations.begin(study=study)
    participations.consent(participation=someone)
    return participations.finish_instructions(participation=someone)


def shown(someone: Participation, *, minutes_ago: float = 10) -> Trial:
    """The current trial, shown that long ago."""
    trial = progress_of(someone).current
    assert trial is not None
    trial.shown_at = timezone.now() - timedelta(minutes=minutes_ago)
    trial.save()
    return Trial.objects.get(pk=trial.pk)


def hear(trial: Trial, *clips: int) -> None:
    events = [EventData(trial.token, "ended", 1, f"{trial.pk}-{clip}", clip) for clip in clips]
    record_events(participation=trial.participation, events=events)


def answer(trial: Trial, choice: int = 1, key: str | None = None) -> Response:
    return record_response(
        trial=trial, choice=choice, confidence=3, key=trial.key if key is None else key
    )


def test_the_same_external_key_is_one_participation(study: Study) -> None:
    first = participations.begin(study=study, external_key="a" * 64)
    assert participations.begin(study=study, external_key="a" * 64) == first


def test_a_full_study_still_lets_its_own_participants_back_in(study: Study) -> None:
    for number in range(4):
        begun = participations.begin(study=study, external_key=f"{number}" * 64)
        participations.consent(participation=begun)
    assert participations.begin(study=study, external_key="0" * 64).pk


def test_a_paused_study_lets_participants_with_a_place_finish(
    study: Study, someone: Participation
) -> None:
    lifecycle.pause(study)
    for _ in range(2):
        trial = shown(someone)
        hear(trial, 1, 2, 3)
        answer(trial)
    someone.refresh_from_db()
    assert someone.status == Participation.Status.COMPLETE


def test_a_closed_study_takes_no_answer(study: Study, someone: Participation) -> None:
    trial = shown(someone)
    hear(trial, 1, 2, 3)
    lifecycle.close(study)
    with pytest.raises(ParticipationError):
        answer(trial)


def test_the_last_answer_makes_the_code(someone: Participation) -> None:
    for is_last in (False, True):
        trial = shown(someone)
        hear(trial, 1, 2, 3)
        answer(trial)
        someone.refresh_from_db()
        assert bool(someone.completion_code) is is_last
    assert someone.finished_at is not None


def test_no_code_and_no_answer_if_the_last_transaction_fails(
    someone: Participation, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trial.objects.filter(participation=someone, number=2).delete()
    trial = shown(someone)
    hear(trial, 1, 2, 3)

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(answers, "_advance", fail)
    with pytest.raises(RuntimeError):
        answer(trial)
    someone.refresh_from_db()
    assert (someone.status, someone.completion_code) == ("active", "")
    assert not Response.objects.exists()


def test_an_answer_needs_every_sound_heard_and_the_time_for_it(someone: Participation) -> None:
    trial = shown(someone, minutes_ago=0)
    hear(trial, 1, 2)
    with pytest.raises(NotHeardError, match=r"not heard to the end: \[3\]"):
        answer(trial)
    hear(trial, 3)
    with pytest.raises(NotHeardError, match="less time has passed"):
        answer(trial)
    assert answer(shown(someone, minutes_ago=1)).choice == 1


def test_a_simulated_participation_needs_the_events_but_not_the_time(
    someone: Participation,
) -> None:
    Participation.objects.filter(pk=someone.pk).update(simulated=True)
    trial = shown(someone, minutes_ago=0)
    with pytest.raises(NotHeardError):
        answer(trial)
    hear(trial, 1, 2, 3)
    assert answer(trial).response_ms < 5000


def test_response_ms_is_the_servers_time_since_the_first_showing(someone: Participation) -> None:
    trial = shown(someone, minutes_ago=2)
    hear(trial, 1, 2, 3)
    show_trial(trial=trial)
    assert answer(trial).response_ms == pytest.approx(120_000, abs=5_000)


def test_a_second_answer_to_a_trial_changes_nothing(someone: Participation) -> None:
    trial = shown(someone)
    hear(trial, 1, 2, 3)
    first = answer(trial, choice=1)
    assert answer(trial, choice=5) == first
    assert answer(trial, choice=5, key="another") == first
    first.refresh_from_db()
    assert first.choice == 1


def test_an_answer_that_lost_a_race_gives_the_winners(
    someone: Participation, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = shown(someone)
    hear(trial, 1, 2, 3)
    winner = answer(trial)

    def race(*args: object) -> Response:
        return Response.objects.create(
            trial=trial, choice=2, confidence=2, response_ms=1, answered_at=timezone.now()
        )

    monkeypatch.setattr(answers, "_answer", race)
    monkeypatch.setattr(answers, "_stored", lambda trial: None)
    assert answer(trial, choice=2) == winner


def test_a_wrong_key_is_refused(someone: Participation) -> None:
    trial = shown(someone)
    hear(trial, 1, 2, 3)
    with pytest.raises(ParticipationError, match="key"):
        answer(trial, key="é")


def test_an_answer_to_a_trial_that_is_not_current_is_refused(someone: Participation) -> None:
    trial = someone.trials.get(number=2)
    with pytest.raises(ParticipationError, match="not for the current trial"):
        answer(trial)


def test_an_answer_after_the_place_is_lost_is_refused(study: Study, someone: Participation) -> None:
    trial = shown(someone)
    hear(trial, 1, 2, 3)
    someone.lease_expires_at = timezone.now() - timedelta(minutes=1)
    someone.save()
    for _ in range(4):
        participations.consent(participation=participations.begin(study=study))
    with pytest.raises(PlaceLostError):
        answer(Trial.objects.get(pk=trial.pk))
    assert not Response.objects.exists()


def test_an_answer_renews_the_lease(someone: Participation) -> None:
    soon = timezone.now() + timedelta(minutes=1)
    Participation.objects.filter(pk=someone.pk).update(lease_expires_at=soon)
    trial = shown(someone)
    hear(trial, 1, 2, 3)
    answer(trial)
    someone.refresh_from_db()
    assert someone.lease_expires_at is not None
    assert someone.lease_expires_at > soon + timedelta(minutes=80)


def test_events_of_foreign_unknown_and_unseen_trials_are_ignored(
    study: Study, someone: Participation
) -> None:
    own = shown(someone)
    other = participations.begin(study=study)
    participations.consent(participation=other)
    unseen = someone.trials.get(number=2)
    foreign = other.trials.get(number=1)
    events = [
        EventData(token, "ended", 5, f"s{number}", 1)
        for number, token in enumerate([own.token, foreign.token, unseen.token, "nothing"])
    ]
    result = record_events(participation=someone, events=events)
    assert result == (["s0"], ["s1", "s2", "s3"])
    assert list(Event.objects.values_list("sequence", flat=True)) == ["s0"]


def test_the_same_sequence_twice_is_stored_once(someone: Participation) -> None:
    trial = shown(someone)
    event = EventData(trial.token, "play", 5, "s0", 1)
    for _ in range(2):
        result = record_events(participation=someone, events=[event, event])
        assert result == (["s0", "s0"], [])
    assert Event.objects.count() == 1


def test_refusing_after_consent_changes_nothing(someone: Participation) -> None:
    assert participations.refuse(participation=someone).status == Participation.Status.ACTIVE


def test_instructions_come_after_consent(study: Study) -> None:
    with pytest.raises(ParticipationError):
        participations.finish_instructions(participation=participations.begin(study=study))


@pytest.mark.parametrize(("choice", "confidence"), [(0, 3), (6, 3), (3, 0), (3, 6)])
def test_the_database_refuses_values_outside_their_levels(
    someone: Participation, choice: int, confidence: int
) -> None:
    trial = shown(someone)
    with pytest.raises(IntegrityError), transaction.atomic():
        Response.objects.create(
            trial=trial, choice=choice, confidence=confidence, response_ms=1,
            answered_at=timezone.now(),
        )  # fmt: skip


def test_the_database_refuses_a_code_without_completion(someone: Participation) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Participation.objects.filter(pk=someone.pk).update(completion_code="ABC")


def test_the_database_refuses_a_second_answer(someone: Participation) -> None:
    trial = shown(someone)
    hear(trial, 1, 2, 3)
    answer(trial)
    with pytest.raises(IntegrityError), transaction.atomic():
        Response.objects.create(
            trial=trial, choice=1, confidence=1, response_ms=1, answered_at=timezone.now()
        )
