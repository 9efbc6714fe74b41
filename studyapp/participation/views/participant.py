"""A participant's way: the link, consent, instructions, trials, the end. HTTP only.

Every page leads to where the participation stands. Sound checks are in `checks.py`, practice in
`practice.py`, the questionnaire in `after.py`.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from studyapp import texts
from studyapp.core.errors import (
    CrowdedError,
    NotInvitedError,
    StudyFullError,
    StudyUnavailableError,
)
from studyapp.models import Participation
from studyapp.models.steps import Step
from studyapp.participation.forms import ConsentForm, parse_events
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import events as events_service
from studyapp.participation.services import passage as services
from studyapp.participation.services import practice, steps
from studyapp.participation.views import answers, examples, visitor
from studyapp.participation.views.endings import ending, leaving
from studyapp.participation.views.pages import page, shown, to_current


@login_not_required
@require_POST
def language(request: HttpRequest, slug: str) -> HttpResponse:
    """Read on in another language of the study."""
    participation = visitor.participation_of(request, slug)
    if participation is not None:
        steps.choose_language(
            participation=participation, language=request.POST.get("language", "")
        )
    return HttpResponseRedirect(reverse("start", args=[slug]))


@page(Step.CONSENT)
def consent(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Information and consent: agree or refuse."""
    form = ConsentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["decision"] == "refuse":
            return to_current(services.refuse(participation=participation))
        try:
            return to_current(services.consent(participation=participation))
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
    return shown(request, Step.CONSENT, participation, context)


@page(Step.INSTRUCTIONS)
def instructions(request: HttpRequest, participation: Participation) -> HttpResponse:
    """What to do, with the study's example, read before the first trial."""
    if request.method == "POST":
        return to_current(services.instructed(participation=participation))
    text = texts.of_study(participation.study, "instructions_text", participation.language)
    context = {"text": texts.render(text), "has_practice": practice.count(participation.study)}
    return shown(
        request, Step.INSTRUCTIONS, participation, context | examples.context(participation)
    )


@page(Step.TRIAL)
def trial(request: HttpRequest, participation: Participation) -> HttpResponse:
    """The current trial, and the answer to it."""
    if request.method == "POST":
        return answers.take(request, Step.TRIAL, participation)
    return answers.show(request, Step.TRIAL, participation)


@page(Step.THANKS)
def thanks(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Thanks with the completion code, which exists only once everything is saved; the debrief."""
    text = texts.of_study(participation.study, "debrief_text", participation.language)
    context = {"text": texts.render(text) if text else ""}
    return shown(request, Step.THANKS, participation, context | leaving(request, participation))


@page(Step.ENDED)
def ended(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Any other end of the passage."""
    active = participation.status == Participation.Status.ACTIVE
    kind = participation.study.state if active else participation.status
    return ending(request, kind, study=participation.study, participation=participation)


@login_not_required
@require_POST
def events(request: HttpRequest, slug: str) -> JsonResponse:
    """Take a list of events; answer which sequences are stored and what counts as heard."""
    participation = visitor.bare_participation_of(request, slug)
    if participation is None:
        return JsonResponse({"error": "no participation"}, status=403)
    try:
        found, broken = parse_events(request.body)
    except ValidationError as error:
        return JsonResponse({"error": error.message}, status=400)
    stored, ignored = events_service.record_events(participation=participation, events=found)
    heard = selectors.heard_by_token(
        participation=participation, tokens={event.trial for event in found}
    )
    return JsonResponse({"stored": stored, "ignored": ignored + broken, "heard": heard})
