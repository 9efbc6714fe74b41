"""After the trials: the questionnaire."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from studyapp import questionnaire as questions
from studyapp.errors import ParticipationError
from studyapp.forms import questionnaire_form
from studyapp.models import Participation
from studyapp.services import questions as services
from studyapp.steps import Step
from studyapp.views.pages import led_on, page, shown
from studyapp.views.trial_page import script_strings


@page(Step.QUESTIONNAIRE)
def questionnaire(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Every question on one page; each may be left out."""
    asked = questions.of_study(participation.study.questions, participation.language)
    services.begin_questionnaire(participation=participation)
    form = questionnaire_form(asked, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.record_questionnaire(participation=participation, answers=form.cleaned_data)
        except ParticipationError:
            return led_on(request, participation, saved=False)
        return led_on(request, participation, saved=True)
    status = 422 if request.method == "POST" else 200
    context = {"questions": asked, "form": form, "strings": script_strings()}
    return shown(request, Step.QUESTIONNAIRE, participation, context, status=status)
