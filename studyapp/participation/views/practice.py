"""Practice: the trial page, then feedback on the answer."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from studyapp.models import Participation, Trial
from studyapp.models.steps import Step
from studyapp.participation.selectors.trials import item_of
from studyapp.participation.services import practice as services
from studyapp.participation.views import trial_page
from studyapp.participation.views.pages import page, redirect_to_step_page, render_step
from studyapp.participation.views.players import script_strings, trial_players
from studyapp.participation.views.trial import show_trial, take_answer
from studyapp.studies.services.synthetic_items import exercise_of


@page(Step.PRACTICE)
def practice(request: HttpRequest, participation: Participation) -> HttpResponse:
    """A practice trial, or the feedback to the last one."""
    if request.method == "POST" and "seen" in request.POST:
        services.mark_feedback_seen(participation=participation, token=request.POST["seen"])
        return redirect_to_step_page(participation)
    answered = services.awaiting_feedback(participation)
    if request.method == "POST":
        return take_answer(request, Step.PRACTICE, participation)
    if answered is not None:
        return _feedback(request, participation, answered)
    return show_trial(request, Step.PRACTICE, participation)


def _feedback(request: HttpRequest, participation: Participation, trial: Trial) -> HttpResponse:
    trial.item = item_of(trial)
    study, choice = participation.study, trial.response.choice
    chosen = None if choice is None else trial.option_order[choice - 1]
    shown = zip(trial.option_order, trial_page.shown_options(study, trial), strict=True)
    names = [(text, index == trial.item.target, index == chosen) for index, (_, text) in shown]
    number, total = trial.number, services.count(study)
    context = {
        "trial": trial,
        "is_right": chosen == trial.item.target,
        "right": next(text for text, is_right, _ in names if is_right),
        "names": names,
        "question": trial_page.question(study, trial),
        "because": "" if study.kind.picks_sound else gettext(exercise_of(trial.item).because),
        "players": trial_players(study, trial, heard=study.kind.numbers),
        "number": number,
        "total": total,
        "is_last": number == total,
        "strings": script_strings(),
    }
    return render_step(
        request, Step.PRACTICE, participation, context, template="feedback", within=number / total
    )
