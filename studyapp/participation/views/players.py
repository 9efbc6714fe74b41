"""What a page needs to play its sounds: the players, and the texts of the scripts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from studyapp.models import Stimulus, Study, Trial


def player(
    number: int,
    source: str,
    stimulus: Stimulus | None = None,
    *,
    seconds: float = 0,
    heard: bool = False,
    outline: bool = False,
) -> dict[str, Any]:
    """The context of one player: a plain bar, unless the stimulus's `outline` is asked for."""
    return {
        "number": number,
        "source": source,
        "seconds": f"{stimulus.seconds if stimulus else seconds:.2f}",
        "peaks": " ".join(map(str, stimulus.peaks)) if stimulus and outline else "",
        "heard": heard,
    }


def trial_players(study: Study, trial: Trial, *, heard: Collection[int]) -> list[dict[str, Any]]:
    """The trial's players; `heard` has the numbers of the sounds played to the end."""
    sounds = zip(trial_sources(study, trial), trial.item.stimuli, strict=True)
    return [
        player(number, source, stimulus, heard=number in heard, outline=study.show_waveform)
        for number, (source, stimulus) in enumerate(sounds, start=1)
    ]


def trial_sources(study: Study, trial: Trial | None) -> list[str]:
    """URLs of the trial's sounds; none without a trial."""
    if trial is None:
        return []
    return [reverse("audio", args=[study.slug, trial.token, n]) for n in study.kind.numbers]


def script_strings() -> dict[str, str]:
    """Texts that the scripts of a page show, by key."""
    return {
        "play": _("Play sound {n}"),
        "pause": _("Pause sound {n}"),
        "heard": _("Heard"),
        "unheard": _("Still to hear"),
        "loading": _("Loading…"),
        "skipped": _("Part skipped"),
        "failed": _("Not loaded"),
        "soundHeard": _("Sound {n} heard."),
        "soundSkipped": _("Part of sound {n} was skipped. Please play the rest."),
        "soundFailed": _("Sound {n} could not be loaded. Press its button to try again."),
        "position": _("{now} of {all} seconds"),
        "playFirst": _("Please play the sound first."),
        "listenToThis": _("Please listen to this sound to the end."),
        "saving": _("Saving…"),
        "saved": _("Saved"),
        "failing": _("Not saved yet, trying again. Please keep this page open."),
    }
