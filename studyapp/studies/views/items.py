"""What a study shows: its features with their sounds and each method's options."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe

from studyapp.core.files import send
from studyapp.core.numbers import whole
from studyapp.models import Role, Study
from studyapp.studies.selectors import items as selectors
from studyapp.studies.services import blinding, consent_facts
from studyapp.studies.views.access import study_for

PAGE = 50


@require_GET
def study_items(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """The study's features in the order of their items, one page at a time."""
    study = _study(request, slug, version)
    start = whole(request.GET.get("from", "")) or 0
    total = selectors.number_of_features(study)
    context = {
        "study": study,
        "features": selectors.shown(study, start, PAGE),
        "total": total,
        "start": start,
        "last": min(start + PAGE, total),
        "before": max(0, start - PAGE),
        "unstated": consent_facts.missing_of(study) if study.state == Study.State.DRAFT else [],
        "later": start + PAGE if start + PAGE < total else 0,
    }
    return render(request, "researcher/study_items.html", context)


@require_safe
def study_sound(request: HttpRequest, slug: str, version: int, sha256: str) -> HttpResponse:
    """One of the study's sounds, as participants hear it."""
    path = selectors.sound(_study(request, slug, version), sha256)
    if not path:
        raise Http404
    return send(request, Path(settings.DATA) / path, "audio/flac")


def _study(request: HttpRequest, slug: str, version: int) -> Study:
    study = study_for(request, slug, version, Role.EDITOR)
    if not blinding.items_may_be_seen(study):
        raise PermissionDenied(f"{study} is under way: its items show what each method says.")
    return study
