"""The sound checks' files of a study, and its practice items: synthesised, written, recorded.

They are made with the study, so that the web process only hands on bytes. Which answer is right
stands in the study's row alone; a page names a sound by a token of its participation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from django.utils.translation import gettext_noop as _

from studyapp.models import Item, Study
from studyapp.models.steps import Step
from studyapp.studies.services import stimuli, synthesis
from studyapp.studies.services.made_items import Maker, Names, made_item

if TYPE_CHECKING:
    from studyapp.studies.services.synthesis import Samples

HUGGINS_VARIANTS = 4
TONE_COUNTS = (2, 3, 4, 5)
TONE_VARIANTS = 2


class Sound(TypedDict):
    """A sound of a check and its right answer."""

    path: str
    answer: int


class CheckSounds(TypedDict, total=False):
    """What `Study.check_sounds` holds."""

    reference: str
    tones: list[Sound]
    huggins: list[Sound]
    antiphase: list[Sound]


@dataclass(frozen=True)
class Exercise:
    """A practice trial: a sound in three variants, five names, what is said after the answer."""

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


def make_check_sounds(study: Study) -> CheckSounds:
    """Write every sound that the study's checks need, at the study's loudness."""
    sounds = CheckSounds()
    if {Step.VOLUME, Step.DEVICE} & set(study.steps):
        sounds["reference"] = _write(synthesis.reference(), study, "reference")
    if Step.VOLUME in study.steps:
        sounds["tones"] = _tones(sounds["reference"])
    if Step.HEADPHONES in study.steps:
        kinds = headphone_checks(study)
        if "huggins" in kinds:
            sounds["huggins"] = _huggins(study)
        if "antiphase" in kinds:
            sounds["antiphase"] = _antiphase(study)
    return sounds


def headphone_checks(study: Study) -> tuple[str, ...]:
    """The checks that a study can come to use, in their order."""
    check = Study.HeadphoneCheck
    if study.headphone_check in (check.EITHER, check.BOTH):
        return ("huggins", "antiphase")
    return () if study.headphone_check == check.NONE else (study.headphone_check,)


def exercise_of(item: Item) -> Exercise:
    """The exercise that a practice item was made of: `x01` is the first."""
    return EXERCISES[int(item.identifier[1:]) - 1]


def practice_items(*, study: Study, seconds: float) -> list[Item]:
    """The example and the practice items, not yet saved; their stimuli are made as all others.

    A study without practice has no example either.
    """
    if Step.PRACTICE not in study.steps:
        return []
    return [
        made_item(
            study=study, role=Item.Role.PRACTICE, identifier=f"x{number:02d}", make=exercise.make,
            names=exercise.names, seconds=seconds,
        )
        for number, exercise in enumerate(EXERCISES[: 1 + study.practice_trials], start=1)
    ]  # fmt: skip


def _tones(reference: str) -> list[Sound]:
    rms = stimuli.rms_of(reference)
    return [
        Sound(
            path=stimuli.store_sound(
                samples=synthesis.soft_tones(count=count, variant=variant, reference_rms=rms),
                loudness_lufs=None,
                name="soft tones",
            ),
            answer=count,
        )
        for count in TONE_COUNTS
        for variant in range(TONE_VARIANTS)
    ]


def _huggins(study: Study) -> list[Sound]:
    return [
        Sound(
            path=_write(synthesis.huggins(target=target, variant=variant), study, "Huggins pitch"),
            answer=target,
        )
        for target in (1, 2, 3)
        for variant in range(HUGGINS_VARIANTS)
    ]


def _antiphase(study: Study) -> list[Sound]:
    return [
        Sound(
            path=_write(synthesis.antiphase(target=target, inverted=other), study, "antiphase"),
            answer=target,
        )
        for target in (1, 2, 3)
        for other in (1, 2, 3)
        if other != target
    ]


def _write(samples: Samples, study: Study, name: str) -> str:
    return stimuli.store_sound(samples=samples, loudness_lufs=study.loudness_lufs, name=name)
