"""Reads for sounds: which file a participant may play, always as a path from the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from studyapp.core.database.prepared import prepared
from studyapp.models import Item, Participation, StepRecord, Study, Trial
from studyapp.models.studies import STIMULI
from studyapp.models.trial_kinds import MOST_CLIPS, TRIAL_KINDS, in_order


def trial_sound(*, slug: str, identifier: str, token: str, number: int) -> Path | None:
    """Sound `number` of the participation's trial with that token, or None if it may not be played
    (yet).

    Trials up to the one after the current one may be played.
    """
    if not 1 <= number <= MOST_CLIPS:
        return None
    for waiting, order, policy, *stored in _sounds_of_trial(slug, identifier, token):
        path = in_order(stored, order, TRIAL_KINDS[policy])[number - 1]
        # One unanswered trial before it: the next one, whose sounds the page loads ahead.
        return Path(path) if path and waiting <= 1 else None
    return None


@prepared
def _sounds_of_trial(slug: str, identifier: str, token: str) -> QuerySet[Trial, Any]:
    """How many trials before it are unanswered, and what decides on its sounds."""
    own = Trial.objects.filter(participation=OuterRef("participation"))
    before = own.filter(number__lt=OuterRef("number"), response=None).order_by()
    waiting = before.values("participation").annotate(n=Count("pk")).values("n")
    asked = Trial.objects.filter(
        token=token, participation__identifier=identifier, participation__study__series__slug=slug
    )
    paths = [f"item__{name}__path" for name in STIMULI]
    return asked.order_by().values_list(
        Coalesce(Subquery(waiting), 0), "option_order", "item__study__option_policy", *paths
    )


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
