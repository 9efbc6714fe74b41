"""Pages of a study's report: the page around it, the document itself, and its files."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_http_methods

from studyapp.core import audit
from studyapp.core.files import Report
from studyapp.jobs import selectors as job_selectors
from studyapp.models import Job, Role
from studyapp.results import services as results
from studyapp.studies.services import blinding
from studyapp.studies.views.access import study_for


@require_http_methods(["GET", "POST"])
def results_page(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the report and its files; POST creates or recreates it."""
    if request.method == "POST":
        return _ask(request, slug, version)
    study = study_for(request, slug, version)
    job = job_selectors.newest(kind=results.KIND, target=study.pk)
    context = {
        "study": study,
        "report": results.report_of(study),
        "may_be_seen": blinding.may_be_seen(study),
        "moving": job is not None and job.state in Job.UNFINISHED,
        "failed": job.error if job is not None and job.state == Job.State.FAILED else "",
    }
    return render(request, "researcher/results.html", context)


def _ask(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    study = study_for(request, slug, version, Role.EDITOR)
    try:
        results.request_report(study=study)
        audit.note(user=request.user, action="asked for the report of", target=study,
                   project=study.project)  # fmt: skip
    except results.ReportError as error:
        messages.error(request, f"{error}.")
    return redirect("results", slug=slug, version=version)


@xframe_options_sameorigin
@require_GET
def report_document(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Send `report.html`."""
    return _report(request, slug, version).document()


@require_GET
def report_file(request: HttpRequest, slug: str, version: int, name: str) -> FileResponse:
    """Send one of the files beside the page as a download."""
    return _report(request, slug, version).download(name)


def _report(request: HttpRequest, slug: str, version: int) -> Report:
    report = results.report_of(study_for(request, slug, version))
    if report is None:
        raise Http404("There is no report.")
    return report
