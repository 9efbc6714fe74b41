"""How participants come in: a study's link, or a laboratory's machine. HTTP only."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from csp.decorators import csp_replace
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_POST, require_safe

from studyapp.core.addresses import counted_address
from studyapp.core.errors import (
    BrokenLinkError,
    CrowdedError,
    NotInvitedError,
    StudyFullError,
    StudyUnavailableError,
    TakenPartError,
    TookPartBeforeError,
    UnknownSubmissionError,
)
from studyapp.models import EntryToken, Participation, Study
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.services import participations as services
from studyapp.participation.services import preview, steps
from studyapp.participation.views import visitor
from studyapp.participation.views.endings import ending
from studyapp.participation.views.pages import redirect_to_step_page, study_context
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services import entry, tokens
from studyapp.recruitment.services.identities import Identity
from studyapp.studies.selectors import studies

MTURK_SITES = ("https://www.mturk.com", "https://workersandbox.mturk.com")
MTURK = "https://*.mturk.com"
NOT_ACCEPTED = "ASSIGNMENT_ID_NOT_AVAILABLE"
"""What Mechanical Turk sends while a worker only looks at a task."""
REFUSED_ENTRY = {
    BrokenLinkError: "broken_link",
    TakenPartError: "taken_part",
    TookPartBeforeError: "took_part_before",
    UnknownSubmissionError: "unknown_submission",
}
"""Error → the ending that explains it."""


@dataclass(frozen=True)
class Arrival:
    """Who follows a study's link, as far as the request tells."""

    identity: Identity | None
    """Who the recruiting service says it is; None if the link is not from one."""
    token: EntryToken | None
    known: Participation | None
    """The participation that this visitor already has."""


@login_not_required
@require_safe
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin or resume, and redirect to the current page; no parameter stays in the URL."""
    try:
        tested = recruitment_selectors.tested(slug, request.GET.get("STUDY_ID", ""))
        if tested is not None:
            return _test(request, slug, tested)
        arrival = _arrival(request, slug)
        if arrival.token is not None and "t" in request.GET and visitor.is_kiosk(arrival.token):
            return _kiosk(slug, request.GET["t"])
        participation = arrival.known or _begin(request, slug, arrival)
    except NotInvitedError as error:
        kind = REFUSED_ENTRY.get(type(error), "uninvited")
        return ending(request, kind, study=studies.by_link(slug), status=403)
    except StudyFullError:
        return ending(request, "full", study=studies.by_link(slug))
    except CrowdedError:
        return ending(request, "crowded", study=studies.by_link(slug), status=429)
    except StudyUnavailableError:
        study = studies.by_link(slug)
        kind = study.state if study else "unknown"
        # It was opened this very moment: trying again helps, as it does before the opening.
        return ending(request, "frozen" if kind == Study.State.OPEN else kind, study=study)
    if participation is None:
        return HttpResponse() if studies.by_link(slug) else ending(request, "unknown", status=404)
    response = redirect_to_step_page(participation)
    visitor.remember(response, participation)
    visitor.remember_origin(request, response, participation.study)
    return response


@xframe_options_exempt
@csp_replace({"frame-ancestors": [MTURK], "form-action": ["'self'", MTURK]})  # type: ignore[untyped-decorator] # csp's
@login_not_required
@require_safe
def mturk(request: HttpRequest, slug: str) -> HttpResponse:
    """The external question of Mechanical Turk: a frame that leads to the study and takes the code.

    The study itself opens in a tab of its own, since browsers keep no cookies of a frame.
    """
    study = studies.by_link(slug)
    names = entry.parameters_of(study)
    worker = request.GET.get("workerId", "")
    submit_to = request.GET.get("turkSubmitTo", "")
    assignment = request.GET.get("assignmentId", "")
    is_preview = assignment in ("", NOT_ACCEPTED)
    is_mturk = names.person == "workerId" and (is_preview or submit_to in MTURK_SITES)
    if study is None or not is_mturk or not (worker or is_preview):
        return ending(request, "unknown", status=404)
    language = visitor.language_of(request, study)
    found = {names.person: worker} | ({names.session: assignment} if names.session else {})
    context = study_context(study, language) | {
        "page": "mturk",
        "is_preview": is_preview,
        "assignment": assignment,
        "submit_to": submit_to,
        "link": f"{reverse('start', args=[slug])}?{urlencode(found)}",
        "other_languages": [],
    }
    with translation.override(language):
        return render(request, "participant/mturk.html", context)


@login_not_required
@require_POST
def next_participant(request: HttpRequest, slug: str) -> HttpResponse:
    """On a laboratory's machine: forget the last participant, so that the next one can begin."""
    response = HttpResponseRedirect(reverse("start", args=[slug]))
    if visitor.kiosk_token(request, slug) is not None:
        visitor.forget(response, slug)
    return response


def _arrival(request: HttpRequest, slug: str) -> Arrival:
    """Who has arrived, by the service's identifiers, by a personal token, or by the cookie.

    Raises `NotInvitedError` for a token that is unknown or revoked, `BrokenLinkError` if the
    service's identifiers are missing.
    """
    identity = visitor.identity(request, slug)
    if identity is not None:
        return Arrival(identity, None, _known(request, slug, identity))
    if "t" in request.GET:
        token = tokens.token_named(slug=slug, token=request.GET["t"])
        known = recruitment_selectors.bound_to(token)
        if known is None and token.kind == EntryToken.Kind.SHARED:
            known = visitor.participation_of(request, slug)
        return Arrival(None, token, known)
    known = visitor.participation_of(request, slug)
    return Arrival(None, None if known else visitor.kiosk_token(request, slug), known)


def _known(request: HttpRequest, slug: str, identity: Identity) -> Participation | None:
    """The submission's participation, or the same person's in the browser where it began."""
    known = selectors.by_external_key(slug=slug, key=identity.key)
    if known is not None:
        return known
    here = visitor.participation_of(request, slug)
    return here if here is not None and here.person_key == identity.person else None


def _begin(request: HttpRequest, slug: str, arrival: Arrival) -> Participation | None:
    """A new participation; None for a HEAD request, or if there is no study."""
    study = studies.by_link(slug)
    if study is None or request.method == "HEAD":
        return None
    who, submission = arrival.identity, ""
    simulated = visitor.is_simulation(request, slug)
    if not simulated:
        submission = entry.check_invited(
            study=study,
            external_study=request.GET.get("STUDY_ID", ""),
            identity=who,
            has_token=arrival.token is not None,
        )
    try:
        begun = services.begin(
            study=study,
            external_key=who.key if who else "",
            person_key=who.person if who and not simulated else "",
            submission=submission,
            simulated=simulated,
            entry=arrival.token,
            address=counted_address(request),
        )
        steps.choose_language(participation=begun, language=visitor.language_of(request, study))
        return begun
    except NotInvitedError:
        # A personal link was opened twice at once, and the other request was first.
        known = recruitment_selectors.bound_to(arrival.token) if arrival.token else None
        if known is None:
            raise
        return known


def _test(request: HttpRequest, slug: str, study: Study) -> HttpResponse:
    """Lead a test participant of Prolific to a copy of the study, in which nothing counts."""
    identity = visitor.identity(request, slug)
    if identity is None:
        raise BrokenLinkError("PROLIFIC_PID is missing")
    if request.method == "HEAD":
        return HttpResponse()
    begun = preview.begin_test(study=study, test_study=request.GET["STUDY_ID"], identity=identity)
    steps.choose_language(participation=begun, language=visitor.language_of(request, study))
    response = redirect_to_step_page(begun)
    visitor.remember(response, begun)
    return response


def _kiosk(slug: str, token: str) -> HttpResponse:
    """Make this browser a laboratory's machine and forget any earlier participant."""
    response = HttpResponseRedirect(reverse("start", args=[slug]))
    visitor.make_kiosk(response, slug, token)
    visitor.forget(response, slug)
    return response
