"""The sounds of a study's checks: synthesised, written as files, listed in the study's row.

They are made when the study is, so that the web process only sends files. The right answers are
only in the study's row; a page names a sound by a token of its participation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from studyapp.models import Study
from studyapp.models.steps import Step
from studyapp.studies.services import stimuli, synthesis

if TYPE_CHECKING:
    from studyapp.studies.services.synthesis import Samples

HUGGINS_VARIANTS = 4
TONE_COUNTS = (2, 3, 4, 5)
TONE_VARIANTS = 2
BEAT_COUNTS = (3, 4, 5, 6, 7)
HEARING_VARIANTS = 3
"""Sounds per right answer of the two questions that only listening answers."""


class Sound(TypedDict):
    """A sound and its right answer."""

    path: str
    answer: int


class CheckSounds(TypedDict, total=False):
    """The content of `Study.check_sounds`."""

    reference: str
    tones: list[Sound]
    huggins: list[Sound]
    antiphase: list[Sound]
    highest: list[Sound]
    beats: list[Sound]


def make_check_sounds(study: Study) -> CheckSounds:
    """Write every sound that the study's checks need, at its loudness."""
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
    if Step.HEARING in study.steps:
        sounds["highest"] = _highest(study)
        sounds["beats"] = _beats(study)
    return sounds


def headphone_checks(study: Study) -> tuple[str, ...]:
    """The headphone checks that a participant may be given, in order."""
    check = Study.HeadphoneCheck
    if study.headphone_check in (check.EITHER, check.BOTH):
        return ("huggins", "antiphase")
    return () if study.headphone_check == check.NONE else (study.headphone_check,)


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


def _highest(study: Study) -> list[Sound]:
    return [
        Sound(
            path=_of_hearing(synthesis.three_tones(highest=place, variant=n), study, "three tones"),
            answer=place,
        )
        for place in (1, 2, 3)
        for n in range(HEARING_VARIANTS)
    ]


def _beats(study: Study) -> list[Sound]:
    return [
        Sound(
            path=_of_hearing(synthesis.beats(count=count, variant=n), study, "beats"), answer=count
        )
        for count in BEAT_COUNTS
        for n in range(HEARING_VARIANTS)
    ]


def _write(samples: Samples, study: Study, name: str) -> str:
    return stimuli.store_sound(samples=samples, loudness_lufs=study.loudness_lufs, name=name)


def _of_hearing(samples: Samples, study: Study, name: str) -> str:
    """As `_write`; the file's size must not tell a program how many beats there are."""
    return stimuli.store_sound(
        samples=samples, loudness_lufs=study.loudness_lufs, name=name, equal_size=True
    )
