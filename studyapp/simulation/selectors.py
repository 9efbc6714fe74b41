"""Reads for simulated listeners: the tags of a study's sounds by their bytes, and the names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        if item.options
        for stimulus in item.stimuli
    }


def names_of_alike(study: Study) -> dict[str, str]:
    """SHA-256 of a sound of an intruder's practice or catch trial → what tells it from others."""
    if study.kind.has_labels:
        return {}
    found: dict[str, str] = {}
    for item in study.items.exclude(role=Item.Role.MAIN).select_related(*STIMULI):
        intruder, *alike = item.stimuli
        found |= {one.sha256: f"sound {item.identifier}" for one in alike}
        found.setdefault(intruder.sha256, f"not {item.identifier}")
    return found


RIGHT = 3.0
"""How much the right sound of a practice or catch trial has of what is asked."""


def amounts(study: Study) -> dict[tuple[str, str], float]:
    """Label that is asked about, SHA-256 of a sound → how much the sound has of it."""
    found: dict[tuple[str, str], float] = {}
    for item in study.items.exclude(prompt="").select_related(*STIMULI):
        for number, stimulus in enumerate(item.stimuli):
            if item.role == Item.Role.MAIN:
                amount = amount_of(item.sounds[number])
            else:
                amount = RIGHT if number == item.target else 0.0
            found[item.prompt, stimulus.sha256] = amount
    return found


def amount_of(sound: Mapping[str, Any]) -> float:
    """What a sound of a pair has of its label: the strength if its feature was steered."""
    return float(sound["strength"]) if sound["role"] == "steered" else 0.0


def contrasts(study: Study) -> dict[str, list[float]]:
    """Contrast → the amounts of its two sounds."""
    rows = (
        main_items(study).exclude(variant="").order_by("variant").values_list("variant", "sounds")
    )
    return {variant: [amount_of(one) for one in sounds] for variant, sounds in rows}


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
