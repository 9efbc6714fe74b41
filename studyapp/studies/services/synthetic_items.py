"""Practice and catch items: their sounds are synthesised, and they have a right answer.

A catch trial has an obvious sound with one right label and four absurd ones; nothing on its page
tells it from the others. The sounds become stimuli like any others: one encoding, length, loudness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from django.utils.translation import gettext_noop as _

from studyapp.models import Item, Study
from studyapp.models.steps import Step
from studyapp.models.studies import STIMULI
from studyapp.models.trial_kinds import TrialKind
from studyapp.studies.services import stimuli, synthesis
from studyapp.studies.services.drawing import Option

if TYPE_CHECKING:
    from studyapp.studies.services.synthesis import Samples

Names = tuple[str, str, str, str, str]
"""The right one first; each trial shows them in its own order."""


class Maker(Protocol):
    """A function in `synthesis` that makes a sound in several variants."""

    def __call__(self, *, seconds: float, variant: int) -> Samples: ...


@dataclass(frozen=True)
class Exercise:
    """A practice trial: a sound in three variants, five labels, and the feedback on the answer."""

    make: Maker
    names: Names
    because: str


EXERCISES = (
    Exercise(
        synthesis.bells,
        (_("ringing bells"), _("a walking bass"), _("steady noise"), _("a crowd that claps"),
         _("a low drone")),
        _("All three are made of single strokes of a bell."),
    ),
    Exercise(
        synthesis.drum_beat,
        (_("a steady drum beat"), _("singing voices"), _("a high flute"), _("falling rain"),
         _("long, soft chords")),
        _("All three are an even drum beat; only their pace differs."),
    ),
    Exercise(
        synthesis.rising,
        (_("a pitch that rises"), _("a pitch that falls"), _("short, dry clicks"),
         _("a plucked guitar"), _("a slow drum")),
        _("In all three the pitch rises from low to high."),
    ),
    Exercise(
        synthesis.hiss,
        (_("steady noise"), _("a solo violin"), _("a fast melody"), _("a ticking clock"),
         _("a bell")),
        _("All three are noise that swells and fades."),
    ),
)  # fmt: skip
"""The first is the example in the instructions; the others are practised in this order."""
MOST_PRACTICE_TRIALS = len(EXERCISES) - 1


@dataclass(frozen=True)
class Catch:
    """A catch trial: a sound in three variants and five labels, the right one first."""

    make: Maker
    names: Names


CATCHES = (
    Catch(synthesis.siren, (_("a siren"), _("a string quartet"), _("a man who reads the news"),
                  _("a walking bass"), _("soft rain"))),
    Catch(synthesis.clock, (_("ticking"), _("a church choir"), _("a saxophone solo"),
                  _("a long, swelling chord"), _("a crowd that cheers"))),
    Catch(synthesis.beeps, (_("beeps"), _("a gospel choir"), _("a banjo"),
                  _("thunder far away"), _("a slow waltz on the piano"))),
    Catch(synthesis.hum, (_("a deep, steady hum"), _("a fast violin solo"),
                          _("a drummer who speeds up"), _("birdsong"), _("a trumpet fanfare"))),
)  # fmt: skip


def practice_items(*, study: Study, seconds: float) -> list[Item]:
    """The example and the practice items, not yet saved.

    A study without practice has no example either.
    """
    if Step.PRACTICE not in study.steps:
        return []
    return [
        _item(
            study=study, role=Item.Role.PRACTICE, identifier=f"x{number:02d}", make=exercise.make,
            other=EXERCISES[number % len(EXERCISES)].make, names=exercise.names, seconds=seconds,
        )
        for number, exercise in enumerate(EXERCISES[: 1 + study.practice_trials], start=1)
    ]  # fmt: skip


def catch_items(*, study: Study, seconds: float) -> list[Item]:
    """The study's catch items, not yet saved: all of them, if the study has catch trials."""
    if not study.catch_trials:
        return []
    return [
        _item(
            study=study, role=Item.Role.CATCH, identifier=f"c{number:02d}", make=one.make,
            other=CATCHES[number % len(CATCHES)].make, names=one.names, seconds=seconds,
        )
        for number, one in enumerate(CATCHES, start=1)
    ]  # fmt: skip


def exercise_of(item: Item) -> Exercise:
    """The exercise from which a practice item was made: `x01` is the first."""
    return EXERCISES[int(item.identifier[1:]) - 1]


def _item(
    *,
    study: Study,
    role: Item.Role,
    identifier: str,
    make: Maker,
    other: Maker,
    names: Names,
    seconds: float,
) -> Item:
    """An item of these sounds, not yet saved; the first label, or the first sound, is right."""
    kind = study.kind
    sounds = [
        stimuli.make_synthetic_stimulus(
            samples=maker(seconds=seconds, variant=variant),
            loudness_lufs=study.loudness_lufs,
            seconds=seconds,
            name=names[0],
            equal_size=kind.picks_sound,
        )
        for maker, variant in _variants(kind, make, other)
    ]
    options = [] if kind.picks_sound else names
    return Item(
        study=study,
        role=role,
        identifier=identifier,
        options=[Option(text=name, source=str(role), rank=None) for name in options],
        prompt=names[0] if kind.picks_sound and kind.has_labels else "",
        target=0,
        **dict(zip(STIMULI, sounds, strict=False)),
    )


def _variants(kind: TrialKind, own: Maker, other: Maker) -> list[tuple[Maker, int]]:
    """The sounds of an item: one in three variants, or the right one and another."""
    if kind.picks_sound and kind.has_labels:
        return [(own, 0), (other, 0)]
    if kind.picks_sound:
        return [(other, 0), *((own, variant) for variant in range(kind.clips - 1))]
    return [(own, variant) for variant in range(kind.clips)]
