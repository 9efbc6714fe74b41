"""All components on one page, for anyone who changes the stylesheet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studyapp.participation.forms.trial import CONFIDENCES
from studyapp.studies.services.stimuli import BARS

WAVE = "".join(f"M{10 * bar + 5} {50 - bar * 37 % 40}v{2 * (bar * 37 % 40)}" for bar in range(BARS))
"""A waveform drawn as the player's script draws it."""


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component in every state."""
    return render(request, "styleguide.html", {"confidences": CONFIDENCES, "wave": WAVE})
