"""The last pages of a participation: thanks with the code, or any other ending."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from studyapp import texts
from studyapp.models import Participation, Study
from studyapp.models.steps import Step
from studyapp.participation.views.endings import LEAVE_SECONDS, READING_SECONDS, ending, leaving
from studyapp.participation.views.pages import page, render_step


@page(Step.THANKS)
def thanks(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Thanks, the completion code, which exists only once everything is saved, and the debrief."""
    text = texts.of_study(participation.study, "debrief_text", participation.language)
    seconds = READING_SECONDS if text else LEAVE_SECONDS
    context = {"text": texts.render(text) if text else ""}
    context |= leaving(request, participation, seconds=seconds)
    return render_step(request, Step.THANKS, participation, context)


@page(Step.ENDED)
def ended(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Any other end of a participation."""
    active = participation.status == Participation.Status.ACTIVE
    kind = participation.study.state if active else participation.status
    if active and kind == Study.State.CLOSED and participation.consented_at is not None:
        kind = "closed_midway"
    return ending(request, kind, study=participation.study, participation=participation)
