"""Reads for sounds: which file a participant may play, always as a path from the data folder."""

from __future__ import annotations

from pathlib import Path

from studyapp.models import Item, Participation, StepRecord, Study
from studyapp.models.studies import STIMULI
from studyapp.models.trial_kinds import MOST_CLIPS, TRIAL_KINDS, in_order


def trial_sound(*, participation: Participation, token: str, number: int) -> Path | None:
    """Sound `number` of the trial with that token, or None if it may not be played (yet).

    Trials up to the one after the current one may be played.
    """
    if not 1 <= number <= MOST_CLIPS:
        return None
    trials = participation.trials.order_by()
    columns = ("number", "option_order", "item__study__option_policy")
    paths = [f"item__{name}__path" for name in STIMULI]
    asked = trials.filter(token=token).values_list(*columns, *paths).first()
    if asked is None:
        return None
    place, order, policy, *stored = asked
    path = in_order(stored, order, TRIAL_KINDS[policy])[number - 1]
    earlier = trials.filter(number__lt=place, response=None)
    # One unanswered trial before it: the next one, whose sounds the page loads ahead.
    return Path(path) if path and earlier.count() <= 1 else None


def step_sound(*, participation: Participation, token: str) -> Path | None:
    """The sound of a check or of the example that has this token, if it is the participant's."""
    for record in StepRecord.objects.filter(participation=participation):
        if token in record.data.get("sounds", {}):
            return Path(record.data["sounds"][token])
    return None


def example_of(study: Study) -> Item | None:
    """The study's example with its stimuli: its first practice item."""
    items = study.items.filter(role=Item.Role.PRACTICE).select_related(*STIMULI)
    return items.order_by("identifier").first()
