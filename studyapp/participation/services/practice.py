"""Practice: the study's example, trials with a right answer, and the feedback after each."""

from __future__ import annotations

import secrets

from django.db import transaction

from studyapp.core.errors import ParticipationError
from studyapp.models import Item, Participation, StepRecord, Study, Trial
from studyapp.models.steps import Step
from studyapp.participation.selectors import participations, sounds
from studyapp.participation.services import steps
from studyapp.studies.services.drawing import stream


def count(study: Study) -> int:
    """Number of practice trials per participation in the study."""
    return study.practice_trials if Step.PRACTICE in study.steps else 0


def trials(participation: Participation) -> list[Trial]:
    """The practice trials of a participation, numbered from 1, not yet saved.

    The first practice item is the example in the instructions and is not practised again.
    """
    study = participation.study
    if not count(study):
        return []
    rng, shown = stream(participation.seed, "practice"), study.kind.positions
    items = study.items.filter(role=Item.Role.PRACTICE).order_by("identifier")
    return [
        Trial(
            participation=participation,
            item=item,
            kind=Trial.Kind.PRACTICE,
            number=number,
            token=secrets.token_urlsafe(18),
            key=secrets.token_urlsafe(18),
            option_order=rng.sample(range(shown), shown),
        )
        for number, item in enumerate(items[1 : 1 + count(study)], start=1)
    ]


def begin_example(*, participation: Participation) -> StepRecord:
    """The record of the instructions, with tokens for the sounds of the example, if any."""
    example = sounds.example_of(participation.study)
    paths = [stimulus.path for stimulus in example.stimuli] if example else []
    return steps.begin(
        participation=participation,
        step=Step.INSTRUCTIONS,
        make=lambda: {"sounds": steps.tokens(paths)},
    )


def mark_feedback_seen(*, participation: Participation, token: str) -> None:
    """Record that the participant has read the feedback on that trial.

    After the last practice trial the step is done. A trial that is unanswered, or whose feedback
    was already seen, changes nothing. Raises `ParticipationError` if practice is not the current
    step.
    """
    with transaction.atomic():
        if participations.step_of(participations.locked(participation.pk)) != Step.PRACTICE:
            raise ParticipationError(f"{participation} is not at practice")
        record = steps.begin(participation=participation, step=Step.PRACTICE, make=_none_seen)
        answered = {
            trial.token for trial in practice_trials(participation) if hasattr(trial, "response")
        }
        seen = sorted({*record.data["seen"], *({token} & answered)})
        if len(seen) == count(participation.study):
            steps.pass_step(participation=participation, step=Step.PRACTICE, data={"seen": seen})
        else:
            StepRecord.objects.filter(pk=record.pk).update(data={"seen": seen})


def awaiting_feedback(participation: Participation) -> Trial | None:
    """The answered practice trial whose feedback has not been seen yet."""
    record = steps.begin(participation=participation, step=Step.PRACTICE, make=_none_seen)
    for trial in practice_trials(participation):
        if hasattr(trial, "response") and trial.token not in record.data["seen"]:
            return trial
    return None


def practice_trials(participation: Participation) -> list[Trial]:
    """The participation's practice trials with their responses and items, in order."""
    found = participation.trials.filter(kind=Trial.Kind.PRACTICE)
    return list(found.select_related("response", "item").order_by("number"))


def _none_seen() -> steps.Data:
    return {"seen": []}
