"""A study walked through as a participant would, before anybody does.

What is walked is a copy of the study with a link of its own, which nobody can guess and nobody
enters without the preview's cookie. Every page, check and sound is the participants' own, and what
is answered belongs to the copy: it counts in no quota, estimate, export or figure, and goes with
the copy, when the next preview is begun, the draft is discarded, or a day has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from studyapp.core.errors import StudyError
from studyapp.models import (
    Participation,
    Response,
    Study,
    Trial,
)
from studyapp.models.steps import Step
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import passage as services
from studyapp.participation.services import practice, steps
from studyapp.studies.services import preview_copies

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def begin(
    *, study: Study, created_by: User | None, step: str = Step.CONSENT, language: str = ""
) -> Participation:
    """A participation of a fresh copy, standing at that step of the study's.

    The same person's earlier previews of the study go.

    Raises `StudyError` if the study has no such step.
    """
    known = [*study.steps, Step.THANKS]
    if step not in known:
        raise StudyError(f"{study} has no step {step!r}: it has {', '.join(known)}")
    with transaction.atomic():
        preview_copies.sweep(study=study, created_by=created_by)
        copy = preview_copies.make(study, created_by)
        begun = services.begin(study=copy)
        steps.choose_language(participation=begun, language=language)
        for name in known[: known.index(step)]:
            _PASS.get(Step(name), _passed)(begun, Step(name))
            begun.refresh_from_db()
    return begun


def _passed(participation: Participation, step: Step) -> None:
    steps.pass_step(participation=participation, step=step, data={})


def _consented(participation: Participation, step: Step) -> None:
    services.consent(participation=participation)


def _instructed(participation: Participation, step: Step) -> None:
    services.instructed(participation=participation)


def _practised(participation: Participation, step: Step) -> None:
    _answer(practice.practised(participation))
    seen = [trial.token for trial in practice.practised(participation)]
    steps.pass_step(participation=participation, step=step, data={"seen": seen})


def _tried(participation: Participation, step: Step) -> None:
    _answer(list(selectors.passage(participation).trials))
    if participation.study.steps[-1] == Step.TRIAL:
        services.complete(participation)
    else:
        _passed(participation, step)


def _asked(participation: Participation, step: Step) -> None:
    _passed(participation, step)
    services.complete(participation)


_PASS: dict[Step, Callable[[Participation, Step], None]] = {
    Step.CONSENT: _consented,
    Step.INSTRUCTIONS: _instructed,
    Step.PRACTICE: _practised,
    Step.TRIAL: _tried,
    Step.QUESTIONNAIRE: _asked,
}
"""How a preview leaves a step behind without showing it; the others have a record, passed."""


def _answer(trials: list[Trial]) -> None:
    """Some answer to each of these that has none."""
    now = timezone.now()
    Response.objects.bulk_create(
        Response(trial=trial, choice=1, confidence=3, response_ms=0, answered_at=now)
        for trial in trials
        if not hasattr(trial, "response")
    )
