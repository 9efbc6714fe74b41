"""How long a place is held: a lease that steps and answers renew.

It is short until the first answer, so that opening pages holds no place for long.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from studyapp.core import clock
from studyapp.core.errors import ParticipationError
from studyapp.models import Participation, Response, Study

BEFORE_FIRST_ANSWER = timedelta(minutes=15)
"""The longest lease before the first answer, practice included; shorter where the study's is."""


def length(study: Study) -> timedelta:
    """How long a place is held without a sign of life, once something was answered."""
    return timedelta(minutes=study.lease_minutes)


def first_length(study: Study) -> timedelta:
    """The same before the first answer."""
    return min(BEFORE_FIRST_ANSWER, length(study))


def renew(*, participation: Participation, has_answered: bool | None = None) -> None:
    """Let the lease of an active participation that has one begin now.

    Whether something was answered is looked up where the caller does not know.
    """
    if has_answered is None:
        has_answered = Response.objects.filter(trial__participation=participation).exists()
    lasts = length if has_answered else first_length
    expires = clock.now() + lasts(participation.study)
    rows = Participation.objects.filter(pk=participation.pk, lease_expires_at__isnull=False)
    if rows.filter(status=Participation.Status.ACTIVE).update(lease_expires_at=expires):
        participation.lease_expires_at = expires


def check(*, participation: Participation) -> None:
    """Raise `ParticipationError` unless the lease runs; of a row that is locked.

    Only a lease that runs may be renewed without asking for room.
    """
    expires = participation.lease_expires_at
    if expires is None or expires <= clock.now():
        raise ParticipationError(f"the lease of {participation} ran out meanwhile")


def ran_out(participation: Participation, now: datetime) -> bool:
    """Whether a place was given and its lease is over."""
    expires = participation.lease_expires_at
    return expires is not None and expires <= now
