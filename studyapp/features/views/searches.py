"""Searches that a worker answers: features by meaning, and what fires in a sound of one's own."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from studyapp.core import audit
from studyapp.core.errors import RunError
from studyapp.core.middleware import takes_files
from studyapp.core.permissions import may
from studyapp.features import services
from studyapp.features.selectors import searches as selectors
from studyapp.models import FeatureSearch, Role
from studyapp.runs.views.access import run_for
from studyapp.studies.selectors import feature_lists


@require_POST
def search_words(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for features whose labels or sounds are near to some words."""
    run = run_for(request, pk)
    user = request.user if request.user.is_authenticated else None
    try:
        row = services.ask_words(run=run, words=request.POST.get("words", ""), by=user)
    except RunError as error:
        messages.error(request, f"{error}.")
        return redirect("features", pk)
    return redirect("feature-search", pk, row.pk)


@takes_files
@require_POST
def search_sound(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask which features fire in a sound that is sent along."""
    run = run_for(request, pk, Role.EDITOR)
    user = request.user if request.user.is_authenticated else None
    sent = request.FILES.get("sound")
    try:
        if sent is None:
            raise RunError("no sound was sent: choose a file")
        row = services.ask_sound(run=run, name=str(sent.name), data=sent.read(), by=user)
    except RunError as error:
        messages.error(request, f"{error}.")
        return redirect("features", pk)
    audit.note(user=user, action="sent a sound", target=run, project=run.project)
    return redirect("feature-search", pk, row.pk)


@require_GET
def search_page(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """What a search found; until it has, the page asks again by itself."""
    run = run_for(request, pk)
    row = selectors.by_id(run, number)
    if row is None:
        raise Http404(f"There is no search {number} of run {run.pk}.")
    way = "sound" if request.GET.get("by") == "sound" else "label"
    context: dict[str, Any] = {
        "run": run,
        "search": row,
        "job": selectors.job_of(row),
        "way": way,
        "is_words": row.kind == FeatureSearch.Kind.WORDS,
        "can_edit": may(request.user, run.project, Role.EDITOR),
        "lists": feature_lists.of_run(run),
    }
    if row.found is not None:
        context |= selectors.results(row, way)
    part = bool(getattr(request, "htmx", False)) and not request.headers.get("HX-Boosted")
    name = "search_results" if part else "search"
    response = render(request, f"researcher/{name}.html", context)
    response["Vary"] = "HX-Request"
    return response
