"""The page of the paper's tables and figures, of a run or of several runs of a project together,
the document itself, and its files."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_http_methods

from studyapp.accounts.views.access import project_for
from studyapp.core import audit
from studyapp.core.errors import RunError
from studyapp.core.files import Report
from studyapp.core.numbers import whole
from studyapp.core.permissions import may
from studyapp.jobs import selectors as job_selectors
from studyapp.models import Job, Role
from studyapp.runs.services.results import paper
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


@require_http_methods(["GET", "POST"])
def joined_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the tables of several runs of a project, and which runs; POST joins those chosen."""
    if request.method == "POST":
        return _ask_to_join(request, pk)
    project = project_for(request, pk)
    job = job_selectors.newest(kind=paper.JOINED_KIND, target=project.pk)
    chosen = set(paper.chosen_of(project).values_list("pk", flat=True))
    runs = list(paper.joinable(project))
    context = {
        "project": project,
        "report": paper.report_of_joined(project),
        "runs": [(run, run.pk in chosen) for run in runs],
        "may_join": may(request.user, project, Role.EDITOR) and len(runs) > 1,
        "moving": job is not None and job.state in Job.UNFINISHED,
        "failed": job.error if job is not None and job.state == Job.State.FAILED else "",
    }
    return render(request, "researcher/joined_paper.html", context)


def _ask_to_join(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_for(request, pk, Role.EDITOR)
    numbers = [whole(given) for given in request.POST.getlist("run")]
    try:
        paper.request_joined(project=project, runs=[n for n in numbers if n is not None])
        audit.note(
            user=request.user, action="asked for the paper's tables of", target=project,
            project=project, runs=", ".join(str(run) for run in paper.chosen_of(project)),
        )  # fmt: skip
    except RunError as error:
        messages.error(request, f"{error}.")
    return redirect("joined-paper", pk=pk)


@xframe_options_sameorigin
@require_GET
def joined_document(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the page with the tables of several runs."""
    return _joined_report(request, pk).document()


@require_GET
def joined_file(request: HttpRequest, pk: int, name: str) -> FileResponse:
    """Send one of the files beside it as a download."""
    return _joined_report(request, pk).download(name)


def _joined_report(request: HttpRequest, pk: int) -> Report:
    report = paper.report_of_joined(project_for(request, pk))
    if report is None:
        raise Http404("These tables have not been made.")
    return report
