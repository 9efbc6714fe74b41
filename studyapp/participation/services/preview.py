"""Previews: a researcher goes through a study as a participant would.

A preview uses a copy of the study with its own link, which cannot be guessed and cannot be entered
without the preview's cookie. Pages, checks and sounds are exactly those that participants get. The
answers belong to the copy: they count in no quota, estimate, export or figure, and are deleted with
it when the next preview begins, the draft is discarded, or a day has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from studyapp.core.errors import NotInvitedError, StudyError
from studyapp.models import (
    Participation,
    Response,
    Study,
    Trial,
)
from studyapp.models.steps import Step
from studyapp.participation.selectors import trials as selectors
from studyapp.participation.services import participations as services
from studyapp.participation.services import practice, steps
from studyapp.recruitment.services import prolific_api
from studyapp.recruitment.services.identities import Identity
from studyapp.studies.services import preview_copies

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def begin(
    *, study: Study, created_by: User | None, step: str = Step.CONSENT, language: str = ""
) -> Participation:
    """A participation in a new copy of the study, already at that step.

    The same person's earlier previews of the study are deleted.

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
            _SKIP.get(Step(name), _skip)(begun, Step(name))
            begun.refresh_from_db()
    return begun


def begin_test(*, study: Study, test_study: str, identity: Identity) -> Participation:
    """The participation of a test participant from Prolific, in a copy of the study.

    Raises `NotInvitedError` unless Prolific says that the submission belongs to the test study: the
    passage ends with the study's real code.
    """
    known = prolific_api.standing(identity=identity, external_study=test_study, surely=True)
    if known != Participation.Submission.VERIFIED:
        raise NotInvitedError("Prolific does not say that this is a test participant")
    copy = preview_copies.of_test(study, test_study)
    return services.begin(study=copy, external_key=identity.key, submission=known)


def _skip(participation: Participation, step: Step) -> None:
    steps.pass_step(participation=participation, step=step, data={})


def _skip_consent(participation: Participation, step: Step) -> None:
    services.consent(participation=participation)


def _skip_instructions(participation: Participation, step: Step) -> None:
    services.finish_instructions(participation=participation)


def _skip_practice(participation: Participation, step: Step) -> None:
    trials = practice.practice_trials(participation)
    _answer(trials)
    seen = [trial.token for trial in trials]
    steps.pass_step(participation=participation, step=step, data={"seen": seen})


def _skip_trials(participation: Participation, step: Step) -> None:
    _answer(list(selectors.progress_of(participation).trials))
    if participation.study.steps[-1] == Step.TRIAL:
        services.complete(participation)
    else:
        _skip(participation, step)


def _skip_questionnaire(participation: Participation, step: Step) -> None:
    _skip(participation, step)
    services.complete(participation)


_SKIP: dict[Step, Callable[[Participation, Step], None]] = {
    Step.CONSENT: _skip_consent,
    Step.INSTRUCTIONS: _skip_instructions,
    Step.PRACTICE: _skip_practice,
    Step.TRIAL: _skip_trials,
    Step.QUESTIONNAIRE: _skip_questionnaire,
}
"""How a preview skips each step; any other step is simply recorded as passed."""


def _answer(trials: list[Trial]) -> None:
    """Store some answer to each unanswered trial."""
    now = timezone.now()
    Response.objects.bulk_create(
        Response(trial=trial, choice=1, confidence=3, response_ms=0, answered_at=now)
        for trial in trials
        if not hasattr(trial, "response")
    )
