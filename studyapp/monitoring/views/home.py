"""Researchers' pages: runs, studies, exports. HTTP only; behind a login."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from studyapp import exports
from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.permissions import projects_of, visible
from studyapp.models import Role, Study
from studyapp.runs import selectors as run_selectors
from studyapp.studies.selectors import progress
from studyapp.studies.services import lifecycle as study_services
from studyapp.studies.views.access import data_for, study_for
from studyapp.wizard import selectors as study_plans

STUDY_ACTIONS: dict[str, Callable[[Study], Study]] = {
    "freeze": study_services.freeze,
    "open": study_services.open_study,
    "pause": study_services.pause,
    "close": study_services.close,
}


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """All runs and all studies."""
    user = request.user
    context = {
        "runs": visible(user, run_selectors.all_runs()),
        "studies": visible(user, progress.all_studies()),
        "plans": study_plans.unfinished(
            created_by=user.pk or 0, projects=projects_of(user, Role.EDITOR)
        ),
    }
    return render(request, "researcher/home.html", context)


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


@require_GET
def responses_csv(request: HttpRequest, slug: str, version: int) -> StreamingHttpResponse:
    """`responses.csv`, streamed; with `?for=spreadsheet` no text of it is taken for a formula."""
    study = data_for(request, slug, version)
    safe = request.GET.get("for") == "spreadsheet"
    rows = exports.responses_as_csv(study, safe=safe)
    response = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    suffix = ".spreadsheet" if safe else ""
    name = f"{study.slug}-v{study.version}-responses{suffix}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    audit.note(user=request.user, action="exported", target=study, project=study.project, file=name)
    return response


@require_GET
def export_zip(request: HttpRequest, slug: str, version: int) -> StreamingHttpResponse:
    """The whole export as a zip file, streamed; `parquet`, `spreadsheet`, `psych_ds` add to it."""
    study = data_for(request, slug, version)
    name = f"{study.slug}-v{study.version}.zip"
    asked = {form: form in request.GET for form in ("parquet", "spreadsheet", "psych_ds")}
    audit.note(user=request.user, action="exported", target=study, project=study.project, file=name)
    pieces = exports.zip_study(study, exports.Forms(**asked))
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
