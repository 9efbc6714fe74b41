"""The instructions page, with the study's example: its sounds and the right answer."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from studyapp import texts
from studyapp.models import Participation, Trial
from studyapp.models.steps import Step
from studyapp.participation.selectors.sounds import example_of
from studyapp.participation.services import checks, practice
from studyapp.participation.services import participations as services
from studyapp.participation.views import trial_page
from studyapp.participation.views.pages import page, redirect_to_step_page, render_step
from studyapp.participation.views.players import player, rules_in_words, script_strings
from studyapp.studies.services.synthetic_items import exercise_of


@page(Step.INSTRUCTIONS)
def instructions(request: HttpRequest, participation: Participation) -> HttpResponse:
    """What to do, with the study's example, read before the first trial."""
    if request.method == "POST":
        return redirect_to_step_page(services.finish_instructions(participation=participation))
    text = texts.of_study(participation.study, "instructions_text", participation.language)
    context = {
        "text": texts.render(text),
        "rules_in_words": rules_in_words(participation.study),
        "has_practice": practice.count(participation.study),
        "headphones": checks.headphone_result(participation),
    }
    context |= _example(participation)
    return render_step(request, Step.INSTRUCTIONS, participation, context)


def _example(participation: Participation) -> dict[str, Any]:
    """The template's context for the example; empty if the study has none."""
    study = participation.study
    example = example_of(study) if practice.count(study) else None
    if example is None:
        return {}
    sounds = practice.begin_example(participation=participation).data["sounds"]
    tokens = {path: token for token, path in sounds.items()}
    return {
        "players": [
            player(
                number,
                reverse("sound", args=[study.slug, tokens[stimulus.path]]),
                stimulus,
                outline=study.show_waveform,
            )
            for number, stimulus in enumerate(example.stimuli, start=1)
        ],
        "names": [
            (gettext(option["text"]), index == example.target)
            for index, option in enumerate(example.options)
        ],
        "question": trial_page.question(study, Trial(item=example, kind=Trial.Kind.PRACTICE)),
        "right": gettext("Sound {n}").format(n=(example.target or 0) + 1),
        "because": gettext(exercise_of(example).because),
        "strings": script_strings(),
    }
