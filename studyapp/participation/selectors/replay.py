"""Reads for a replay: what the items of a study show, and which trials a participation has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studyapp.models import Participation, Study, Trial
from studyapp.models.studies import STIMULI
from studyapp.models.trial_kinds import TrialKind, in_order


@dataclass(frozen=True)
class ShownItem:
    """What an item shows: the hashes of its clips and the texts of its options, in stored order."""

    clips: tuple[str, ...]
    options: tuple[str, ...]

    def in_order(self, order: Sequence[int], kind: TrialKind) -> tuple[tuple[str, ...], ...]:
        """Clips and options as a trial with that order shows them."""
        clips = tuple(in_order(self.clips, order, kind))
        return clips, () if kind.picks_sound else tuple(self.options[index] for index in order)


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
