"""What the trial's page shows. Nothing here may say method, feature, run, rank or file name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from studyapp.models import Study, Trial
from studyapp.models.steps import Step
from studyapp.participation.forms import CONFIDENCE, AnswerForm
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.selectors.passages import Passage


def context(
    study: Study, passage: Passage, trial: Trial, form: AnswerForm | None
) -> dict[str, Any]:
    """The template's context for a trial; `form` is a refused answer, shown again."""
    beside = passage.beside(trial)
    trial.item = selectors.item_of(trial)
    heard = selectors.heard_clips(trial)
    seconds = sum(stimulus.seconds for stimulus in trial.item.stimuli)
    return {
        "trial": trial,
        "is_practice": trial.kind == Trial.Kind.PRACTICE,
        "number": beside.index(trial) + 1,
        "total": len(beside),
        "answered": sum(hasattr(one, "response") for one in beside),
        "minutes_left": passage.minutes_left(seconds_of_sound=seconds),
        "is_final": len(passage.answered) + 1 == len(passage.trials)
        and study.steps[-1] == Step.TRIAL,
        "players": players(study, trial, heard=heard),
        "options": shown_options(trial),
        "confidences": CONFIDENCE,
        "form": form,
        "given": {name: form[name].value() for name in form.fields} if form else {},
        "ahead": _sounds(study, passage.following),
        "strings": script_strings(),
    }


def players(study: Study, trial: Trial, *, heard: Collection[int]) -> list[dict[str, Any]]:
    """The trial's three players; `heard` says which sounds were played to the end."""
    return [_player(study, trial, number, number in heard) for number in (1, 2, 3)]


def shown_options(trial: Trial) -> list[tuple[int, str]]:
    """Position and text; the texts of practice are ours, and in the page's language."""
    options = selectors.shown_options(trial)
    if trial.kind != Trial.Kind.PRACTICE:
        return options
    return [(position, _(text)) for position, text in options]


def _player(study: Study, trial: Trial, number: int, heard: bool) -> dict[str, Any]:
    stimulus = trial.item.stimuli[number - 1]
    return {
        "number": number,
        "source": _sounds(study, trial)[number - 1],
        "seconds": f"{stimulus.seconds:.2f}",
        "peaks": " ".join(str(peak) for peak in stimulus.peaks),
        "heard": heard,
    }


def _sounds(study: Study, trial: Trial | None) -> list[str]:
    """Addresses of the trial's three sounds."""
    if trial is None:
        return []
    return [reverse("audio", args=[study.slug, trial.token, number]) for number in (1, 2, 3)]


def script_strings() -> dict[str, str]:
    """What the page's script says."""
    return {
        "play": _("Play sound {n}"),
        "pause": _("Pause sound {n}"),
        "heard": _("Heard"),
        "unheard": _("Not heard"),
        "skipped": _("Part skipped"),
        "failed": _("Not loaded"),
        "soundHeard": _("Sound {n} heard."),
        "soundSkipped": _("A part of sound {n} was skipped. Please play the rest."),
        "soundFailed": _("Sound {n} could not be loaded. Press its button to try again."),
        "position": _("{now} of {all} seconds"),
        "listenFirst": _("Please listen to all three sounds to the end first."),
        "saving": _("Saving…"),
        "saved": _("Saved"),
        "failing": _("Not saved yet, trying again. Please leave this page open."),
    }
