"""Events are accepted only as far as the server's clock and the study's state allow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from studyapp import exports
from studyapp.models import Event, Participation, Response, Study, Trial
from studyapp.participation.services import events as services
from studyapp.participation.services import participations
from studyapp.participation.services.events import EventData
from studyapp.studies.services import lifecycle
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_study(features=3, trials_per_participation=2)


@pytest.fixture
def trial(study: Study) -> Trial:
    """A trial that was first shown ten seconds ago."""
    someone = participations.consent(participation=participations.begin(study=study))
    trial = someone.trials.get(number=1)
    Trial.objects.filter(pk=trial.pk).update(shown_at=timezone.now() - timedelta(seconds=10))
    return Trial.objects.get(pk=trial.pk)


def send(trial: Trial, *events: EventData) -> tuple[list[str], list[str]]:
    return services.record_events(participation=trial.participation, events=events)


def event(trial: Trial, sequence: str, kind: str = "play", **changes: int) -> EventData:
    return EventData(trial.token, kind, **({"at_ms": 5, "clip": 1} | changes), sequence=sequence)  # type: ignore[arg-type]


def answered(trial: Trial, *, seconds_ago: float) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    Response.objects.create(trial=trial, choice=1, confidence=3, response_ms=9_000, answered_at=at)


def test_a_closed_study_accepts_no_events_and_its_export_does_not_change(
    study: Study, trial: Trial
) -> None:
    answered(trial, seconds_ago=1)
    lifecycle.close(study)
    before = b"".join(exports.responses_as_csv(study))
    late = [event(trial, "s1", "heard", value=2**40 - 1), event(trial, "s2", "error")]
    assert send(trial, *late) == ([], ["s1", "s2"])
    assert b"".join(exports.responses_as_csv(study)) == before


def test_events_of_a_participation_that_has_gone_are_ignored(trial: Trial) -> None:
    """A preview's page sends its last events when the next preview has deleted it."""
    someone = Participation.objects.get(pk=trial.participation_id)
    Participation.objects.filter(pk=someone.pk).delete()
    late = [event(trial, "s1")]
    assert services.record_events(participation=someone, events=late) == ([], ["s1"])


def test_events_of_a_clip_that_the_trial_does_not_have_are_ignored(trial: Trial) -> None:
    assert send(trial, event(trial, "s1", clip=3), event(trial, "s2", clip=4)) == (["s1"], ["s2"])


def test_a_paused_study_takes_them(study: Study, trial: Trial) -> None:
    lifecycle.pause(study)
    assert send(trial, event(trial, "s1")) == (["s1"], [])


@pytest.mark.parametrize(("seconds_ago", "taken"), [(30, True), (61, False)])
def test_an_answered_trial_takes_them_for_a_minute(
    trial: Trial, seconds_ago: float, taken: bool
) -> None:
    answered(trial, seconds_ago=seconds_ago)
    assert send(trial, event(trial, "s1")) == ((["s1"], []) if taken else ([], ["s1"]))


@pytest.mark.parametrize("kind", ["heard", "visible"])
def test_no_more_was_heard_or_hidden_than_time_has_passed(trial: Trial, kind: str) -> None:
    """In one call, over several calls, and however often the same events are sent."""
    first = [event(trial, f"s{n}", kind, value=4_000, at_ms=2**39) for n in range(5)]
    for _ in range(3):
        send(trial, *first)
    send(trial, event(trial, "last", kind, value=2**40 - 1))
    values = list(Event.objects.order_by("pk").values_list("value", flat=True))
    assert values[:3] == [4_000, 4_000, 4_000]
    assert 14_000 <= sum(value or 0 for value in values) <= 18_000
    assert max(Event.objects.values_list("at_ms", flat=True)) <= 18_000


def test_a_simulated_listener_may_run_on_a_faster_clock(trial: Trial) -> None:
    Participation.objects.filter(pk=trial.participation_id).update(simulated=True)
    send(trial, event(trial, "s1", "heard", value=600_000, at_ms=700_000))
    assert list(Event.objects.values_list("value", "at_ms")) == [(600_000, 700_000)]


def test_a_clock_that_was_set_back_still_bounds_them(trial: Trial) -> None:
    ahead = timezone.now() + timedelta(hours=1)
    Trial.objects.filter(pk=trial.pk).update(shown_at=ahead)
    send(trial, event(trial, "s1", "heard", value=5_000), event(trial, "s2", "heard", value=2**39))
    values = list(Event.objects.order_by("pk").values_list("value", flat=True))
    assert values == [5_000, 3_600_000 - 5_000]


def test_a_trial_has_so_many_and_no_more(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_PER_TRIAL", 5)
    first = [event(trial, f"a{n}") for n in range(3)]
    assert send(trial, *first)[0] == ["a0", "a1", "a2"]
    more = [event(trial, f"b{n}") for n in range(4)]
    assert send(trial, *first, *more) == (["a0", "a1", "a2", "b0", "b1"], ["b2", "b3"])
    assert send(trial, event(trial, "c0")) == ([], ["c0"])
    assert Event.objects.count() == 5


def test_the_limit_is_one_that_no_listener_reaches() -> None:
    assert services.MAX_PER_TRIAL == 5_000
