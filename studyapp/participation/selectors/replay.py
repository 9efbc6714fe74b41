"""Reads for a replay: what the items of a study show, and which trials a participation has."""

from __future__ import annotations

from dataclasses import dataclass

from studyapp.models import Participation, Study, Trial
from studyapp.models.studies import STIMULI


@dataclass(frozen=True)
class ShownItem:
    """What an item shows: the hashes of its clips and the texts of its options, in stored order."""

    clips: tuple[str, ...]
    options: tuple[str, ...]


def shown_items(study: Study) -> dict[str, ShownItem]:
    """Identifier → what the item shows."""
    found = study.items.select_related(*STIMULI)
    return {
        item.identifier: ShownItem(
            tuple(stimulus.sha256 for stimulus in item.stimuli),
            tuple(option["text"] for option in item.options),
        )
        for item in found
    }


def shown_trials(participation: Participation) -> list[Trial]:
    """All trials of the participation, practice included, in the order shown."""
    trials = participation.trials.select_related("item", "repeat_of")
    return list(trials.order_by("number"))
