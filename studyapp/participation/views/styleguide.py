"""The components shown together, for whoever changes the stylesheet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studyapp.participation.forms import CONFIDENCE

WAVE = "".join(f"M{10 * bar + 5} {50 - bar * 37 % 40}v{2 * (bar * 37 % 40)}" for bar in range(60))
"""A waveform of 60 bars, as the player's script draws one."""


@require_safe
def look(request: HttpRequest) -> HttpResponse:
    """Every component in every state, on one page."""
    return render(request, "look.html", {"confidences": CONFIDENCE, "wave": WAVE})
