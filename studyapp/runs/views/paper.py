"""A run's page of the paper's tables and figures, the document itself, and its files."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_http_methods

from studyapp.core import audit
from studyapp.core.errors import RunError
from studyapp.core.files import Report
from studyapp.jobs import selectors as job_selectors
from studyapp.models import Job, Role
from studyapp.runs.services import paper
from studyapp.runs.views.access import run_for


@require_http_methods(["GET", "POST"])
def paper_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the tables and their files; POST makes or remakes them."""
    if request.method == "POST":
        return _ask(request, pk)
    run = run_for(request, pk)
    job = job_selectors.newest(kind=paper.KIND, target=run.pk)
    report = paper.report_of(run)
    context = {
        "run": run,
        "report": report,
        "outdated": report and run.finished_at and report.made_at < run.finished_at,
        "may_have": paper.may_have(run),
        "moving": job is not None and job.state in Job.UNFINISHED,
        "failed": job.error if job is not None and job.state == Job.State.FAILED else "",
    }
    return render(request, "researcher/run_paper.html", context)


def _ask(request: HttpRequest, pk: int) -> HttpResponse:
    run = run_for(request, pk, Role.EDITOR)
    try:
        paper.request_report(run=run)
        audit.note(
            user=request.user, action="asked for the paper's tables of", target=run,
            project=run.project,
        )  # fmt: skip
    except RunError as error:
        messages.error(request, f"{error}.")
    return redirect("run-paper", pk=pk)


@xframe_options_sameorigin
@require_GET
def paper_document(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the page with the tables."""
    return _report(request, pk).document()


@require_GET
def paper_file(request: HttpRequest, pk: int, name: str) -> FileResponse:
    """Send one of the files beside it as a download."""
    return _report(request, pk).download(name)


def _report(request: HttpRequest, pk: int) -> Report:
    report = paper.report_of(run_for(request, pk))
    if report is None:
        raise Http404("These tables have not been made.")
    return report
