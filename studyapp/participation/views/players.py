"""What a page needs to play its sounds: the players, and the texts of the scripts."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from studyapp.models import Stimulus, Study, Trial
from studyapp.models.trial_kinds import in_order
from studyapp.participation.selectors import trials as selectors


def player(
    number: int,
    source: str,
    stimulus: Stimulus | None = None,
    *,
    seconds: float = 0,
    heard: bool = False,
    outline: bool = False,
    starts: int = 0,
    heard_ms: int = 0,
) -> dict[str, Any]:
    """The context of one player: a plain bar, unless the stimulus's `outline` is asked for.

    `starts` and `heard_ms` are what was played of it before, for the study's rules.
    """
    return {
        "number": number,
        "source": source,
        "seconds": f"{stimulus.seconds if stimulus else seconds:.2f}",
        "peaks": " ".join(map(str, stimulus.peaks)) if stimulus and outline else "",
        "heard": heard,
        "starts": starts,
        "heard_ms": heard_ms,
    }


def trial_players(study: Study, trial: Trial, *, heard: Collection[int]) -> list[dict[str, Any]]:
    """The trial's players; `heard` has the numbers of the sounds played to the end."""
    stimuli = in_order(trial.item.stimuli, trial.option_order, study.kind)
    sounds = zip(trial_sources(study, trial), stimuli, strict=True)
    starts = selectors.starts_of(trial) if study.most_plays else {}
    played = selectors.heard_ms_of(trial) if study.hear_before_choosing else {}
    return [
        player(
            number, source, stimulus, heard=number in heard, outline=study.show_waveform,
            starts=starts.get(number, 0), heard_ms=played.get(number, 0),
        )
        for number, (source, stimulus) in enumerate(sounds, start=1)
    ]  # fmt: skip


def rules_in_words(study: Study) -> list[str]:
    """How the sounds of a trial can be played, in the language of the page."""
    most, least = study.most_plays, study.hear_before_choosing
    rules = []
    if most:
        rules.append(
            ngettext(
                "You can play each sound only %(n)s time.",
                "You can play each sound at most %(n)s times.",
                most,
            )
            % {"n": most}
        )
    else:
        rules.append(_("You can play each sound as often as you like."))
    if study.from_start:
        rules.append(_("A sound always plays from its beginning."))
    if least:
        rules.append(
            ngettext(
                "You can choose once you have heard %(n)s second of each sound.",
                "You can choose once you have heard %(n)s seconds of each sound.",
                least,
            )
            % {"n": least}
        )
    return rules


def trial_sources(study: Study, trial: Trial | None) -> list[str]:
    """URLs of the trial's sounds; none without a trial."""
    if trial is None:
        return []
    return [reverse("audio", args=[study.slug, trial.token, n]) for n in study.kind.numbers]


def script_strings() -> dict[str, str]:
    """Texts that the scripts of a page show, by key."""
    return dict(_script_strings_in(get_language()))


@cache
def _script_strings_in(language: str | None) -> dict[str, str]:
    return {
        "play": _("Play sound {n}"),
        "pause": _("Pause sound {n}"),
        "heard": _("Heard"),
        "unheard": _("Still to hear"),
        "lastPlay": _("1 play left"),
        "playsLeft": _("{n} plays left"),
        "noPlays": _("No plays left"),
        "elapsed": _("{now} / {all} s"),
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
