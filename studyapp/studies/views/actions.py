"""The buttons that freeze, open, pause or close a study."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.models import Role, Study
from studyapp.studies.services import lifecycle
from studyapp.studies.views.access import study_for

STUDY_ACTIONS: dict[str, Callable[[Study], Study]] = {
    "freeze": lifecycle.freeze,
    "open": lifecycle.open_study,
    "pause": lifecycle.pause,
    "close": lifecycle.close,
}


@require_POST
def delete_study(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Delete a study that nobody took part in."""
    study = study_for(request, slug, version, Role.EDITOR)
    name, project = str(study), study.project
    try:
        lifecycle.delete_empty(study)
    except StudyError as error:
        messages.error(request, f"{error}.")
        return redirect("study", slug=slug, version=version)
    audit.note(user=request.user, action="deleted a study", target=name, project=project)
    messages.success(request, f"{name} was deleted.")
    return redirect("home")


@require_POST
def study_action(request: HttpRequest, slug: str, version: int, action: str) -> HttpResponse:
    """Freeze, open, pause or close."""
    study = study_for(request, slug, version, Role.EDITOR)
    try:
        study = STUDY_ACTIONS[action](study)
        audit.note(user=request.user, action=action, target=study, project=study.project)
        messages.success(request, f"{study} is {study.get_state_display()}.")
    except StudyError as error:
        messages.error(request, f"{error}.")
    return redirect("study", slug=slug, version=version)
