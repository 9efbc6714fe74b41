"""After the trials: the questionnaire. At any time: withdrawal."""

from __future__ import annotations

from contextlib import suppress

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from studyapp.core.errors import ParticipationError
from studyapp.models import Participation
from studyapp.models.steps import Step
from studyapp.participation.forms import questionnaire_form
from studyapp.participation.services import questions as services
from studyapp.participation.services import withdrawal
from studyapp.participation.views import visitor
from studyapp.participation.views.endings import ending
from studyapp.participation.views.pages import frame, in_language, led_on, page, shown
from studyapp.participation.views.trial_page import script_strings
from studyapp.studies import questionnaire as questions
from studyapp.studies.selectors import studies


@page(Step.QUESTIONNAIRE)
def questionnaire(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Every question on one page; each may be left out."""
    asked = questions.of_study(participation.study.questions, participation.language)
    services.begin_questionnaire(participation=participation)
    form = questionnaire_form(asked, request.POST or None)
    if request.method == "POST" and form.is_valid():
        services.record_questionnaire(participation=participation, answers=form.cleaned_data)
        return led_on(request, participation, saved=True)
    status = 422 if request.method == "POST" else 200
    context = {"questions": asked, "form": form, "strings": script_strings()}
    return shown(request, Step.QUESTIONNAIRE, participation, context, status=status)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, slug: str) -> HttpResponse:
    """Asks once, then erases; from every page, and after the end too."""
    participation = visitor.participation_of(request, slug)
    if participation is None:
        return ending(request, "lost", study=studies.by_link(slug), status=403)
    if request.method == "POST":
        # Who refused gave nothing, so there is nothing to erase: the page says where that stands.
        with suppress(ParticipationError):
            withdrawal.withdraw(participation=participation)
        return led_on(request, participation, saved=True)
    return in_language(participation.language, _asked, request, participation)


def _asked(request: HttpRequest, participation: Participation) -> HttpResponse:
    context = frame(participation.study, participation.language) | {"page": "withdraw"}
    return render(request, "participant/withdraw.html", context)
