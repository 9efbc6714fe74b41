"""The questionnaire after the trials."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from studyapp.models import Participation
from studyapp.models.steps import Step
from studyapp.participation.forms.questionnaire import questionnaire_form
from studyapp.participation.services import questionnaire as services
from studyapp.participation.views.pages import page, redirect_to_current_step, render_step
from studyapp.participation.views.players import script_strings
from studyapp.studies import own_questions
from studyapp.studies import questionnaire as questions


@page(Step.QUESTIONNAIRE)
def questionnaire(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Every question on one page; each may be skipped."""
    asked = questions.of_study(participation.study.questions, participation.language)
    services.begin_questionnaire(participation=participation)
    own = own_questions.of_study(participation.study.own_questions, participation.language)
    form = questionnaire_form(asked, request.POST or None, own=own)
    if request.method == "POST" and form.is_valid():
        services.record_questionnaire(participation=participation, answers=form.cleaned_data)
        return redirect_to_current_step(request, participation, saved=True)
    status = 422 if request.method == "POST" else 200
    context = {
        "questions": [(one, form[one.name]) for one in asked],
        "own_questions": [(one, form[one.name]) for one in own],
        "longest": own_questions.LONGEST_ANSWER,
        "form": form,
        "strings": script_strings(),
    }
    return render_step(request, Step.QUESTIONNAIRE, participation, context, status=status)
