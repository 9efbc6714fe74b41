"""The course of a participation: begin, consent or refuse, read the instructions, complete.

Any call here may come twice, late, or from two tabs at once; the repetition changes nothing. Code
that begins or ends something locks the participation's row first and then checks its status.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from studyapp import texts
from studyapp.core import clock
from studyapp.core.errors import (
    ParticipationError,
    StudyFullError,
    StudyUnavailableError,
    TakenPartError,
    TookPartBeforeError,
)
from studyapp.models import EntryToken, Participation, Study
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.services import address_limit, assignment, leases
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services import configuration, tokens
from studyapp.studies.services.allocation import ALGORITHM


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
    """A new participation in an open study, or the one that already has this external key.

    Raises `StudyUnavailableError` unless the study is open, `StudyFullError` when no place is
    free, `NotInvitedError` when the token `entry` is used up, `TakenPartError` when the person
    already takes part through another submission, `TookPartBeforeError` when the person took part
    in a study that this one excludes, `CrowdedError` when too many participations
    have begun from `address` today.
    """
    known = selectors.by_external_key(slug=study.slug, key=external_key)
    if known is not None:
        return known
    if recruitment_selectors.of_person(study, person_key) is not None:
        raise TakenPartError("the person already takes part through another submission")
    if recruitment_selectors.took_part_before(study, person_key):
        raise TookPartBeforeError("the person took part in a study that this one excludes")
    if study.state != Study.State.OPEN:
        raise StudyUnavailableError(f"{study} is {study.state}")
    if assignment.is_full(study, simulated=simulated):
        raise StudyFullError(f"{study} is full")
    key = "" if simulated else address_limit.address_key(address)
    address_limit.check_begun(study=study, key=key, entry=entry, submission=submission)
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
                tokens.attach(participation=begun, token=entry)
            return begun
    except IntegrityError:
        # The same link was opened twice at once, and the other request was first.
        known = selectors.by_external_key(slug=study.slug, key=external_key)
        if known is not None:
            return known
        if person_key:
            raise TakenPartError(
                "the person came through another submission at the same time"
            ) from None
        raise


def consent(
    *, participation: Participation, device: Mapping[str, Any] | None = None
) -> Participation:
    """Record the consent and draw condition and trials, in one transaction.

    `device` is what the consent page said would be recorded of the participant's device.

    Raises what `assignment.assign` raises, also if the participation has already ended; then
    nothing is recorded.
    """
    study, language = participation.study, participation.language
    version = texts.version_of(texts.of_study(study, "consent_text", language))
    with transaction.atomic():
        assignment.assign(participation=participation)
        tokens.use_token(participation=participation)
        _set_once(participation, "consented_at", consent_version=version, device=dict(device or {}))
    return participation


def refuse(*, participation: Participation) -> Participation:
    """End the participation without consent. After a consent this changes nothing."""
    Participation.objects.filter(
        pk=participation.pk, status=Participation.Status.ACTIVE, consented_at=None
    ).update(
        status=Participation.Status.REFUSED,
        finished_at=clock.now(),
        ending_code=configuration.code_for(study=participation.study, ending="no_consent"),
    )
    participation.refresh_from_db()
    return participation


def finish_instructions(*, participation: Participation) -> Participation:
    """Record that the instructions were read. Raises `ParticipationError` before consent."""
    if participation.consented_at is None:
        raise ParticipationError("instructions come after consent")
    with transaction.atomic():
        _set_once(participation, "instructed_at")
        leases.renew(participation=participation)
    return participation


def complete(participation: Participation) -> None:
    """Complete and create the code, inside the transaction that commits the last answer.

    The caller holds the row's lock and has checked that the participation is active.
    """
    now = clock.now()
    participation.status = Participation.Status.COMPLETE
    participation.completion_code = configuration.code_for(
        study=participation.study, ending="complete"
    )
    participation.finished_at = now
    participation.lease_expires_at = now + leases.length(participation.study)
    fields = ["status", "completion_code", "finished_at", "lease_expires_at"]
    participation.save(update_fields=fields)


def _set_once(participation: Participation, field: str, **others: Any) -> None:
    """Set a time and any other fields, only once and only while the participation is active."""
    values = {field: clock.now(), **others}
    unset = Participation.objects.filter(
        pk=participation.pk, status=Participation.Status.ACTIVE, **{field: None}
    )
    if not unset.update(**values):
        participation.refresh_from_db(fields=list(values))
        return
    for name, value in values.items():
        setattr(participation, name, value)
