"""Withdrawal: whatever a participant gave is erased, the place is free, a tombstone stays.

The tombstone is the participation's row with its pseudonym, its study, its status and the time. The
keyed hash of the outside identifiers stays too, so that the same link leads to the page that says
"withdrawn" and cannot begin again; with it nobody can be named. So does the address' for the rest
of its day: whoever withdrew each passage could begin any number. Exports never hold a withdrawn
row.
"""

from __future__ import annotations

from django.db import transaction

from studyapp.core import clock
from studyapp.core.errors import ParticipationError
from studyapp.models import Event, Participation, StepRecord, Trial
from studyapp.participation.services import assignment

WITHDRAWABLE = (
    Participation.Status.ACTIVE,
    Participation.Status.COMPLETE,
    Participation.Status.RETURNED,
    Participation.Status.TIMED_OUT,
    Participation.Status.SCREENED_OUT,
)


def withdraw(*, participation: Participation) -> Participation:
    """Erase everything of the participation but its tombstone. A second call changes nothing.

    A code that was earned stays readable as the ending's code: withdrawing costs nobody their pay.
    Raises `ParticipationError` for one that refused: there is nothing to withdraw.
    """
    with transaction.atomic():
        # The study first, as whoever gives away places locks it: the freed place is counted once.
        assignment.locked_study(participation)
        row = Participation.objects.select_for_update(no_key=True).get(pk=participation.pk)
        if row.status == Participation.Status.WITHDRAWN:
            participation.refresh_from_db()
            return participation
        if row.status not in WITHDRAWABLE:
            raise ParticipationError(f"{row} is {row.status}: there is nothing to withdraw")
        _erase(row)
        _bury(row)
    participation.refresh_from_db()
    return participation


def _erase(row: Participation) -> None:
    Event.objects.filter(participation=row).delete()
    # Repeats first: each points at the trial that it repeats.
    Trial.objects.filter(participation=row, kind=Trial.Kind.REPEAT).delete()
    Trial.objects.filter(participation=row).delete()
    StepRecord.objects.filter(participation=row).delete()


def _bury(row: Participation) -> None:
    """What of the row itself could say anything of the person or of the answers."""
    row.status = Participation.Status.WITHDRAWN
    row.ending_code = row.completion_code or row.ending_code
    row.completion_code = ""
    row.condition = None
    row.draw = {}
    row.seed = 0
    row.screened_for = ""
    row.consent_version = ""
    row.consented_at = row.instructed_at = row.assigned_at = row.lease_expires_at = None
    row.finished_at = clock.now()
    row.save()
