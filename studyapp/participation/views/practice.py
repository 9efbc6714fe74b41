"""Practice trials: the trial's page, then what is to be said of the answer."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from studyapp.models import Participation, Trial
from studyapp.models.steps import Step
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import practice as services
from studyapp.participation.views import answers, trial_page
from studyapp.participation.views.pages import page, shown, to_current
from studyapp.studies.services.sounds import exercise_of


@page(Step.PRACTICE)
def practice(request: HttpRequest, participation: Participation) -> HttpResponse:
    """A practice trial, or the feedback to the last one."""
    if request.method == "POST" and "seen" in request.POST:
        services.feedback_seen(participation=participation, token=request.POST["seen"])
        return to_current(participation)
    answered = services.awaiting_feedback(participation)
    if request.method == "POST":
        return answers.take(request, Step.PRACTICE, participation)
    if answered is not None:
        return _feedback(request, participation, answered)
    return answers.show(request, Step.PRACTICE, participation)


def _feedback(request: HttpRequest, participation: Participation, trial: Trial) -> HttpResponse:
    trial.item = selectors.item_of(trial)
    chosen = trial.option_order[trial.response.choice - 1]
    names = [
        (gettext(trial.item.options[index]["text"]), index == trial.item.target, index == chosen)
        for index in trial.option_order
    ]
    number, total = trial.number, services.count(participation.study)
    context = {
        "trial": trial,
        "is_right": chosen == trial.item.target,
        "right": gettext(trial.item.options[trial.item.target or 0]["text"]),
        "names": names,
        "because": gettext(exercise_of(trial.item).because),
        "players": trial_page.players(participation.study, trial, heard={1, 2, 3}),
        "number": number,
        "total": total,
        "is_last": number == total,
        "strings": trial_page.script_strings(),
    }
    return shown(request, Step.PRACTICE, participation, context, template="feedback")
