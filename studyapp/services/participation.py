"""What a participant does: begin, consent, refuse, answer, be observed. Written nowhere else.

Everything here may come twice, late, or from two tabs at once, and then changes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from studyapp import texts
from studyapp.errors import (
    NotHeardError,
    ParticipationError,
    StudyFullError,
    StudyUnavailableError,
)
from studyapp.models import EntryToken, Event, Participation, Response, Study, Trial
from studyapp.selectors import participation as selectors
from studyapp.services import assignment, recruitment, steps
from studyapp.services.plans import ALGORITHM
from studyapp.steps import Step

HEARD_SHARE = 0.9
"""Share of the sounds' length that must pass, by the server's clock, before an answer counts."""
OBSERVED = frozenset({Participation.Status.ACTIVE, Participation.Status.COMPLETE})
"""Statuses under which events are still taken: the last ones arrive after the last answer."""


@dataclass(frozen=True)
class EventData:
    """One event as the page sent it, its values checked."""

    trial: str
    type: str
    at_ms: int
    sequence: str
    clip: int | None = None
    value: int | None = None


def begin(
    *,
    study: Study,
    external_key: str = "",
    simulated: bool = False,
    entry: EntryToken | None = None,
) -> Participation:
    """A new participation of an open study, or the one that this external key already has.

    Raises `StudyUnavailableError` unless the study is open, `StudyFullError` when it has no place,
    `NotInvitedError` when the token `entry` may begin no more.
    """
    known = selectors.by_external_key(slug=study.slug, key=external_key)
    if known is not None:
        return known
    if study.state != Study.State.OPEN:
        raise StudyUnavailableError(f"{study} is {study.state}")
    if assignment.is_full(study, simulated=simulated):
        raise StudyFullError(f"{study} is full")
    try:
        with transaction.atomic():
            begun = Participation.objects.create(
                study=study,
                identifier=f"p{secrets.token_hex(8)}",
                external_key=external_key,
                simulated=simulated,
                seed=secrets.randbits(63),
                algorithm=ALGORITHM,
            )
            if entry is not None:
                recruitment.bind(participation=begun, token=entry)
            return begun
    except IntegrityError:
        # The same link opened twice at once: the other one was first.
        return Participation.objects.select_related("study").get(
            study=study, external_key=external_key
        )


def consent(*, participation: Participation) -> Participation:
    """Record the consent and draw condition and trials, in one transaction.

    Raises what `assignment.assign` raises, and then nothing is recorded.
    """
    study, language = participation.study, participation.language
    version = texts.version_of(texts.of_study(study, "consent_text", language))
    with transaction.atomic():
        assignment.assign(participation=participation)
        _once(participation, "consented_at", consent_version=version)
    return participation


def refuse(*, participation: Participation) -> Participation:
    """End the participation without consent. Who has consented already is past this question."""
    now = timezone.now()
    Participation.objects.filter(
        pk=participation.pk, status=Participation.Status.ACTIVE, consented_at=None
    ).update(
        status=Participation.Status.REFUSED,
        finished_at=now,
        ending_code=recruitment.code_for(study=participation.study, ending="no_consent"),
    )
    participation.refresh_from_db()
    return participation


def instructed(*, participation: Participation) -> Participation:
    """Record that the instructions were read. Raises `ParticipationError` before consent."""
    if participation.consented_at is None:
        raise ParticipationError("instructions come after consent")
    _once(participation, "instructed_at")
    return participation


def show_trial(*, trial: Trial) -> Trial:
    """Start the trial's clock at its first showing."""
    if trial.shown_at is None:
        now = timezone.now()
        if Trial.objects.filter(pk=trial.pk, shown_at=None).update(shown_at=now):
            trial.shown_at = now
        else:
            # Another tab was first.
            trial.refresh_from_db(fields=["shown_at"])
    return trial


def record_events(
    *, participation: Participation, events: Sequence[EventData]
) -> tuple[list[str], list[str]]:
    """Store what happened on the page; gives the sequences stored and those ignored.

    Ignored are events of trials that are not this participation's or were never shown. The same
    sequence again counts as stored.
    """
    if participation.status not in OBSERVED:
        return [], [event.sequence for event in events]
    tokens = {event.trial for event in events}
    shown = participation.trials.filter(token__in=tokens, shown_at__isnull=False).order_by()
    trials = dict(shown.values_list("token", "pk"))
    known = [event for event in events if event.trial in trials]
    Event.objects.bulk_create(
        [
            Event(
                participation=participation,
                trial_id=trials[event.trial],
                type=event.type,
                clip=event.clip,
                at_ms=event.at_ms,
                value=event.value,
                sequence=event.sequence,
            )
            for event in known
        ],
        ignore_conflicts=True,
    )
    ignored = [event.sequence for event in events if event.trial not in trials]
    return [event.sequence for event in known], ignored


def record_response(
    *, trial: Trial, choice: int, confidence: int, key: str, free_text: str = ""
) -> Response:
    """Store the answer to the current trial; the last one completes and makes the code.

    An answer to an answered trial gives the stored one and changes nothing. Raises
    `NotHeardError` before all three sounds were heard, `PlaceLostError` when the lease ran out and
    the place is gone, `ParticipationError` for a trial that is not the current one or a wrong key.
    """
    answered = _stored(trial)
    if answered is not None:
        return answered
    assignment.keep_place(participation=trial.participation)
    try:
        with transaction.atomic():
            return _answer(trial, choice, confidence, key, free_text)
    except IntegrityError:
        # Two tabs at once: the unique constraint let one in, and that one counts.
        return Response.objects.get(trial=trial)


def check_heard(*, trial: Trial) -> None:
    """Raise `NotHeardError` unless all three sounds were heard to the end.

    Each needs its event `ended`, and the server's clock must agree that there was time to hear
    them. Simulated participations may run on a faster clock.
    """
    missing = {1, 2, 3} - selectors.heard_clips(trial)
    if missing:
        raise NotHeardError(f"sounds not heard to the end: {sorted(missing)}")
    seconds = selectors.seconds_of(trial)
    if _elapsed_ms(trial) < HEARD_SHARE * seconds * 1000 and not trial.participation.simulated:
        raise NotHeardError("less time passed than the sounds last")


def _stored(trial: Trial) -> Response | None:
    return trial.response if hasattr(trial, "response") else None


def _answer(trial: Trial, choice: int, confidence: int, key: str, free_text: str) -> Response:
    """Inside a transaction: every check against rows that are locked."""
    participation = selectors.locked(trial.participation_id)
    passage = selectors.passage(participation)
    if trial.pk in {answer.trial_id for answer in passage.answered}:
        return Response.objects.get(trial=trial)
    _check_turn(participation, trial, passage, key)
    _check_lease(participation)
    check_heard(trial=trial)
    response = Response.objects.create(
        trial=trial,
        choice=choice,
        confidence=confidence,
        free_text=free_text,
        response_ms=_elapsed_ms(trial),
        answered_at=timezone.now(),
    )
    _go_on(participation, is_last=len(passage.answered) + 1 == len(passage.trials))
    return response


def _check_turn(
    participation: Participation, trial: Trial, passage: selectors.Passage, key: str
) -> None:
    step = Step.PRACTICE if trial.kind == Trial.Kind.PRACTICE else Step.TRIAL
    if selectors.step_of(participation) != step:
        raise ParticipationError(f"{participation} takes no answers: {participation.status}")
    if passage.current is None or passage.current.pk != trial.pk:
        raise ParticipationError("the answer is not to the current trial")
    if not constant_time_compare(trial.key, key):
        raise ParticipationError("the answer's key is not the trial's")


def _check_lease(participation: Participation) -> None:
    """Again, under the lock: only a lease that runs may be renewed without asking for room."""
    expires = participation.lease_expires_at
    if expires is None or expires <= timezone.now():
        raise ParticipationError(f"the lease of {participation} ran out meanwhile")


def _go_on(participation: Participation, *, is_last: bool) -> None:
    """Renew the lease; after the last trial go on to the next step, or complete."""
    if is_last and participation.study.steps[-1] == Step.TRIAL:
        complete(participation)
        return
    participation.lease_expires_at = timezone.now() + assignment.lease(participation.study)
    participation.save(update_fields=["lease_expires_at"])
    if is_last:
        steps.pass_step(participation=participation, step=Step.TRIAL, data={})


def complete(participation: Participation) -> None:
    """Complete and make the code; inside the transaction that commits the last answer."""
    now = timezone.now()
    participation.status = Participation.Status.COMPLETE
    participation.completion_code = recruitment.code_for(
        study=participation.study, ending="complete"
    )
    participation.finished_at = now
    participation.lease_expires_at = now + assignment.lease(participation.study)
    fields = ["status", "completion_code", "finished_at", "lease_expires_at"]
    participation.save(update_fields=fields)


def _elapsed_ms(trial: Trial) -> int:
    """Milliseconds since the trial's first showing, by the server's clock; 0 if never shown."""
    if trial.shown_at is None:
        return 0
    return max(0, round((timezone.now() - trial.shown_at).total_seconds() * 1000))


def _once(participation: Participation, field: str, **beside: str) -> None:
    """Set a time, and what comes with it, only once, whoever comes first."""
    Participation.objects.filter(pk=participation.pk, **{field: None}).update(
        **{field: timezone.now()}, **beside
    )
    participation.refresh_from_db(fields=[field, *beside])
