"""The study's example as the instructions show it: three sounds, five names, one marked."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext

from studyapp.models import Participation
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import practice
from studyapp.participation.views.trial_page import script_strings
from studyapp.studies.services.sounds import exercise_of


def context(participation: Participation) -> dict[str, Any]:
    """The template's context for the example; empty where the study has none."""
    study = participation.study
    example = selectors.example_of(study) if practice.count(study) else None
    if example is None:
        return {}
    sounds = practice.begin_example(participation=participation).data["sounds"]
    tokens = {path: token for token, path in sounds.items()}
    return {
        "players": [
            player(number, reverse("sound", args=[study.slug, tokens[stimulus.path]]), stimulus)
            for number, stimulus in enumerate(example.stimuli, start=1)
        ],
        "names": [
            (gettext(option["text"]), index == example.target)
            for index, option in enumerate(example.options)
        ],
        "because": gettext(exercise_of(example).because),
        "strings": script_strings(),
    }


def player(number: int, source: str, stimulus: Any = None, *, seconds: float = 0) -> dict[str, Any]:
    """What the template of a player needs; without a stimulus there is no waveform to draw."""
    return {
        "number": number,
        "source": source,
        "seconds": f"{stimulus.seconds if stimulus else seconds:.2f}",
        "peaks": " ".join(str(peak) for peak in (stimulus.peaks if stimulus else ())),
        "heard": False,
    }
