"""No participant is stranded when the server's clock is set back or jumps ahead for a moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from studyapp.core import clock
from studyapp.core.errors import NotHeardError, PlaceLostError
from studyapp.models import Participation, Response, Study, Trial
from studyapp.participation.services import assignment, participations
from studyapp.participation.services.answers import record_response, show_trial
from studyapp.participation.services.events import EventData, record_events
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db
SetClock = Callable[[timedelta], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Shifts the database's clock."""
    true = clock.now

    def off(by: timedelta) -> None:
        monkeypatch.setattr(clock, "now", lambda: true() + by)

    return off


@pytest.fixture
def study() -> Study:
    """A study with two places."""
    return make_study(features=3, trials_per_participation=3)


def arrive(study: Study) -> Participation:
    someone = participations.consent(participation=participations.begin(study=study))
    return participations.finish_instructions(participation=someone)


def heard(someone: Participation) -> Trial:
    trial = show_trial(trial=someone.trials.get(number=1))
    events = [EventData(trial.token, "ended", 1, f"{trial.pk}-{clip}", clip) for clip in (1, 2, 3)]
    record_events(participation=someone, events=events)
    return trial


def answer(trial: Trial) -> Response:
    return record_response(trial=trial, choice=1, confidence=3, key=trial.key)


def test_it_is_the_databases_clock() -> None:
    assert abs(clock.now() - timezone.now()) < timedelta(seconds=5)
    assert clock.now().tzinfo is not None


def test_where_the_clock_was_set_back_what_was_heard_counts_by_its_events(
    study: Study, set_clock: SetClock
) -> None:
    trial = heard(arrive(study))
    with pytest.raises(NotHeardError, match="less time has passed"):
        answer(trial)
    set_clock(timedelta(hours=-1))
    # Three sounds of a second each, so the answer took that long at the least.
    assert answer(trial).response_ms == 3_000


def test_where_the_clock_was_set_back_the_events_are_still_needed(
    study: Study, set_clock: SetClock
) -> None:
    someone = arrive(study)
    trial = show_trial(trial=someone.trials.get(number=1))
    set_clock(timedelta(hours=-1))
    with pytest.raises(NotHeardError, match="not heard to the end"):
        answer(trial)


def test_a_clock_that_jumps_ahead_takes_no_place_for_good(
    study: Study, set_clock: SetClock
) -> None:
    someone = arrive(study)
    trial = heard(someone)
    set_clock(timedelta(hours=2))
    arrive(study), arrive(study)
    with pytest.raises(PlaceLostError):
        assignment.keep_place(participation=someone)
    set_clock(timedelta())
    Trial.objects.filter(pk=trial.pk).update(shown_at=timezone.now() - timedelta(minutes=1))
    assert answer(Trial.objects.get(pk=trial.pk)).choice == 1
