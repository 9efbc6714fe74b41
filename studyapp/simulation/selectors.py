"""Reads for simulated listeners: the tags of a study's sounds by their bytes, and the names."""

from dataclasses import dataclass
from pathlib import Path

from studyapp.models import Item, Run, Study
from studyapp.models.studies import STIMULI
from studyapp.studies.selectors.studies import main_items

CLIPS = tuple(f"{name}__clip" for name in STIMULI)


@dataclass(frozen=True)
class ItemTruth:
    """One item: the tags of its clips, and the names that it offers."""

    item: int
    method: str
    tags: tuple[list[str], ...]
    names: tuple[str, ...]
    """In the stored order."""


def items(study: Study) -> list[ItemTruth]:
    """Every main item of the study."""
    found = main_items(study).select_related("condition", *CLIPS)
    return [
        ItemTruth(
            item=item.pk,
            method=item.condition.method if item.condition else "",
            tags=tuple(stimulus.tags for stimulus in item.stimuli),
            names=tuple(option["text"] for option in item.options),
        )
        for item in found.order_by("pk")
    ]


def tags_by_sound(study: Study) -> dict[str, list[str]]:
    """SHA-256 of a stimulus's bytes → the tags of the track that it was cut from."""
    found = main_items(study).select_related(*CLIPS)
    return {stimulus.sha256: stimulus.tags for item in found for stimulus in item.stimuli}


def right_names(study: Study) -> dict[str, str]:
    """SHA-256 of a sound of practice or a catch trial → the right name for it."""
    items = study.items.exclude(target=None).exclude(role=Item.Role.MAIN)
    found = items.select_related(*STIMULI)
    return {
        stimulus.sha256: str(item.options[item.target or 0]["text"])
        for item in found
        for stimulus in item.stimuli
    }


def check_answers(study: Study) -> dict[str, tuple[str, int]]:
    """SHA-256 of a sound of the checks → the check and its right answer."""
    return {
        Path(sound["path"]).stem: (check, sound["answer"])
        for check in ("tones", "huggins", "antiphase", "highest", "beats")
        for sound in study.check_sounds.get(check, ())
    }


def runs(study: Study) -> list[Run]:
    """The runs that the study was made from."""
    return list(study.runs.order_by("pk"))
