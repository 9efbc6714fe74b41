"""The steps of a participation: begin one, pass it, or end there. Every call may be repeated.

Writing functions lock the participation's row first and check its status, so that nothing is
recorded for a participation that has just ended.
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
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.services import leases
from studyapp.recruitment.services import configuration

Data = dict[str, Any]
ENDINGS = {Participation.Screening.DEVICE.value: "incompatible_device"}
"""Reason for screening out → the ending whose code is given; otherwise `screened_out`."""


def begin(*, participation: Participation, step: str, make: Callable[[], Data]) -> StepRecord:
    """The step's record; the first visit creates it with `make()` as its data.

    Raises `ParticipationError` if there is no record and the participation has ended.
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

    Raises `ParticipationError` if it is not the current step, has not begun, or the place is lost.
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
    """Record the step as done; only the first call counts. The participant's lease is renewed.

    Raises `ParticipationError` if the step had not begun and the participation has ended.
    """
    record = begin(participation=participation, step=step, make=dict)
    StepRecord.objects.filter(pk=record.pk, done_at=None).update(
        done_at=clock.now(), data=record.data | dict(data)
    )
    leases.renew(participation=participation)


def screen_out(*, participation: Participation, reason: str) -> Participation:
    """End an active participation that cannot continue; its place is freed at once."""
    with transaction.atomic():
        row = selectors.locked(participation.pk)
        if row.status == Participation.Status.ACTIVE:
            row.status = Participation.Status.SCREENED_OUT
            row.screened_for = reason
            ending = ENDINGS.get(reason, "screened_out")
            row.ending_code = configuration.code_for(study=row.study, ending=ending)
            row.finished_at = clock.now()
            row.save(update_fields=["status", "screened_for", "ending_code", "finished_at"])
    participation.refresh_from_db()
    return participation


def choose_language(*, participation: Participation, language: str) -> None:
    """Switch the participant's pages to that language, if the study offers it."""
    if language in set(participation.study.languages) - {participation.language}:
        Participation.objects.filter(pk=participation.pk).update(language=language)
        participation.language = language


def tokens(paths: Iterable[str]) -> dict[str, str]:
    """Random token → path. The tokens reveal nothing about the files or the right answers."""
    return {secrets.token_urlsafe(18): path for path in paths}
