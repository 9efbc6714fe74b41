"""Two things happen to one participation, in both orders and at the same moment.

On SQLite one waits for the other's whole transaction; on PostgreSQL only for its rows, which it has
read before. The outcomes are the same.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from studyapp.core import clock
from studyapp.core.errors import ParticipationError
from studyapp.models import Event, Participation, Response, StepRecord, Study, Trial
from studyapp.models.steps import Step
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.services import assignment, participations, questionnaire, steps
from studyapp.participation.services.answers import record_response
from studyapp.participation.services.events import EventData, record_events
from studyapp.participation.services.withdrawal import withdraw
from studyapp.recruitment.services import entry
from studyapp.studies.services import frames
from tests.studyapp.factories import make_study
from tests.studyapp.participation.services.test_tallies import counted_one_by_one
from tests.studyapp.races import Work, at_once, in_order

pytestmark = pytest.mark.django_db(transaction=True)
TRIALS = 1
REFUSED = "ParticipationError"


def study_with(*, questionnaire: bool) -> Study:
    """One trial per participation, and room for everyone."""
    after = ["questionnaire"] if questionnaire else []
    return make_study(
        features=3, trials_per_participation=TRIALS, ratings_per_item=90,
        steps=["consent", "instructions", "trial", *after],
    )  # fmt: skip


def at_last_trial(study: Study) -> Participation:
    """A participation at its only trial, all heard, with an expired lease and a free place."""
    someone = participations.consent(participation=participations.begin(study=study))
    participations.finish_instructions(participation=someone)
    trial = someone.trials.get()
    past = timezone.now() - timedelta(minutes=10)
    Trial.objects.filter(pk=trial.pk).update(shown_at=past)
    hear(someone, "before")
    return lapsed(someone)


def at_questionnaire(study: Study) -> Participation:
    """A participation that has answered its trial and whose lease is running."""
    someone = at_last_trial(study)
    _answer(someone)()
    questionnaire.begin_questionnaire(participation=someone)
    return Participation.objects.select_related("study").get(pk=someone.pk)


def lapsed(someone: Participation) -> Participation:
    past = timezone.now() - timedelta(minutes=1)
    Participation.objects.filter(pk=someone.pk).update(lease_expires_at=past)
    return Participation.objects.select_related("study").get(pk=someone.pk)


def hear(someone: Participation, name: str) -> None:
    token = someone.trials.get().token
    events = [EventData(token, "ended", 1, f"{name}-{clip}", clip) for clip in (1, 2, 3)]
    record_events(participation=someone, events=events)


def _answer(someone: Participation) -> Work:
    trial = Trial.objects.select_related("participation__study").get(participation=someone)
    return lambda: record_response(trial=trial, choice=1, confidence=3, key=trial.key)


def _consented(study: Study) -> Participation:
    """Somebody else, for whom all others are counted."""
    return participations.consent(participation=participations.begin(study=study))


def _events(someone: Participation) -> Work:
    token = someone.trials.get().token
    events = [EventData(token, "play", 5, "late", 1)]
    return lambda: record_events(participation=someone, events=events)


def _ended(status: str) -> Callable[[Participation], Work]:
    return lambda someone: lambda: entry.reclaim(participation=someone, status=status)


ACTIONS: dict[str, Callable[[Participation], Work]] = {
    "withdraw": lambda someone: lambda: withdraw(participation=someone),
    "keep": lambda someone: lambda: assignment.keep_place(participation=someone),
    "returned": _ended("returned"),
    "timed_out": _ended("timed_out"),
    "screen_out": lambda someone: (
        lambda: steps.screen_out(participation=someone, reason="headphones")
    ),
    "answer": _answer,
    "questionnaire": lambda someone: (
        lambda: questionnaire.record_questionnaire(
            participation=someone, answers={"age_band": "25-34"}
        )
    ),
    "events": _events,
    "another": lambda someone: lambda: _consented(someone.study),
}
"""Each prepares its work with rows that it read before anything else happened."""
ENDS = {
    "withdraw": "withdrawn", "returned": "returned", "timed_out": "timed_out",
    "screen_out": "screened_out", "answer": "complete", "questionnaire": "complete",
}  # fmt: skip
AT_TRIAL = [name for name in ACTIONS if name != "questionnaire"]
AT_QUESTIONNAIRE = [name for name in ACTIONS if name not in ("answer", "keep", "another")]


def expected(first: str, second: str) -> str:
    """The final status: the first ending stands, but a participant may still withdraw later."""
    if second == "withdraw":
        return "withdrawn"
    return ENDS.get(first) or ENDS.get(second) or "active"


def check(someone: Participation) -> Participation:
    """Whatever came first: the row is consistent, and a withdrawal has left nothing."""
    row = Participation.objects.get(pk=someone.pk)
    assert (row.finished_at is None) == (row.status == "active")
    assert bool(row.completion_code) == (row.status == "complete")
    if row.status == "withdrawn":
        for model in (Trial, Event, StepRecord):
            assert not model.objects.filter(participation=row).exists()  # type: ignore[attr-defined]
        assert (row.condition, row.lease_expires_at, row.consented_at) == (None, None, None)
    if row.status == "returned":
        assert row.lease_expires_at is None
    counted = assignment.state_of(row.study, clock.now())
    assert counted == counted_one_by_one(row.study, simulated=False)
    return row


@pytest.mark.parametrize("first", AT_TRIAL)
def test_at_the_last_trial_the_first_end_holds(first: str) -> None:
    study = study_with(questionnaire=False)
    for second in AT_TRIAL:
        someone = at_last_trial(study)
        works = [ACTIONS[name](someone_as_read(someone)) for name in (first, second)]
        refused = in_order(*works)
        assert check(someone).status == expected(first, second), (first, second, refused)
        assert refused[0] == ""


@pytest.mark.parametrize("other", AT_QUESTIONNAIRE)
def test_at_the_questionnaire_the_first_end_holds(other: str) -> None:
    study = study_with(questionnaire=True)
    for pair in {(other, "questionnaire"), ("questionnaire", other)}:
        someone = at_questionnaire(study)
        in_order(*[ACTIONS[name](someone_as_read(someone)) for name in pair])
        assert check(someone).status == expected(*pair), pair


def test_everything_at_the_same_moment() -> None:
    study = study_with(questionnaire=False)
    for names in itertools.islice(itertools.combinations(AT_TRIAL, 4), 0, None, 3):
        someone = at_last_trial(study)
        at_once(*[ACTIONS[name](someone_as_read(someone)) for name in names])
        ends = {ENDS.get(name, "active") for name in names}
        status = check(someone).status
        assert status in ends
        assert status == "withdrawn" or "withdraw" not in names


def someone_as_read(someone: Participation) -> Participation:
    """The row as a request reads it, before the other has changed anything."""
    return Participation.objects.select_related("study").get(pk=someone.pk)


def test_of_consent_and_any_end_the_first_holds() -> None:
    study = study_with(questionnaire=False)
    consent: Callable[[Participation], Work] = lambda one: (  # noqa: E731
        lambda: participations.consent(participation=one)
    )
    refuse: Callable[[Participation], Work] = lambda one: (  # noqa: E731
        lambda: participations.refuse(participation=one)
    )
    for end, status in ((refuse, "refused"), (ACTIONS["returned"], "returned")):
        someone = participations.begin(study=study)
        refused = in_order(end(someone_as_read(someone)), consent(someone_as_read(someone)))
        row = check(someone)
        assert (refused, row.status, row.consented_at) == (["", REFUSED], status, None)
        assert (row.trials.count(), row.condition, row.lease_expires_at) == (0, None, None)
    someone = participations.begin(study=study)
    in_order(consent(someone_as_read(someone)), refuse(someone_as_read(someone)))
    row = check(someone)
    assert (row.status, row.trials.count(), bool(row.consented_at)) == ("active", TRIALS, True)


def test_consent_and_refusal_at_the_same_moment_never_mix() -> None:
    study = study_with(questionnaire=False)
    for _ in range(12):
        someone = participations.begin(study=study)
        agreeing, refusing = someone_as_read(someone), someone_as_read(someone)
        at_once(
            lambda agreeing=agreeing: participations.consent(participation=agreeing),  # type: ignore[misc]
            lambda refusing=refusing: participations.refuse(participation=refusing),  # type: ignore[misc]
        )
        row = Participation.objects.get(pk=someone.pk)
        given = (row.trials.count(), bool(row.consented_at), bool(row.condition_id))
        assert (row.status, *given) in {
            ("refused", 0, False, False), ("active", TRIALS, True, True),
        }  # fmt: skip


@pytest.mark.parametrize("status", ["returned", "timed_out", "screened_out", "refused"])
def test_no_place_is_kept_for_participants_who_have_left(status: str) -> None:
    """The page's request read the row before the message arrived."""
    study = study_with(questionnaire=False)
    someone = at_last_trial(study)
    Participation.objects.filter(pk=someone.pk).update(status=status, finished_at=timezone.now())
    assignment.keep_place(participation=someone)
    row = Participation.objects.get(pk=someone.pk)
    assert (row.status, bool(row.finished_at)) == (status, True)
    assert someone.status == status


def test_two_openings_of_one_link_are_one_participation() -> None:
    study = study_with(questionnaire=False)
    for number in range(5):
        key = f"{number}" * 64
        at_once(*[lambda key=key: participations.begin(study=study, external_key=key)] * 4)  # type: ignore[misc]
        assert Participation.objects.filter(external_key=key).count() == 1


def test_a_taken_identifier_is_an_error_and_returns_no_other_participation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = study_with(questionnaire=False)
    monkeypatch.setattr(participations.secrets, "token_hex", lambda length: "0" * 2 * length)
    participations.begin(study=study)
    for key in ("", "a" * 64):
        with pytest.raises(IntegrityError):
            participations.begin(study=study, external_key=key)


def test_the_questionnaire_does_not_take_another_participants_place() -> None:
    study = make_study(
        features=3, trials_per_participation=3, methods=["descriptors"],
        steps=["consent", "instructions", "trial", "questionnaire"],
    )  # fmt: skip
    assert frames.places(study) == 1
    someone = participations.consent(participation=participations.begin(study=study))
    participations.finish_instructions(participation=someone)
    steps.pass_step(participation=someone, step=Step.TRIAL, data={})
    questionnaire.begin_questionnaire(participation=someone)
    someone = lapsed(someone)
    other = participations.consent(participation=participations.begin(study=study))
    with pytest.raises(ParticipationError, match="the lease"):
        questionnaire.record_questionnaire(participation=someone, answers={})
    assert check(someone).status == "active"
    assert selectors.step_of(other) == Step.INSTRUCTIONS


def test_a_new_participation_does_not_wait_for_those_who_are_given_places() -> None:
    """PostgreSQL locks rows; SQLite has only one lock."""
    study = study_with(questionnaire=False)
    someone = participations.begin(study=study)
    order: list[str] = []

    def give_places() -> None:
        assignment.locked_study(someone)
        time.sleep(0.5)
        order.append("given")

    def arrive() -> None:
        time.sleep(0.2)
        participations.begin(study=study)
        order.append("begun")

    def hold() -> None:
        with transaction.atomic():
            give_places()

    at_once(hold, arrive)
    waits = connection.vendor == "sqlite"
    assert order == (["given", "begun"] if waits else ["begun", "given"])


def test_nothing_is_answered_twice_by_many_tabs() -> None:
    study = study_with(questionnaire=False)
    someone = at_last_trial(study)
    at_once(*[_answer(someone) for _ in range(4)])
    assert Response.objects.filter(trial__participation=someone).count() == 1
    assert check(someone).status == "complete"
