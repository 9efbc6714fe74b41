"""Sounds under opaque URLs, with byte ranges (Safari plays nothing without status 206)."""

from __future__ import annotations

import logging
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from studyapp.core.files import send
from studyapp.participation.selectors import sounds as selectors
from studyapp.participation.views import visitor

log = logging.getLogger(__name__)


@login_not_required
@require_safe
def audio(request: HttpRequest, slug: str, token: str, number: int) -> HttpResponse:
    """Sound `number` (1–3) of one of the participant's trials, up to the one after the current."""
    identifier = visitor.identifier_of(request)
    path = identifier and selectors.trial_sound(
        slug=slug, identifier=identifier, token=token, number=number
    )
    if not path:
        raise Http404
    return _send(request, path)


@login_not_required
@require_safe
def sound(request: HttpRequest, slug: str, token: str) -> HttpResponse:
    """A sound from the participant's sound checks or example."""
    participation = visitor.bare_participation_of(request, slug)
    path = participation and selectors.step_sound(participation=participation, token=token)
    if not path:
        raise Http404
    return _send(request, path)


def _send(request: HttpRequest, path: Path) -> HttpResponse:
    whole = Path(settings.DATA) / path
    if not whole.is_file():
        # The page says "not loaded" and offers another try; the log tells the administrator.
        log.error("the sound %s is missing from the data folder", path)
        raise Http404
    return send(request, whole, "audio/flac", seconds=3600)
