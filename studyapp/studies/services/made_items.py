"""Items whose sounds are made by code, practice and catch trials: stimuli like all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from studyapp.models import Item, Study
from studyapp.studies.services import stimuli
from studyapp.studies.services.drawing import Option

if TYPE_CHECKING:
    from studyapp.studies.services.synthesis import Samples

Names = tuple[str, str, str, str, str]
"""The right one first; a trial shows them in an order of its own."""


class Maker(Protocol):
    """A function of `synthesis` that makes a sound in variants."""

    def __call__(self, *, seconds: float, variant: int) -> Samples: ...


def made_item(
    *, study: Study, role: Item.Role, identifier: str, make: Maker, names: Names, seconds: float
) -> Item:
    """The item with three variants of the sound, not yet saved; the first name is the right one."""
    first, second, third = (
        stimuli.make_synthetic_stimulus(
            samples=make(seconds=seconds, variant=variant),
            loudness_lufs=study.loudness_lufs,
            seconds=seconds,
            name=names[0],
        )
        for variant in range(3)
    )
    return Item(
        study=study,
        role=role,
        identifier=identifier,
        stimulus_1=first,
        stimulus_2=second,
        stimulus_3=third,
        options=[Option(text=name, source=str(role), rank=None) for name in names],
        target=0,
    )
