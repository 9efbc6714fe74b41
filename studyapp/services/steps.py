"""Steps beside consent and trials: begun, passed, or the end. Each may be asked twice."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from studyapp.errors import ParticipationError
from studyapp.models import Participation, StepRecord
from studyapp.selectors import participation as selectors
from studyapp.services import recruitment
from studyapp.steps import Step

Data = dict[str, Any]
ENDINGS = {Participation.Screening.DEVICE.value: "incompatible_device"}
"""Reason of a screening → the ending whose code it gives; all others are `screened_out`."""


def begin(*, participation: Participation, step: str, make: Callable[[], Data]) -> StepRecord:
    """The step's record, with `make()` as its data when this is the first visit."""
    known = StepRecord.objects.filter(participation=participation, step=step).first()
    if known is not None:
        return known
    record, _ = StepRecord.objects.get_or_create(
        participation=participation, step=step, defaults={"data": make()}
    )
    return record


def locked(*, participation: Participation, step: Step) -> StepRecord:
    """The current step's record, locked in this transaction.

    Raises `ParticipationError` if the participation does not stand there or has not begun it.
    """
    Participation.objects.select_for_update(of=("self",)).get(pk=participation.pk)
    participation.refresh_from_db()
    if selectors.step_of(participation) != step:
        raise ParticipationError(f"{participation} is not at {step}")
    record = StepRecord.objects.filter(participation=participation, step=step).first()
    if record is None:
        raise ParticipationError(f"{participation} has not begun {step}")
    return record


def pass_step(*, participation: Participation, step: str, data: Mapping[str, Any]) -> None:
    """Record the step as done; the first time counts."""
    record = begin(participation=participation, step=step, make=dict)
    StepRecord.objects.filter(pk=record.pk, done_at=None).update(
        done_at=timezone.now(), data=record.data | dict(data)
    )


def screen_out(*, participation: Participation, reason: str) -> Participation:
    """End an active participation that cannot go on; its place is free at once."""
    with transaction.atomic():
        one = Participation.objects.select_for_update(of=("self",)).select_related("study")
        row = one.get(pk=participation.pk)
        if row.status == Participation.Status.ACTIVE:
            row.status = Participation.Status.SCREENED_OUT
            row.screened_for = reason
            ending = ENDINGS.get(reason, "screened_out")
            row.ending_code = recruitment.code_for(study=row.study, ending=ending)
            row.finished_at = timezone.now()
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
