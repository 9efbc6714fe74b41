"""Previewing a study: a researcher goes through the participants' own pages."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from studyapp.core.errors import StudyError
from studyapp.models.steps import Step
from studyapp.participation.services import preview as services
from studyapp.participation.views import visitor
from studyapp.participation.views.pages import redirect_to_step_page
from studyapp.studies.views.access import study_for


@require_POST
def preview_study(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Begin a preview at the requested step and redirect there."""
    study = study_for(request, slug, version)
    try:
        begun = services.begin(
            study=study,
            created_by=request.user if request.user.is_authenticated else None,
            step=request.POST.get("step") or Step.CONSENT,
            language=request.POST.get("language", ""),
        )
    except StudyError as error:
        messages.error(request, f"{error}.")
        return redirect("study", slug=slug, version=version)
    response = redirect_to_step_page(begun)
    visitor.remember(response, begun)
    return response
