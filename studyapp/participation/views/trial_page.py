"""What the trial's page shows. Nothing here may reveal method, feature, run, rank or file name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.html import format_html
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from studyapp.models import Study, Trial
from studyapp.models.steps import Step
from studyapp.models.trial_kinds import NONE, Words
from studyapp.participation.forms.trial import CONFIDENCES, LONGEST_LABEL, AnswerForm
from studyapp.participation.selectors import trials as selectors
from studyapp.participation.selectors.passage import passage
from studyapp.participation.selectors.trials import TrialProgress
from studyapp.participation.views.players import (
    rules_in_words,
    script_strings,
    trial_players,
    trial_sources,
)


def context(
    study: Study, progress: TrialProgress, trial: Trial, form: AnswerForm | None, *, is_new: bool
) -> dict[str, Any]:
    """The template's context for a trial; `form` is a rejected answer, shown again.

    Of a trial that `is_new`, shown for the first time, nothing can have been heard.
    """
    numbered = progress.counted_with(trial)
    trial.item = selectors.item_of(trial)
    heard = set() if is_new else selectors.heard_clips(trial)
    seconds = sum(stimulus.seconds for stimulus in trial.item.stimuli)
    answered = sum(hasattr(one, "response") for one in numbered)
    is_practice = trial.kind == Trial.Kind.PRACTICE
    given = _given(form)
    return {
        "trial": trial,
        "is_practice": is_practice,
        "number": numbered.index(trial) + 1,
        "total": len(numbered),
        "passage": passage(
            study,
            Step.PRACTICE if is_practice else Step.TRIAL,
            within=answered / len(numbered),
            pace=progress.pace(seconds_of_sound=seconds),
        ),
        "is_final": len(progress.answered) + 1 == len(progress.trials)
        and study.steps[-1] == Step.TRIAL,
        "players": trial_players(study, trial, heard=heard),
        "rules": study,
        "rules_in_words": rules_in_words(study) if has_rules(study) else [],
        "options": _marked(shown_options(study, trial), given["choice"]),
        "confidences": _marked(CONFIDENCES, given["confidence"]),
        "errors": _errors(form),
        "longest_label": LONGEST_LABEL,
        "given": given,
        "ahead": trial_sources(study, progress.following),
        "words": words_of(study),
        "question": question(study, trial),
        "none": NONE,
        "chose_none": given["choice"] == str(NONE),
        "strings": script_strings() | {"listenFirst": _(study.kind.words.listen_first)},
    }


def _given(form: AnswerForm | None) -> dict[str, str]:
    """What was typed into a rejected form, by field; empty texts otherwise."""
    return {name: str(form[name].value() or "") if form else "" for name in AnswerForm.base_fields}


def _errors(form: AnswerForm | None) -> dict[str, str]:
    """The first error of each field of a rejected form, and that of the whole form as `whole`."""
    errors = dict.fromkeys(("whole", *AnswerForm.base_fields), "")
    for name, found in form.errors.items() if form else ():
        errors["whole" if name == NON_FIELD_ERRORS else name] = str(found[0])
    return errors


def _marked(options: Iterable[tuple[int, Any]], given: str) -> list[tuple[int, Any, bool]]:
    """Position and text of the options, with whether each is the one that was given."""
    return [(position, text, str(position) == given) for position, text in options]


def has_rules(study: Study) -> bool:
    """Whether the study sets how its sounds are played."""
    return bool(study.most_plays or study.from_start or study.hear_before_choosing)


def words_of(study: Study) -> dict[str, str]:
    """What a trial's page says, in its language."""
    return dict(_words_in(study.kind.words, get_language()))


@cache
def _words_in(words: Words, language: str | None) -> dict[str, str]:
    return {name: _(said) if said else "" for name, said in asdict(words).items()}


def question(study: Study, trial: Trial) -> str:
    """What is asked, with the label that it is about, if any; practice labels are translated."""
    said, prompt = _(study.kind.words.question), trial.item.prompt
    if not prompt:
        return said
    if trial.kind == Trial.Kind.PRACTICE:
        return format_html(said, prompt=format_html('<q dir="auto">{}</q>', _(prompt)))
    asked = format_html('<q dir="auto" lang="{}">{}</q>', study.languages[0], prompt)
    return format_html(said, prompt=asked)


def shown_options(study: Study, trial: Trial) -> list[tuple[int, str]]:
    """Position and text; practice options are our own texts and follow the page's language."""
    options = selectors.shown_options(trial)
    if trial.kind != Trial.Kind.PRACTICE or study.kind.picks_sound:
        return options
    return [(position, _(text)) for position, text in options]
