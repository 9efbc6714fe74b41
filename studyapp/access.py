"""Who a request is: the participant's cookie, hashed outside identifiers, simulation tokens.

A participation is found again by a signed, http-only cookie bound to the study's path, or by the
keyed hash of what a recruiting service sends. After the first redirect no URL has either.
"""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.crypto import salted_hmac

from studyapp.models import Participation, Study
from studyapp.selectors import participation as selectors

COOKIE = "place"
COOKIE_SALT = "earwitness.place"
COOKIE_SECONDS = 60 * 60 * 24 * 30
EXTERNAL_SALT = "earwitness.external"
SIMULATION_SALT = "earwitness.simulation"
SIMULATION_SECONDS = 60 * 60 * 24
MAX_IDENTIFIER = 200
"""Longest outside identifier taken, characters; no recruiting service has longer ones."""


def external_key(request: HttpRequest) -> str:
    """Keyed hash of PROLIFIC_PID and SESSION_ID, hexadecimal; empty without a PROLIFIC_PID."""
    pid = request.GET.get("PROLIFIC_PID", "").strip()[:MAX_IDENTIFIER]
    session = request.GET.get("SESSION_ID", "").strip()[:MAX_IDENTIFIER]
    if not pid:
        return ""
    return salted_hmac(EXTERNAL_SALT, f"{pid}\n{session}", algorithm="sha256").hexdigest()


def simulation_token(study: Study) -> str:
    """Marks who comes by `/s/SLUG/?simulated=TOKEN` as simulated; valid for a day."""
    return signing.dumps(study.slug, salt=SIMULATION_SALT)


def is_simulation(request: HttpRequest, slug: str) -> bool:
    """Whether the request has a valid simulation token for the study; a bad one counts as none."""
    token = request.GET.get("simulated", "")
    try:
        return bool(token) and bool(
            signing.loads(token, salt=SIMULATION_SALT, max_age=SIMULATION_SECONDS) == slug
        )
    except signing.BadSignature:
        return False


def language_of(request: HttpRequest, study: Study) -> str:
    """The study's language that the link asks for (`?lang=`), else the browser, else its first."""
    asked = request.GET.get("lang", "")
    if asked in study.languages:
        return asked
    spoken = translation.get_language_from_request(request)
    return spoken if spoken in study.languages else str(study.languages[0])


def remember(response: HttpResponse, participation: Participation) -> None:
    """Bind the browser to the participation, for this study's pages alone."""
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
    identifier = request.get_signed_cookie(
        COOKIE, default=None, salt=COOKIE_SALT, max_age=COOKIE_SECONDS
    )
    return selectors.by_identifier(slug=slug, identifier=identifier) if identifier else None
