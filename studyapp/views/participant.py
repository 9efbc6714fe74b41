"""A participant's pages: HTTP only. Every page leads to where the participation stands."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studyapp import access, texts
from studyapp.errors import (
    NotHeardError,
    ParticipationError,
    PlaceLostError,
    StudyFullError,
    StudyUnavailableError,
)
from studyapp.forms import AnswerForm, ConsentForm, parse_events
from studyapp.models import Participation, Trial
from studyapp.selectors import participation as selectors
from studyapp.selectors import studies
from studyapp.selectors.participation import Step
from studyapp.services import assignment
from studyapp.services import participation as services
from studyapp.views import trial_page
from studyapp.views.endings import ending

PageView = Callable[[HttpRequest, Participation], HttpResponse]


@never_cache
@require_safe
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """The one entry: begins or resumes, and leads to the current page; no parameter stays."""
    study = studies.by_link(slug)
    key = access.external_key(request)
    participation = selectors.by_external_key(slug=slug, key=key)
    if participation is None and not key:
        participation = access.participation_of(request, slug)
    if participation is None:
        if study is None:
            return ending(request, "unknown", status=404)
        if request.method == "HEAD":
            return HttpResponse()
        try:
            participation = services.begin(
                study=study, external_key=key, simulated=access.is_simulation(request, slug)
            )
        except StudyFullError:
            return ending(request, "full", study=study)
        except StudyUnavailableError:
            return ending(request, study.state, study=study)
    response = _to_current(participation)
    access.remember(response, participation)
    return response


def page(step: Step) -> Callable[[PageView], Callable[..., HttpResponse]]:
    """A page of that step, for the cookie's participation; one that stands elsewhere is led on."""

    def decorate(view: PageView) -> Callable[..., HttpResponse]:
        @wraps(view)
        def wrapped(request: HttpRequest, slug: str) -> HttpResponse:
            participation = access.participation_of(request, slug)
            if participation is None:
                return ending(request, "lost", study=studies.by_link(slug), status=403)
            if selectors.step_of(participation) != step:
                return _led_on(request, participation, saved=False)
            return view(request, participation)

        return never_cache(require_http_methods(["GET", "HEAD", "POST"])(wrapped))

    return decorate


@page(Step.CONSENT)
def consent(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Information and consent: agree or refuse."""
    form = ConsentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["decision"] == "refuse":
            return _to_current(services.refuse(participation=participation))
        try:
            return _to_current(services.consent(participation=participation))
        except StudyFullError:
            return ending(request, "full", study=participation.study)
        except StudyUnavailableError:
            return ending(request, participation.study.state, study=participation.study)
    context = {"text": texts.render(participation.study.consent_text)}
    return _page(request, Step.CONSENT, participation, context)


@page(Step.INSTRUCTIONS)
def instructions(request: HttpRequest, participation: Participation) -> HttpResponse:
    """What to do, read before the first trial."""
    if request.method == "POST":
        return _to_current(services.instructed(participation=participation))
    context = {"text": texts.render(participation.study.instructions_text)}
    return _page(request, Step.INSTRUCTIONS, participation, context)


@page(Step.TRIAL)
def trial(request: HttpRequest, participation: Participation) -> HttpResponse:
    """The current trial, and the answer to it."""
    try:
        assignment.keep_place(participation=participation)
    except PlaceLostError:
        return _led_on(request, participation, saved=False)
    if request.method == "POST":
        return _answer(request, participation)
    return _trial(request, participation)


@page(Step.THANKS)
def thanks(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Thanks with the completion code, which exists only once everything is saved."""
    return _page(request, Step.THANKS, participation, {})


@page(Step.ENDED)
def ended(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Any other end of the passage."""
    active = participation.status == Participation.Status.ACTIVE
    kind = participation.study.state if active else participation.status
    return ending(request, kind, study=participation.study)


@never_cache
@require_POST
def events(request: HttpRequest, slug: str) -> JsonResponse:
    """Take a list of events; answer which sequences are stored and what counts as heard."""
    participation = access.participation_of(request, slug)
    if participation is None:
        return JsonResponse({"error": "no participation"}, status=403)
    try:
        found, broken = parse_events(request.body)
    except ValidationError as error:
        return JsonResponse({"error": error.message}, status=400)
    stored, ignored = services.record_events(participation=participation, events=found)
    heard = selectors.heard_by_token(
        participation=participation, tokens={event.trial for event in found}
    )
    return JsonResponse({"stored": stored, "ignored": ignored + broken, "heard": heard})


def _answer(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Record the posted answer; one that is not to the current trial leads on, changing nothing."""
    given = selectors.trial_by_token(
        participation=participation, token=request.POST.get("trial", "")
    )
    current = selectors.passage(participation).current
    if given is None or current is None or given.pk != current.pk:
        was_answered = given is not None and hasattr(given, "response")
        return _led_on(request, participation, saved=was_answered)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _refused(request, participation, form)
    data = form.cleaned_data
    del data["trial"]
    try:
        services.record_response(trial=given, **data)
    except NotHeardError:
        form.add_error(None, _("Please listen to all three sounds to the end first."))
        return _refused(request, participation, form)
    except ParticipationError:
        return _led_on(request, participation, saved=False)
    return _led_on(request, participation, saved=True)


def _trial(
    request: HttpRequest, participation: Participation, form: AnswerForm | None = None
) -> HttpResponse:
    passage = selectors.passage(participation)
    if passage.current is None:
        return _to_current(participation)
    shown: Trial = services.show_trial(trial=passage.current)
    context = trial_page.context(participation.study, passage, shown, form)
    return _page(request, Step.TRIAL, participation, context, status=422 if form else 200)


def _refused(request: HttpRequest, participation: Participation, form: AnswerForm) -> HttpResponse:
    """The page again with the reason and all that was typed; JSON for the page's own script."""
    if not _wants_json(request):
        return _trial(request, participation, form)
    messages = {
        "form" if name == NON_FIELD_ERRORS else name: [str(error) for error in errors]
        for name, errors in form.errors.items()
    }
    heard = selectors.heard_by_token(
        participation=participation, tokens={request.POST.get("trial", "")}
    )
    return JsonResponse({"saved": False, "errors": messages, "heard": heard}, status=422)


def _led_on(request: HttpRequest, participation: Participation, *, saved: bool) -> HttpResponse:
    if request.method == "POST" and _wants_json(request):
        start_page = reverse("start", args=[participation.study.slug])
        return JsonResponse({"saved": saved, "next": start_page})
    return HttpResponseRedirect(reverse("start", args=[participation.study.slug]))


def _to_current(participation: Participation) -> HttpResponse:
    step = selectors.step_of(participation)
    return HttpResponseRedirect(reverse(step.value, args=[participation.study.slug]))


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _page(
    request: HttpRequest,
    step: Step,
    participation: Participation,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    full = {"page": step.value, "study": participation.study, "participation": participation}
    return render(request, f"participant/{step.value}.html", full | context, status=status)
