"""Answers to trials: a trial is shown, its sounds are heard, its answer is recorded once.

Any call here may come twice, late, or from two tabs at once; the repetition changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare

from studyapp.core import clock
from studyapp.core.database.durability import on_disk_with_the_next
from studyapp.core.database.prepared import prepared_update
from studyapp.core.errors import NotHeardError, ParticipationError
from studyapp.models import Participation, Response, Trial
from studyapp.models.steps import Step
from studyapp.models.trial_kinds import NONE
from studyapp.participation.selectors import participations as participation_selectors
from studyapp.participation.selectors import trials as selectors
from studyapp.participation.services import assignment, leases, steps
from studyapp.participation.services.events import EventData, record_events, store
from studyapp.participation.services.participations import complete

HEARD_SHARE = 0.9
"""Share of the sounds' length that must pass, by the server's clock, before an answer counts."""


def show_trial(*, trial: Trial) -> Trial:
    """Start the trial's clock when it is first shown.

    Raises `ParticipationError` if the trial no longer exists because the participant withdrew.
    """
    if trial.shown_at is None:
        now = clock.now()
        with on_disk_with_the_next():
            is_first = _set_shown(trial.pk, now)
        if is_first:
            trial.shown_at = now
            return trial
        try:
            trial.refresh_from_db(fields=["shown_at"])  # another tab was first
        except Trial.DoesNotExist as error:
            raise ParticipationError("the trial was erased") from error
    return trial


@prepared_update
def _set_shown(trial: int, now: datetime) -> tuple[QuerySet[Trial], dict[str, Any]]:
    return Trial.objects.filter(pk=trial, shown_at=None), {"shown_at": now}


def record_response(
    *,
    trial: Trial,
    choice: int,
    confidence: int,
    key: str,
    free_text: str = "",
    events: Sequence[EventData] = (),
) -> Response:
    """Store the answer to the current trial; the last one completes the participation.

    `choice` is a position, or `NONE` for the answer that chooses nothing. `events` are stored
    first, even if the answer is then refused.

    For a trial that is already answered, returns the stored answer and changes nothing. Raises
    `NotHeardError` before all sounds were heard, `PlaceLostError` when the lease has expired
    and the place is gone, `ParticipationError` for a trial that is not the current one or a wrong
    key.
    """
    answered = _stored(trial)
    if answered is not None:
        return answered
    assignment.keep_place(participation=trial.participation)
    try:
        with transaction.atomic():
            participation = participation_selectors.locked(trial.participation_id)
            if events:
                store(participation, events)
            given = selectors.responses_in_order(participation)
            if given.get(trial.pk) is not None:
                return Response.objects.get(trial=trial)
            unanswered = [pk for pk, response in given.items() if response is None]
            try:
                _check(participation, trial, unanswered, key)
            except ParticipationError as error:
                refusal = error  # raised below, after the commit: the events stay
            else:
                is_last = unanswered == [trial.pk]
                return _answer(participation, trial, is_last, choice, confidence, free_text)
    except IntegrityError:
        # Two tabs at once: the unique constraint let one in, and that one counts.
        winner = Response.objects.filter(trial=trial).first()
        if winner is None:
            raise
        record_events(participation=trial.participation, events=events)  # rolled back as well
        return winner
    raise refusal


def check_heard(*, trial: Trial) -> None:
    """Raise `NotHeardError` unless all of its sounds were heard to the end.

    Each needs its event `ended`, and enough time must have passed by the server's clock to hear
    them. Simulated participations may run on a faster clock. If the server's clock was set back
    after the trial was shown, it cannot tell how much time passed: then only the events count.
    """
    kind = trial.participation.study.kind
    missing = set(kind.numbers) - selectors.heard_clips(trial)
    if missing:
        raise NotHeardError(f"sounds not heard to the end: {sorted(missing)}")
    _check_listening(trial)
    if trial.participation.simulated:
        return
    elapsed = _elapsed_ms(trial)
    if 0 <= elapsed < HEARD_SHARE * selectors.seconds_of(trial) * 1000:
        raise NotHeardError("less time has passed than the sounds last")


def _check_listening(trial: Trial) -> None:
    """Raise `NotHeardError` if the study asks for more seconds than the events report.

    When a label was chosen only the page knows; that it was heard long enough is checked here.
    """
    least = trial.participation.study.hear_before_choosing
    if not least:
        return
    heard = selectors.heard_ms_of(trial)
    for clip, seconds in enumerate(selectors.lengths_of(trial), start=1):
        if heard.get(clip, 0) < HEARD_SHARE * 1000 * min(least, seconds):
            raise NotHeardError(f"sound {clip} was heard for less than {least} seconds")


def _stored(trial: Trial) -> Response | None:
    return trial.response if hasattr(trial, "response") else None


def _check(participation: Participation, trial: Trial, unanswered: list[int], key: str) -> None:
    """Raise why the answer cannot be taken; against locked rows."""
    _check_turn(participation, trial, unanswered, key)
    leases.check(participation=participation)
    check_heard(trial=trial)


def _answer(
    participation: Participation,
    trial: Trial,
    is_last: bool,
    choice: int,
    confidence: int,
    free_text: str,
) -> Response:
    none = participation.study.kind.none_answer
    response = Response.objects.create(
        trial=trial,
        choice=None if choice == NONE else choice,
        answer=none if choice == NONE else Response.Answer.CHOSEN,
        confidence=confidence,
        free_text=free_text,
        response_ms=_response_ms(trial),
        answered_at=clock.now(),
    )
    _advance(participation, is_last=is_last)
    return response


def _check_turn(
    participation: Participation, trial: Trial, unanswered: list[int], key: str
) -> None:
    step = Step.PRACTICE if trial.kind == Trial.Kind.PRACTICE else Step.TRIAL
    if participation_selectors.step_of(participation) != step:
        raise ParticipationError(f"{participation} accepts no more answers: {participation.status}")
    if unanswered[:1] != [trial.pk]:
        raise ParticipationError("the answer is not for the current trial")
    if not constant_time_compare(trial.key, key):
        raise ParticipationError("the answer's key does not match the trial's")


def _advance(participation: Participation, *, is_last: bool) -> None:
    """Renew the lease; after the last trial go on to the next step, or complete."""
    if is_last and participation.study.steps[-1] == Step.TRIAL:
        complete(participation)
        return
    leases.renew(participation=participation, has_answered=True)
    if is_last:
        steps.pass_step(participation=participation, step=Step.TRIAL, data={})


def _elapsed_ms(trial: Trial) -> int:
    """Milliseconds since the trial was first shown, by the server's clock; 0 if never shown.

    Negative if that clock was set back in between.
    """
    return 0 if trial.shown_at is None else clock.elapsed_ms(trial.shown_at)


def _response_ms(trial: Trial) -> int:
    """How long the answer took; if the clock was set back, the shortest time possible."""
    elapsed = _elapsed_ms(trial)
    return elapsed if elapsed >= 0 else round(1000 * selectors.seconds_of(trial))
