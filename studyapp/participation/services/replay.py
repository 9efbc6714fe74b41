"""Replays a participation: draws its trials again from its seed, to compare them with the rows."""

from __future__ import annotations

from dataclasses import dataclass

from studyapp.core.errors import StudyError
from studyapp.models import Participation, Trial
from studyapp.models.trial_kinds import TrialKind
from studyapp.participation.selectors import replay as selectors
from studyapp.participation.services import assignment, practice
from studyapp.studies.services import allocation, frames


@dataclass(frozen=True)
class ShownTrial:
    """One trial as it was shown."""

    number: int
    kind: str
    repeats: int | None
    """Number of the trial that this one repeats."""
    item: str
    clips: tuple[str, ...]
    """SHA-256 of each sound's bytes."""
    options: tuple[str, ...]
    """In the order shown."""


def replay(*, participation: Participation) -> list[ShownTrial]:
    """The participation's trials, rebuilt from its seed and the state stored with the draw.

    Practice comes first: the same sounds for everyone, with options ordered by the seed. Raises
    `StudyError` if nothing was drawn, another version of the algorithm drew it, or the study has
    changed since.
    """
    study = participation.study
    if participation.assigned_at is None:
        raise StudyError(f"{participation} was given no trials")
    if participation.algorithm != allocation.ALGORITHM:
        raise StudyError(
            f"{participation} was drawn by {participation.algorithm}; "
            f"this is {allocation.ALGORITHM}"
        )
    state = assignment.restored(study, participation.draw)
    frame = frames.frame_of(study).only(state.held)
    allocated = allocation.draw(frame, state, participation.seed)
    items = selectors.shown_items(study)
    shown = [_as_stored(trial, items, study.kind) for trial in practice.trials(participation)]
    before = len(shown)
    for number, one in enumerate(allocated.trials, start=before + 1):
        item = items[one.item]
        repeats = None if one.repeats is None else before + 1 + one.repeats
        seen = item.in_order(one.order, study.kind)
        shown.append(ShownTrial(number, one.kind, repeats, one.item, *seen))
    return shown


def stored(*, participation: Participation) -> list[ShownTrial]:
    """The same trials as stored in their rows."""
    items, kind = selectors.shown_items(participation.study), participation.study.kind
    return [_as_stored(trial, items, kind) for trial in selectors.shown_trials(participation)]


def _as_stored(trial: Trial, items: dict[str, selectors.ShownItem], kind: TrialKind) -> ShownTrial:
    clips, options = items[trial.item.identifier].in_order(trial.option_order, kind)
    return ShownTrial(
        number=trial.number,
        kind=trial.kind,
        repeats=trial.repeat_of.number if trial.repeat_of else None,
        item=trial.item.identifier,
        clips=clips,
        options=options,
    )
