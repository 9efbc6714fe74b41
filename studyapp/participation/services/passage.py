"""What a participant does: begin, consent, refuse, answer. Written nowhere else.

Everything here may come twice, late, or from two tabs at once, and then changes nothing. What ends
or begins something locks the participation's row first and then looks at its status.
"""

from __future__ import annotations

import secrets

from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare

from studyapp import texts
from studyapp.core import clock
from studyapp.core.errors import (
    NotHeardError,
    ParticipationError,
    StudyFullError,
    StudyUnavailableError,
    TakenPartError,
)
from studyapp.models import EntryToken, Participation, Response, Study, Trial
from studyapp.models.steps import Step
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import arrivals, assignment, leases, steps
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services import entry as recruitment
from studyapp.studies.services.allocation import ALGORITHM

HEARD_SHARE = 0.9
"""Share of the sounds' length that must pass, by the server's clock, before an answer counts."""


def begin(
    *,
    study: Study,
    external_key: str = "",
    person_key: str = "",
    submission: str = "",
    simulated: bool = False,
    entry: EntryToken | None = None,
    address: str = "",
) -> Participation:
    """A new participation of an open study, or the one that this external key already has.

    Raises `StudyUnavailableError` unless the study is open, `StudyFullError` when it has no place,
    `NotInvitedError` when the token `entry` may begin no more, `TakenPartError` when the person
    has a participation already by another submission, `CrowdedError` when too many began from
    `address` today.
    """
    known = selectors.by_external_key(slug=study.slug, key=external_key)
    if known is not None:
        return known
    if recruitment_selectors.of_person(study, person_key) is not None:
        raise TakenPartError("the person has a participation by another submission")
    if study.state != Study.State.OPEN:
        raise StudyUnavailableError(f"{study} is {study.state}")
    if assignment.is_full(study, simulated=simulated):
        raise StudyFullError(f"{study} is full")
    key = "" if simulated else arrivals.address_key(address)
    arrivals.check_begun(study=study, key=key, entry=entry, submission=submission)
    try:
        with transaction.atomic():
            begun = Participation.objects.create(
                study=study,
                identifier=f"p{secrets.token_hex(8)}",
                external_key=external_key,
                address_key=key,
                person_key=person_key,
                submission=submission,
                simulated=simulated,
                seed=secrets.randbits(63),
                algorithm=ALGORITHM,
            )
            if entry is not None:
                recruitment.attach(participation=begun, token=entry)
            return begun
    except IntegrityError:
        # The same link opened twice at once: the other one was first.
        known = selectors.by_external_key(slug=study.slug, key=external_key)
        if known is not None:
            return known
        if person_key:
            raise TakenPartError("the person came by another submission at once") from None
        raise


def consent(*, participation: Participation) -> Participation:
    """Record the consent and draw condition and trials, in one transaction.

    Raises what `assignment.assign` raises, and then nothing is recorded: so does a consent after
    the participation has ended.
    """
    study, language = participation.study, participation.language
    version = texts.version_of(texts.of_study(study, "consent_text", language))
    with transaction.atomic():
        assignment.assign(participation=participation)
        recruitment.use_token(participation=participation)
        _once(participation, "consented_at", consent_version=version)
    return participation


def refuse(*, participation: Participation) -> Participation:
    """End the participation without consent. Who has consented already is past this question."""
    Participation.objects.filter(
        pk=participation.pk, status=Participation.Status.ACTIVE, consented_at=None
    ).update(
        status=Participation.Status.REFUSED,
        finished_at=clock.now(),
        ending_code=recruitment.code_for(study=participation.study, ending="no_consent"),
    )
    participation.refresh_from_db()
    return participation


def instructed(*, participation: Participation) -> Participation:
    """Record that the instructions were read. Raises `ParticipationError` before consent."""
    if participation.consented_at is None:
        raise ParticipationError("instructions come after consent")
    _once(participation, "instructed_at")
    leases.renew(participation=participation)
    return participation


def show_trial(*, trial: Trial) -> Trial:
    """Start the trial's clock at its first showing.

    Raises `ParticipationError` if the trial is gone: it was erased by a withdrawal.
    """
    if trial.shown_at is None:
        now = clock.now()
        if Trial.objects.filter(pk=trial.pk, shown_at=None).update(shown_at=now):
            trial.shown_at = now
            return trial
        try:
            trial.refresh_from_db(fields=["shown_at"])  # another tab was first
        except Trial.DoesNotExist as error:
            raise ParticipationError("the trial was erased") from error
    return trial


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
        winner = Response.objects.filter(trial=trial).first()
        if winner is None:
            raise
        return winner


def check_heard(*, trial: Trial) -> None:
    """Raise `NotHeardError` unless all three sounds were heard to the end.

    Each needs its event `ended`, and the server's clock must agree that there was time to hear
    them. Simulated participations may run on a faster clock. A clock that was set back since the
    showing cannot tell the time: then the events decide.
    """
    missing = {1, 2, 3} - selectors.heard_clips(trial)
    if missing:
        raise NotHeardError(f"sounds not heard to the end: {sorted(missing)}")
    if trial.participation.simulated:
        return
    elapsed = _elapsed_ms(trial)
    if 0 <= elapsed < HEARD_SHARE * selectors.seconds_of(trial) * 1000:
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
    leases.check(participation=participation)
    check_heard(trial=trial)
    response = Response.objects.create(
        trial=trial,
        choice=choice,
        confidence=confidence,
        free_text=free_text,
        response_ms=_response_ms(trial),
        answered_at=clock.now(),
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


def _go_on(participation: Participation, *, is_last: bool) -> None:
    """Renew the lease; after the last trial go on to the next step, or complete."""
    if is_last and participation.study.steps[-1] == Step.TRIAL:
        complete(participation)
        return
    leases.renew(participation=participation, has_answered=True)
    if is_last:
        steps.pass_step(participation=participation, step=Step.TRIAL, data={})


def complete(participation: Participation) -> None:
    """Complete and make the code; inside the transaction that commits the last answer.

    The row is locked by the caller, who has seen it active.
    """
    now = clock.now()
    participation.status = Participation.Status.COMPLETE
    participation.completion_code = recruitment.code_for(
        study=participation.study, ending="complete"
    )
    participation.finished_at = now
    participation.lease_expires_at = now + leases.length(participation.study)
    fields = ["status", "completion_code", "finished_at", "lease_expires_at"]
    participation.save(update_fields=fields)


def _elapsed_ms(trial: Trial) -> int:
    """Milliseconds since the trial's first showing, by the server's clock; 0 if never shown.

    Negative where that clock was set back since.
    """
    return 0 if trial.shown_at is None else clock.elapsed_ms(trial.shown_at)


def _response_ms(trial: Trial) -> int:
    """The time that the answer took; where the clock was set back, what it took at the least."""
    elapsed = _elapsed_ms(trial)
    return elapsed if elapsed >= 0 else round(1000 * selectors.seconds_of(trial))


def _once(participation: Participation, field: str, **beside: str) -> None:
    """Set a time, and what comes with it, only once and only of an active participation."""
    Participation.objects.filter(
        pk=participation.pk, status=Participation.Status.ACTIVE, **{field: None}
    ).update(**{field: clock.now()}, **beside)
    participation.refresh_from_db(fields=[field, *beside])
