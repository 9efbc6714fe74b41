"""Withdrawal, which every page links to, even after the end."""

from __future__ import annotations

from contextlib import suppress

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from studyapp.core.errors import ParticipationError
from studyapp.models import Participation
from studyapp.participation.services import withdrawal
from studyapp.participation.views import visitor
from studyapp.participation.views.endings import ending
from studyapp.participation.views.pages import in_language, redirect_to_current_step, study_context
from studyapp.studies.selectors import studies


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for confirmation, then erase the answers."""
    participation = visitor.participation_of(request, slug)
    if participation is None:
        return ending(request, "lost", study=studies.by_link(slug), status=403)
    if request.method == "POST":
        # Someone who refused gave no data, so there is nothing to erase; their ending page says so.
        with suppress(ParticipationError):
            withdrawal.withdraw(participation=participation)
        return redirect_to_current_step(request, participation, saved=True)
    return in_language(participation.language, _confirmation, request, participation)


def _confirmation(request: HttpRequest, participation: Participation) -> HttpResponse:
    context = study_context(participation.study, participation.language) | {
        "page": "withdraw",
        "participation": participation,
    }
    return render(request, "participant/withdraw.html", context)
