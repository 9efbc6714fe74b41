"""How long a place is held: a lease that is renewed by every step and answer.

It is short until the first answer, so that visitors who only open pages do not hold a place long.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from studyapp.core import clock
from studyapp.core.database.prepared import prepared, prepared_update
from studyapp.core.errors import ParticipationError
from studyapp.models import Participation, Response, Study

BEFORE_FIRST_ANSWER = timedelta(minutes=15)
"""The longest lease before the first answer, practice included; shorter where the study's is."""

LONGEST_HOLD = timedelta(hours=12)
"""How long after it was given a place can be held by activity on a page alone; answers always
renew it."""


def length(study: Study) -> timedelta:
    """How long a place is held without activity, once something has been answered."""
    return timedelta(minutes=study.lease_minutes)


def first_length(study: Study) -> timedelta:
    """How long a place is held without activity before the first answer."""
    return min(BEFORE_FIRST_ANSWER, length(study))


def renew(*, participation: Participation, has_answered: bool | None = None) -> None:
    """Restart the lease of an active participation, if it has one.

    `has_answered` says whether anything was answered; None looks it up.
    """
    if has_answered is None:
        has_answered = bool(_an_answer(participation.pk))
    lasts = length if has_answered else first_length
    expires = clock.now() + lasts(participation.study)
    if _set_lease(participation.pk, expires):
        participation.lease_expires_at = expires


@prepared
def _an_answer(participation: int) -> QuerySet[Response, tuple[int]]:
    given = Response.objects.filter(trial__participation=participation)
    return given.order_by().values_list("pk")[:1]


@prepared_update
def _set_lease(
    participation: int, expires: datetime
) -> tuple[QuerySet[Participation], dict[str, Any]]:
    rows = Participation.objects.filter(pk=participation, lease_expires_at__isnull=False)
    return rows.filter(status=Participation.Status.ACTIVE), {"lease_expires_at": expires}


def check(*, participation: Participation) -> None:
    """Raise `ParticipationError` if the lease has expired. The row must be locked.

    An expired lease may be renewed only if there is still room (`assignment.keep_place`).
    """
    expires = participation.lease_expires_at
    if expires is None or expires <= clock.now():
        raise ParticipationError(f"the lease of {participation} has expired")


def seconds_left(participation: Participation) -> int:
    """How long the place is still held, for the warning on the page: 0 without a place.

    By this machine's clock, to save every page a query; what decides is the database's.
    """
    expires = participation.lease_expires_at
    if expires is None or participation.status != Participation.Status.ACTIVE:
        return 0
    return max(0, round((expires - timezone.now()).total_seconds()))


def has_expired(participation: Participation, now: datetime) -> bool:
    """Whether a place was given and its lease has expired."""
    expires = participation.lease_expires_at
    return expires is not None and expires <= now
