"""What all participants' pages share: whose page it is, its language, where it leads next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.selectors.passage import passage
from studyapp.participation.services import assignment, leases
from studyapp.participation.views import visitor
from studyapp.participation.views.endings import ending
from studyapp.studies.selectors import studies

PageView = Callable[[HttpRequest, Participation], HttpResponse]


def page(step: Step) -> Callable[[PageView], Callable[..., HttpResponse]]:
    """Decorate the page of a step: it gets the cookie's participation.

    A participation that is at another step is redirected there. An expired lease is renewed here,
    whatever the step, unless the place is lost.
    """

    def decorate(view: PageView) -> Callable[..., HttpResponse]:
        @wraps(view)
        def wrapped(request: HttpRequest, slug: str) -> HttpResponse:
            participation = visitor.participation_of(request, slug)
            if participation is None:
                return ending(request, "lost", study=studies.by_link(slug), status=403)
            if selectors.step_of(participation) != step:
                return redirect_to_current_step(request, participation, saved=False)
            try:
                assignment.keep_place(participation=participation)
                return in_language(participation.language, view, request, participation)
            except PlaceLostError:
                return _place_lost(request, participation)
            except ParticipationError:
                # Another tab, or the recruiting service, was faster.
                return redirect_to_current_step(request, participation, saved=False)

        return login_not_required(require_http_methods(["GET", "HEAD", "POST"])(wrapped))

    return decorate


def _place_lost(request: HttpRequest, participation: Participation) -> HttpResponse:
    """The page that says the place is lost; a script that sent an answer is redirected to it."""
    if request.method == "POST":
        return redirect_to_current_step(request, participation, saved=False)
    return ending(request, "place_lost", study=participation.study, participation=participation)


def in_language(language: str, view: PageView, *arguments: Any) -> HttpResponse:
    """The view's response in that language, whatever the browser asks for."""
    with translation.override(language):
        response = view(*arguments)
    response.headers["Content-Language"] = language
    return response


def render_step(
    request: HttpRequest,
    step: Step,
    participation: Participation,
    context: dict[str, Any],
    *,
    template: str = "",
    status: int = 200,
    within: float = 0.0,
) -> HttpResponse:
    """The page of a step, of which the share `within` is done."""
    study = participation.study
    if "passage" not in context and step in study.steps:
        context = context | {"passage": passage(study, step, within=within)}
    full = study_context(study, participation.language) | {
        "page": step.value,
        "participation": participation,
        "seconds_left": leases.seconds_left(participation),
        "shortest_lease": round(leases.first_length(study).total_seconds()),
    }
    name = f"participant/{template or step.value}.html"
    return render(request, name, full | context, status=status)


def study_context(study: Study, language: str) -> dict[str, Any]:
    """What every page of a study shows around its content: the title and the choice of language."""
    names = dict(settings.LANGUAGES)
    return {
        "study": study,
        "study_title": texts.of_study(study, "title", language),
        "label_language": study.languages[0],
        "other_languages": [(one, names[one]) for one in study.languages if one != language],
    }


def redirect_to_current_step(
    request: HttpRequest,
    participation: Participation,
    *,
    saved: bool,
    step: Step | None = None,
    events: Sequence[str] = (),
) -> HttpResponse:
    """Redirect to the study's link, which leads to the current step; JSON for the page's script.

    To the page of `step` itself, if it is known to be the current one. `events` are those that
    came along and need not be sent again.
    """
    address = reverse(step.value if step else "start", args=[participation.study.slug])
    if request.method == "POST" and wants_json(request):
        return JsonResponse({"saved": saved, "next": address, "events": list(events)})
    return HttpResponseRedirect(address)


def redirect_to_step_page(participation: Participation) -> HttpResponse:
    """Redirect straight to the page of the current step."""
    step = selectors.step_of(participation)
    return HttpResponseRedirect(reverse(step.value, args=[participation.study.slug]))


def wants_json(request: HttpRequest) -> bool:
    """Whether the request comes from the page's script rather than from the browser itself."""
    return request.headers.get("Accept", "").startswith("application/json")
