"""What a study fixes for every allocation: its items, its places, and whether there can be one."""

from __future__ import annotations

from collections.abc import Collection

from studyapp.core.text import fold
from studyapp.models import Study
from studyapp.models.trial_kinds import TrialKind
from studyapp.studies.selectors import studies as selectors
from studyapp.studies.services import allocation
from studyapp.studies.services.allocation import Cell, Counts, Frame


def participations(
    *,
    features: int,
    ratings: int,
    trials: int,
    conditions: int,
    within: bool,
    variants: int = 1,
    most_alike: int = 1,
) -> int:
    """How many participations of that many trials give every item its ratings.

    A feature has `variants` items under a condition. Of the `most_alike` features that share their
    sounds, one participation gets only one item.
    """
    items, alike = features * variants * ratings, most_alike * variants * ratings
    if within:
        return max(-(-conditions * items // trials), conditions * alike)
    return conditions * max(-(-items // trials), alike)


def places(study: Study) -> int:
    """Participations that the study needs to give every item its ratings, and those added to it.

    Between participants, a condition that was switched off has only the places held at that time.
    Within participants that changes nothing: the others then get more ratings.
    """
    conditions = study.conditions.all()
    if study.design == Study.Design.WITHIN:
        return _participations(study, len(conditions), within=True) + study.added_places
    each = places_per_condition(study)
    return sum(each if one.off_at is None else one.places_kept for one in conditions)


def places_per_condition(study: Study) -> int:
    """Between participants: the participations that a condition needs, and those added to it."""
    return _participations(study, 1, within=False) + study.added_places


def frame_of(study: Study) -> Frame:
    """What the study fixes for every allocation."""
    items = selectors.offered_items(study)
    return Frame(
        methods=tuple(sorted({item.method for item in items})),
        cells=tuple(_cell(item, study.kind) for item in items),
        trials=study.trials_per_participation,
        within=study.design == Study.Design.WITHIN,
        catch=tuple(selectors.catch_items(study)),
        catch_trials=study.catch_trials,
        repeats=study.repeat_trials,
        shown=study.kind.positions,
        balanced=study.kind.picks_sound,
    )


def check_draw(study: Study, methods: Collection[str] | None = None) -> None:
    """Raise `StudyError` if the first participant could not be given trials (of these methods)."""
    frame = frame_of(study)
    frame = frame if methods is None else frame.only(methods)
    nothing = Counts(
        held=dict.fromkeys(frame.methods, 0),
        ratings={cell.item: (0, 0) for cell in frame.cells},
    )
    allocation.draw(frame, nothing, study.seed)


def _participations(study: Study, conditions: int, within: bool) -> int:
    return participations(
        features=study.features_wanted,
        ratings=study.ratings_per_item,
        trials=study.trials_per_participation,
        conditions=conditions,
        within=within,
        variants=max(1, len(study.contrasts)),
        most_alike=selectors.most_alike(study) if study.kind.steered else 1,
    )


def _cell(item: selectors.OfferedItem, kind: TrialKind) -> Cell:
    if kind.steered:
        # All features of a seed share the sound without steering, which nobody may hear twice.
        return Cell(item.identifier, f"seed {item.seed}", item.method)
    if kind.picks_sound or not kind.has_target or item.target is None:
        return Cell(item.identifier, item.feature, item.method)
    texts = [fold(option["text"]) for option in item.options]
    target = texts.pop(item.target)
    return Cell(item.identifier, item.feature, item.method, target, frozenset(texts))
