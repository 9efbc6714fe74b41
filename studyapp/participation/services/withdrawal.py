"""Withdrawal: everything a participant gave is erased and the place is freed.

What remains is the participation's row with its pseudonym, study, status and time. The keyed hash
of the outside identifiers stays too, so that the same link leads to the page that says "withdrawn"
and cannot begin again; nobody can be identified by it. So does the hash of the address until its
day is over: otherwise a visitor could begin any number by withdrawing each time. And so does what
the recruiting service was asked to do about the submission: it is the record of payments. Exports
never contain a withdrawn row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from studyapp.core import audit, clock
from studyapp.core.errors import ParticipationError
from studyapp.models import Event, Participation, ProblemReport, StepRecord, Trial
from studyapp.participation.services import assignment, tallies

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

WITHDRAWABLE = (
    Participation.Status.ACTIVE,
    Participation.Status.COMPLETE,
    Participation.Status.RETURNED,
    Participation.Status.TIMED_OUT,
    Participation.Status.SCREENED_OUT,
)


def withdraw(*, participation: Participation) -> Participation:
    """Erase the participation's data and keep only its withdrawn row. Repeating changes nothing.

    A completion code that was earned is kept as the ending's code: nobody loses their pay by
    withdrawing. Raises `ParticipationError` after a refusal: there is nothing to withdraw.
    """
    with transaction.atomic():
        # The study is locked first, as in `assignment`, so that the freed place is counted once.
        assignment.locked_study(participation)
        row = Participation.objects.select_for_update(no_key=True).get(pk=participation.pk)
        if row.status == Participation.Status.WITHDRAWN:
            participation.refresh_from_db()
            return participation
        if row.status not in WITHDRAWABLE:
            raise ParticipationError(f"{row} is {row.status}: there is nothing to withdraw")
        tallies.take_out(row)
        _delete_answers(row)
        _clear_row(row)
    participation.refresh_from_db()
    return participation


def withdraw_on_request(
    *, participation: Participation, reason: str, user: User | AnonymousUser | None
) -> None:
    """Withdraw someone who asked for it, by e-mail for example; recorded with the reason.

    Raises `ParticipationError` without a reason, and as `withdraw` does.
    """
    if not reason.strip():
        raise ParticipationError("give a reason for the withdrawal, without names")
    if participation.status == Participation.Status.WITHDRAWN:
        raise ParticipationError(f"{participation} was withdrawn before")
    with transaction.atomic():
        withdraw(participation=participation)
        audit.note(
            user=user, action="withdrew a participation", target=participation.study,
            project=participation.study.project, participation=participation.identifier,
            reason=reason.strip()[:500],
        )  # fmt: skip


def _delete_answers(row: Participation) -> None:
    Event.objects.filter(participation=row).delete()
    ProblemReport.objects.filter(participation=row).delete()
    # Repeats first: each refers to the trial that it repeats.
    Trial.objects.filter(participation=row, kind=Trial.Kind.REPEAT).delete()
    Trial.objects.filter(participation=row).delete()
    StepRecord.objects.filter(participation=row).delete()


def _clear_row(row: Participation) -> None:
    """Clear every field of the row that could reveal anything about the person or the answers."""
    row.status = Participation.Status.WITHDRAWN
    row.ending_code = row.completion_code or row.ending_code
    row.completion_code = ""
    row.condition = None
    row.draw = {}
    row.device = {}
    row.seed = 0
    row.screened_for = ""
    row.consent_version = ""
    row.consented_at = row.instructed_at = row.assigned_at = row.lease_expires_at = None
    row.finished_at = clock.now()
    row.save()
