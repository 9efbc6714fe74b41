"""Optional steps: begun, passed, or the end. Each may be asked twice.

What writes locks the participation's row first and looks at its status: nothing is recorded of a
participation that has ended meanwhile.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db import transaction

from studyapp.core import clock
from studyapp.core.errors import ParticipationError
from studyapp.models import Participation, StepRecord
from studyapp.models.steps import Step
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import leases
from studyapp.recruitment.services import entry

Data = dict[str, Any]
ENDINGS = {Participation.Screening.DEVICE.value: "incompatible_device"}
"""Reason of a screening → the ending whose code it gives; all others are `screened_out`."""


def begin(*, participation: Participation, step: str, make: Callable[[], Data]) -> StepRecord:
    """The step's record, with `make()` as its data when this is the first visit.

    Raises `ParticipationError` if there is none and the participation has ended.
    """
    known = StepRecord.objects.filter(participation=participation, step=step).first()
    if known is not None:
        return known
    with transaction.atomic():
        row = selectors.locked(participation.pk)
        if row.status != Participation.Status.ACTIVE:
            raise ParticipationError(f"{row} is {row.status}")
        record, _ = StepRecord.objects.get_or_create(
            participation=participation, step=step, defaults={"data": make()}
        )
    return record


def locked(*, participation: Participation, step: Step) -> StepRecord:
    """The current step's record, locked in this transaction.

    Raises `ParticipationError` if the participation does not stand there, has not begun it, or has
    no place any more.
    """
    row = selectors.locked(participation.pk)
    if selectors.step_of(row) != step:
        raise ParticipationError(f"{row} is not at {step}")
    leases.check(participation=row)
    record = StepRecord.objects.filter(participation=row, step=step).first()
    if record is None:
        raise ParticipationError(f"{row} has not begun {step}")
    record.participation = row
    return record


def pass_step(*, participation: Participation, step: str, data: Mapping[str, Any]) -> None:
    """Record the step as done; the first time counts. It renews the participant's lease.

    Raises `ParticipationError` if the step was not begun and the participation has ended.
    """
    record = begin(participation=participation, step=step, make=dict)
    StepRecord.objects.filter(pk=record.pk, done_at=None).update(
        done_at=clock.now(), data=record.data | dict(data)
    )
    leases.renew(participation=participation)


def screen_out(*, participation: Participation, reason: str) -> Participation:
    """End an active participation that cannot go on; its place is free at once."""
    with transaction.atomic():
        row = selectors.locked(participation.pk)
        if row.status == Participation.Status.ACTIVE:
            row.status = Participation.Status.SCREENED_OUT
            row.screened_for = reason
            ending = ENDINGS.get(reason, "screened_out")
            row.ending_code = entry.code_for(study=row.study, ending=ending)
            row.finished_at = clock.now()
            row.save(update_fields=["status", "screened_for", "ending_code", "finished_at"])
    participation.refresh_from_db()
    return participation


def choose_language(*, participation: Participation, language: str) -> None:
    """Show the pages in that language, if the study has it."""
    if language in set(participation.study.languages) - {participation.language}:
        Participation.objects.filter(pk=participation.pk).update(language=language)
        participation.language = language


def tokens(paths: Iterable[str]) -> dict[str, str]:
    """An opaque name for each of these files; the names say nothing of files or answers."""
    return {secrets.token_urlsafe(18): path for path in paths}
