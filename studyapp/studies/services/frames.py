"""What a study fixes of every draw: its items and places, and whether it can be drawn at all."""

from __future__ import annotations

from studyapp.core.text import fold
from studyapp.models import Study
from studyapp.studies.selectors import studies as selectors
from studyapp.studies.services import allocation
from studyapp.studies.services.allocation import Cell, Counts, Frame


def participations(
    *, features: int, ratings: int, trials: int, conditions: int, within: bool
) -> int:
    """How many are needed for so many ratings of every item, each with so many trials."""
    if within:
        return -(-conditions * features * ratings // trials)
    return conditions * -(-features * ratings // trials)


def places(study: Study) -> int:
    """Participations that the study needs for the wished ratings of every item."""
    within = study.design == Study.Design.WITHIN
    return _participations(study, study.conditions.count(), within)


def places_per_condition(study: Study) -> int:
    """Between participants: those that a condition needs, rounded up."""
    return _participations(study, 1, within=False)


def frame_of(study: Study) -> Frame:
    """What the study fixes of every draw."""
    identification = study.option_policy == Study.OptionPolicy.IDENTIFICATION
    items = selectors.offered_items(study)
    return Frame(
        methods=tuple(sorted({item.method for item in items})),
        cells=tuple(_cell(item, identification) for item in items),
        trials=study.trials_per_participation,
        within=study.design == Study.Design.WITHIN,
        catch=tuple(selectors.catch_items(study)),
        catch_trials=study.catch_trials,
        repeats=study.repeat_trials,
    )


def check_draw(study: Study) -> None:
    """Raise `StudyError` unless a first participant could be given trials."""
    frame = frame_of(study)
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
    )


def _cell(item: selectors.OfferedItem, identification: bool) -> Cell:
    if not identification or item.target is None:
        return Cell(item.identifier, item.feature, item.method)
    texts = [fold(option["text"]) for option in item.options]
    target = texts.pop(item.target)
    return Cell(item.identifier, item.feature, item.method, target, frozenset(texts))
