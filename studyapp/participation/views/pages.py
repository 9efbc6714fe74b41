"""What every participant's page shares: whose it is, in which language, where it leads."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_http_methods

from studyapp import texts
from studyapp.core.errors import ParticipationError, PlaceLostError
from studyapp.models import Participation, Study
from studyapp.models.steps import Step
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import assignment
from studyapp.participation.views import visitor
from studyapp.participation.views.endings import ending
from studyapp.studies.selectors import studies

PageView = Callable[[HttpRequest, Participation], HttpResponse]


def page(step: Step) -> Callable[[PageView], Callable[..., HttpResponse]]:
    """A page of that step, for the cookie's participation; one that stands elsewhere is led on.

    A lease that ran out is renewed here, whatever the step, or the place is lost.
    """

    def decorate(view: PageView) -> Callable[..., HttpResponse]:
        @wraps(view)
        def wrapped(request: HttpRequest, slug: str) -> HttpResponse:
            participation = visitor.participation_of(request, slug)
            if participation is None:
                return ending(request, "lost", study=studies.by_link(slug), status=403)
            if selectors.step_of(participation) != step:
                return led_on(request, participation, saved=False)
            try:
                assignment.keep_place(participation=participation)
                return in_language(participation.language, view, request, participation)
            except PlaceLostError:
                return _place_lost(request, participation)
            except ParticipationError:
                # Another tab, or the recruiting service, was faster.
                return led_on(request, participation, saved=False)

        return login_not_required(require_http_methods(["GET", "HEAD", "POST"])(wrapped))

    return decorate


def _place_lost(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Said on a page; the script that sent an answer is led there."""
    if request.method == "POST":
        return led_on(request, participation, saved=False)
    return ending(request, "place_lost", study=participation.study, participation=participation)


def in_language(language: str, view: PageView, *arguments: Any) -> HttpResponse:
    """The view's answer in that language, whatever the browser asks for."""
    with translation.override(language):
        response = view(*arguments)
    response.headers["Content-Language"] = language
    return response


def shown(
    request: HttpRequest,
    step: Step,
    participation: Participation,
    context: dict[str, Any],
    *,
    template: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page of a step."""
    study = participation.study
    full = frame(study, participation.language) | {
        "page": step.value,
        "participation": participation,
    }
    name = f"participant/{template or step.value}.html"
    return render(request, name, full | context, status=status)


def frame(study: Study, language: str) -> dict[str, Any]:
    """What stands around every page of a study: its title, the languages that it can be read in."""
    names = dict(settings.LANGUAGES)
    return {
        "study": study,
        "study_title": texts.of_study(study, "title", language),
        "label_language": study.languages[0],
        "other_languages": [(one, names[one]) for one in study.languages if one != language],
    }


def led_on(request: HttpRequest, participation: Participation, *, saved: bool) -> HttpResponse:
    """On to where the participation stands; JSON for the page's own script."""
    start_page = reverse("start", args=[participation.study.slug])
    if request.method == "POST" and wants_json(request):
        return JsonResponse({"saved": saved, "next": start_page})
    return HttpResponseRedirect(start_page)


def to_current(participation: Participation) -> HttpResponse:
    """A redirection to the page of the current step."""
    step = selectors.step_of(participation)
    return HttpResponseRedirect(reverse(step.value, args=[participation.study.slug]))


def wants_json(request: HttpRequest) -> bool:
    """Whether the page's script asks, not the browser."""
    return request.headers.get("Accept", "").startswith("application/json")
