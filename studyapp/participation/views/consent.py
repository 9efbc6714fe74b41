"""The consent page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from studyapp import texts
from studyapp.core.errors import (
    CrowdedError,
    NotInvitedError,
    StudyFullError,
    StudyUnavailableError,
)
from studyapp.models import Participation
from studyapp.models.steps import Step
from studyapp.participation.forms.consent import ConsentForm
from studyapp.participation.services import participations as services
from studyapp.participation.views.endings import ending
from studyapp.participation.views.pages import page, redirect_to_step_page, render_step


@page(Step.CONSENT)
def consent(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Information and consent: agree or refuse."""
    form = ConsentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["decision"] == "refuse":
            return redirect_to_step_page(services.refuse(participation=participation))
        try:
            return redirect_to_step_page(services.consent(participation=participation))
        except NotInvitedError:
            return ending(request, "uninvited", study=participation.study, status=403)
        except StudyFullError:
            return ending(request, "full", study=participation.study)
        except CrowdedError:
            return ending(request, "crowded", study=participation.study, status=429)
        except StudyUnavailableError:
            return ending(request, participation.study.state, study=participation.study)
    text = texts.of_study(participation.study, "consent_text", participation.language)
    context = {"text": texts.render(text), "version": texts.version_of(text)[:8]}
    return render_step(request, Step.CONSENT, participation, context)
