"""How far a participant is in the whole study, and how long the rest takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db.models import QuerySet

from studyapp.core.database.prepared import prepared
from studyapp.models import Item, Study
from studyapp.models.steps import Step
from studyapp.models.studies import STIMULI
from studyapp.participation.selectors.trials import ANSWERING_SECONDS
from studyapp.studies.services.check_sounds import headphone_checks

STEP_SECONDS = {
    Step.CONSENT: 60.0, Step.DEVICE: 10.0, Step.VOLUME: 45.0, Step.INSTRUCTIONS: 60.0,
    Step.HEARING: 30.0, Step.QUESTIONNAIRE: 60.0,
}  # fmt: skip
"""How long a careful participant is assumed to stay at each step without trials."""
OWN_QUESTION_SECONDS = 8.0
CHECK_SECONDS = 50.0
"""The same for one headphone check of six sounds."""
NOMINAL_TRIAL = 45.0
"""Seconds that a trial counts for in the bar, whatever the sounds and the pace: so it never falls
back from one page to the next."""


@dataclass(frozen=True)
class Passage:
    """What the progress line says."""

    percent: int
    """Part of the study that is done."""
    minutes_left: int
    """Whole minutes to the end, at least 1."""


def passage(study: Study, step: Step, *, within: float = 0.0, pace: float = 0.0) -> Passage:
    """The state of a participant who has done the share `within` of that step.

    `pace` is the seconds that a trial takes; if it is 0, it is estimated from the sounds.
    """
    counted = _seconds(study, NOMINAL_TRIAL)
    expected = _seconds(study, pace or _usual_pace(study))
    done = sum(counted.values()) - _rest(counted, step, within)
    return Passage(
        percent=round(100 * done / sum(counted.values())),
        minutes_left=max(1, math.ceil(round(_rest(expected, step, within)) / 60)),
    )


def _seconds(study: Study, trial: float) -> dict[str, float]:
    """Step → seconds, in the order of the study. Each headphone check that may come is counted."""
    shown = study.trials_per_participation + study.catch_trials + study.repeat_trials
    known = STEP_SECONDS | {
        Step.HEADPHONES: CHECK_SECONDS * len(headphone_checks(study)),
        Step.PRACTICE: trial * study.practice_trials,
        Step.TRIAL: trial * shown,
        Step.QUESTIONNAIRE: STEP_SECONDS[Step.QUESTIONNAIRE]
        + OWN_QUESTION_SECONDS * len(study.own_questions),
    }
    return {name: known[Step(name)] for name in study.steps}


def _rest(seconds: dict[str, float], step: Step, within: float) -> float:
    """Seconds from that place in that step to the end."""
    names = list(seconds)
    later = names[names.index(step) + 1 :]
    return (1 - within) * seconds[step] + sum(seconds[name] for name in later)


def _usual_pace(study: Study) -> float:
    """Seconds that a trial takes before the participant's own pace is known."""
    found = next(iter(_lengths_of_one(study.pk)), ())
    return ANSWERING_SECONDS + float(sum(length for length in found if length is not None))


@prepared
def _lengths_of_one(study: int) -> QuerySet[Item, tuple[float | None, ...]]:
    """The lengths of the sounds of the study's first item."""
    lengths = [f"{name}__seconds" for name in STIMULI]
    main = Item.objects.filter(study=study, role=Item.Role.MAIN)
    return main.order_by("pk").values_list(*lengths)[:1]
