"""The questionnaire: the last step, whose answers complete the participation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from studyapp.models import Participation
from studyapp.models.steps import Step
from studyapp.participation.services import steps
from studyapp.participation.services.participations import complete


def begin_questionnaire(*, participation: Participation) -> None:
    """Record that the page was opened."""
    steps.begin(participation=participation, step=Step.QUESTIONNAIRE, make=dict)


def record_questionnaire(*, participation: Participation, answers: Mapping[str, Any]) -> None:
    """Store the answers and complete, in one transaction. Skipped questions are not stored.

    Raises `ParticipationError` if this is not the current step or the place is lost.
    """
    with transaction.atomic():
        row = steps.locked(participation=participation, step=Step.QUESTIONNAIRE).participation
        steps.pass_step(
            participation=row,
            step=Step.QUESTIONNAIRE,
            data={
                "answers": {
                    name: str(given) for name, given in answers.items() if given not in (None, "")
                }
            },
        )
        complete(row)
