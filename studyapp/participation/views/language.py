"""The choice of language at the foot of every page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from studyapp.participation.services import steps
from studyapp.participation.views import visitor


@login_not_required
@require_POST
def language(request: HttpRequest, slug: str) -> HttpResponse:
    """Continue in another of the study's languages."""
    participation = visitor.participation_of(request, slug)
    if participation is not None:
        steps.choose_language(
            participation=participation, language=request.POST.get("language", "")
        )
    return HttpResponseRedirect(reverse("start", args=[slug]))
