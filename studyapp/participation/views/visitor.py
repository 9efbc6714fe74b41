"""Who is making a request: the participant's cookie, hashed outside identifiers, simulation tokens.

A participation is recognised by a signed, HTTP-only cookie bound to the study's path, or by the
keyed hash of what a recruiting service sends. After the first redirect, no URL contains either.
"""

from __future__ import annotations

import json

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation.trans_real import parse_accept_lang_header

from studyapp.core.errors import NotInvitedError
from studyapp.models import EntryToken, Participation, Study
from studyapp.participation.selectors import participations as selectors
from studyapp.recruitment.services import entry, identities, tokens
from studyapp.recruitment.services.entry import OWN_PARAMETERS
from studyapp.studies.selectors import studies

COOKIE = "place"
COOKIE_SALT = "earwitness.place"
COOKIE_SECONDS = 60 * 60 * 24 * 30
ORIGIN_COOKIE = "origin"
ORIGIN_SALT = "earwitness.origin"
KIOSK_COOKIE = "kiosk"
KIOSK_SALT = "earwitness.kiosk"
SIMULATION_SALT = "earwitness.simulation"
SIMULATION_SECONDS = 60 * 60 * 24


def identity(request: HttpRequest, slug: str) -> identities.Identity | None:
    """Who the visitor is according to the recruiting service; None if the link is not from one.

    Raises `BrokenLinkError` if the link is from one but the identifiers are not filled in.
    """
    if not _is_named(request):
        return None
    names = _parameters(request, slug)
    if names.person not in request.GET:
        return None
    pid = request.GET[names.person].strip()
    session = request.GET.get(names.session, "").strip()
    return identities.identity(pid=pid, session=session, names=names)


def remember_origin(request: HttpRequest, response: HttpResponse, study: Study) -> None:
    """Keep in the browser, and only there, what the way back to another service repeats."""
    if not _is_named(request):
        return
    names = entry.parameters_of(study)
    given = {
        name: request.GET[parameter].strip()[: identities.MAX_LENGTH]
        for name, parameter in (("person", names.person), ("session", names.session))
        if parameter in request.GET
    }
    if given and entry.repeats_identifiers(study):
        response.set_signed_cookie(
            ORIGIN_COOKIE,
            json.dumps(given),
            salt=ORIGIN_SALT,
            max_age=COOKIE_SECONDS,
            path=reverse("start", args=[study.slug]),
            secure=settings.HTTPS,
            httponly=True,
            samesite="Lax",
        )


def _is_named(request: HttpRequest) -> bool:
    """Whether the link has parameters that are not our own."""
    return not set(request.GET) <= OWN_PARAMETERS


def _parameters(request: HttpRequest, slug: str) -> identities.Parameters:
    """The parameters that identify people: Prolific's, or those of the study's other service."""
    usual = identities.Parameters()
    return usual if usual.person in request.GET else entry.parameters_of(studies.by_link(slug))


def origin_of(request: HttpRequest, study: Study) -> dict[str, str]:
    """The identifiers with which the visitor came, from the link or as the browser kept them."""
    names = entry.parameters_of(study)
    if names.person in request.GET:
        return {
            "person": request.GET[names.person].strip(),
            "session": request.GET.get(names.session, "").strip(),
        }
    kept = request.get_signed_cookie(
        ORIGIN_COOKIE, default="", salt=ORIGIN_SALT, max_age=COOKIE_SECONDS
    )
    return dict(json.loads(kept)) if kept else {}


def simulation_token(study: Study) -> str:
    """A token that marks visitors to `/s/SLUG/?simulated=TOKEN` as simulated; valid for a day."""
    return signing.dumps(study.slug, salt=SIMULATION_SALT)


def is_simulation(request: HttpRequest, slug: str) -> bool:
    """Whether the request has a valid simulation token for the study; invalid ones are ignored."""
    token = request.GET.get("simulated", "")
    try:
        return bool(token) and bool(
            signing.loads(token, salt=SIMULATION_SALT, max_age=SIMULATION_SECONDS) == slug
        )
    except signing.BadSignature:
        return False


def language_of(request: HttpRequest, study: Study) -> str:
    """The language that the link (`?lang=`) or the browser asks for, else the study's first."""
    asked = request.GET.get("lang", "")
    spoken = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    for code in (asked, *(code for code, _ in spoken)):
        # A region's language counts as the language: `de-at` is served in `de`.
        for one in (code, code.partition("-")[0]):
            if one in study.languages:
                return one
    return str(study.languages[0])


def remember(response: HttpResponse, participation: Participation) -> None:
    """Bind the browser to the participation, for this study's pages only."""
    response.set_signed_cookie(
        COOKIE,
        participation.identifier,
        salt=COOKIE_SALT,
        max_age=COOKIE_SECONDS,
        path=reverse("start", args=[participation.study.slug]),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def participation_of(request: HttpRequest, slug: str) -> Participation | None:
    """The participation that the request's cookie names, with its study; None if there is none."""
    identifier = identifier_of(request)
    return selectors.by_identifier(slug=slug, identifier=identifier) if identifier else None


def bare_participation_of(request: HttpRequest, slug: str) -> Participation | None:
    """The same without its study: for sounds and events, the most frequent requests."""
    identifier = identifier_of(request)
    return selectors.bare_by_identifier(slug=slug, identifier=identifier) if identifier else None


def identifier_of(request: HttpRequest) -> str | None:
    """The pseudonym in the request's cookie; whether a participation has it is not checked."""
    return request.get_signed_cookie(COOKIE, default=None, salt=COOKIE_SALT, max_age=COOKIE_SECONDS)


def forget(response: HttpResponse, slug: str) -> None:
    """Unbind the browser from its participation."""
    for name in (COOKIE, ORIGIN_COOKIE):
        response.delete_cookie(name, path=reverse("start", args=[slug]), samesite="Lax")


def is_kiosk(token: EntryToken) -> bool:
    """Whether the token makes a browser a laboratory's machine."""
    return token.kind == EntryToken.Kind.KIOSK


def make_kiosk(response: HttpResponse, slug: str, token: str) -> None:
    """Let the browser begin one participation after another with that token."""
    response.set_signed_cookie(
        KIOSK_COOKIE,
        token,
        salt=KIOSK_SALT,
        max_age=COOKIE_SECONDS,
        path=reverse("start", args=[slug]),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def kiosk_token(request: HttpRequest, slug: str) -> EntryToken | None:
    """The kiosk token that the browser was given, unless it has been revoked."""
    token = request.get_signed_cookie(
        KIOSK_COOKIE, default=None, salt=KIOSK_SALT, max_age=COOKIE_SECONDS
    )
    try:
        return tokens.token_named(slug=slug, token=token) if token else None
    except NotInvitedError:
        return None
