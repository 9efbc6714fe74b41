"""How participants come in: the one link of a study, and a laboratory's machine. HTTP only."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from studyapp.core.addresses import counted_address
from studyapp.core.errors import (
    BrokenLinkError,
    CrowdedError,
    NotInvitedError,
    StudyFullError,
    StudyUnavailableError,
    TakenPartError,
    UnknownSubmissionError,
)
from studyapp.models import EntryToken, Participation, Study
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import passage as services
from studyapp.participation.services import steps
from studyapp.participation.views import visitor
from studyapp.participation.views.endings import ending
from studyapp.participation.views.pages import to_current
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services import entry
from studyapp.recruitment.services.pseudonyms import Identity
from studyapp.studies.selectors import studies

NOT_LET_IN = {
    BrokenLinkError: "broken_link",
    TakenPartError: "taken_part",
    UnknownSubmissionError: "unknown_submission",
}
"""Refusal → the ending that says why."""


@dataclass(frozen=True)
class Caller:
    """What a request to the link brings."""

    identity: Identity | None
    """Who the recruiting service says it is; None without any."""
    token: EntryToken | None
    known: Participation | None


@login_not_required
@require_safe
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """The one entry: begins or resumes, and leads to the current page; no parameter stays."""
    try:
        caller = _caller(request, slug)
        if caller.token is not None and "t" in request.GET and visitor.is_kiosk(caller.token):
            return _kiosk(slug, request.GET["t"])
        participation = caller.known or _begin(request, slug, caller)
    except NotInvitedError as error:
        kind = NOT_LET_IN.get(type(error), "uninvited")
        return ending(request, kind, study=studies.by_link(slug), status=403)
    except StudyFullError:
        return ending(request, "full", study=studies.by_link(slug))
    except CrowdedError:
        return ending(request, "crowded", study=studies.by_link(slug), status=429)
    except StudyUnavailableError:
        study = studies.by_link(slug)
        kind = study.state if study else "unknown"
        # It was opened this very moment: to look again helps, as it does before the opening.
        return ending(request, "frozen" if kind == Study.State.OPEN else kind, study=study)
    if participation is None:
        return HttpResponse() if studies.by_link(slug) else ending(request, "unknown", status=404)
    response = to_current(participation)
    visitor.remember(response, participation)
    return response


@login_not_required
@require_POST
def next_participant(request: HttpRequest, slug: str) -> HttpResponse:
    """At a laboratory's machine: forget whoever was here, so that the next one can begin."""
    response = HttpResponseRedirect(reverse("start", args=[slug]))
    if visitor.kiosk_token(request, slug) is not None:
        visitor.forget(response, slug)
    return response


def _caller(request: HttpRequest, slug: str) -> Caller:
    """Who comes: known by the service's identifiers, by a bound token, or by the cookie.

    Raises `NotInvitedError` on a token that is unknown or was revoked, `BrokenLinkError` if the
    service did not say who comes.
    """
    identity = visitor.identity(request)
    if identity is not None:
        return Caller(identity, None, _known(request, slug, identity))
    if "t" in request.GET:
        token = entry.token_named(slug=slug, token=request.GET["t"])
        known = recruitment_selectors.bound_to(token)
        if known is None and token.kind == EntryToken.Kind.SHARED:
            known = visitor.participation_of(request, slug)
        return Caller(None, token, known)
    known = visitor.participation_of(request, slug)
    return Caller(None, None if known else visitor.kiosk_token(request, slug), known)


def _known(request: HttpRequest, slug: str, identity: Identity) -> Participation | None:
    """The submission's participation; or the same person's, in the browser where it began."""
    known = selectors.by_external_key(slug=slug, key=identity.key)
    if known is not None:
        return known
    here = visitor.participation_of(request, slug)
    return here if here is not None and here.person_key == identity.person else None


def _begin(request: HttpRequest, slug: str, caller: Caller) -> Participation | None:
    """A new participation; None for a mere look at the headers, and where there is no study."""
    study = studies.by_link(slug)
    if study is None or request.method == "HEAD":
        return None
    who, submission = caller.identity, ""
    simulated = visitor.is_simulation(request, slug)
    if not simulated:
        submission = entry.check_invited(
            study=study,
            external_study=request.GET.get("STUDY_ID", ""),
            identity=who,
            has_token=caller.token is not None,
        )
    try:
        begun = services.begin(
            study=study,
            external_key=who.key if who else "",
            person_key=who.person if who and not simulated else "",
            submission=submission,
            simulated=simulated,
            entry=caller.token,
            address=counted_address(request),
        )
        steps.choose_language(participation=begun, language=visitor.language_of(request, study))
        return begun
    except NotInvitedError:
        # A personal link opened twice at once: the other one was first.
        known = recruitment_selectors.bound_to(caller.token) if caller.token else None
        if known is None:
            raise
        return known


def _kiosk(slug: str, token: str) -> HttpResponse:
    """Make this browser a laboratory's machine; whoever was here before is forgotten."""
    response = HttpResponseRedirect(reverse("start", args=[slug]))
    visitor.make_kiosk(response, slug, token)
    visitor.forget(response, slug)
    return response
