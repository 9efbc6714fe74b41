"""The questionnaire's answers; where it is the last step, they complete the participation."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from studyapp.models import Participation
from studyapp.models.steps import Step
from studyapp.participation.services import steps
from studyapp.participation.services.passage import complete


def begin_questionnaire(*, participation: Participation) -> None:
    """The page was opened."""
    steps.begin(participation=participation, step=Step.QUESTIONNAIRE, make=dict)


def record_questionnaire(*, participation: Participation, answers: Mapping[str, str]) -> None:
    """Store the answers and complete, in one transaction. Answers that were left out are absent.

    Raises `ParticipationError` where the participation does not stand there or has no place.
    """
    with transaction.atomic():
        row = steps.locked(participation=participation, step=Step.QUESTIONNAIRE).participation
        steps.pass_step(
            participation=row,
            step=Step.QUESTIONNAIRE,
            data={"answers": {name: code for name, code in answers.items() if code}},
        )
        complete(row)
