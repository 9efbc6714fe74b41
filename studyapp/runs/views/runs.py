"""Runs: started from a config that is checked while it is typed, watched, compared, imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from studyapp.core import audit
from studyapp.core.errors import RunError
from studyapp.core.middleware import takes_files
from studyapp.core.numbers import whole
from studyapp.core.permissions import may, projects_of, visible
from studyapp.jobs import selectors as job_selectors
from studyapp.models import Job, Role, Run
from studyapp.runs import selectors
from studyapp.runs.forms import ImportForm, RunForm, checked_configs
from studyapp.runs.services import form_fields as fields
from studyapp.runs.services import imports as import_services
from studyapp.runs.services import lifecycle as services
from studyapp.runs.services import policy, readiness
from studyapp.runs.services.estimate import estimates_of
from studyapp.runs.services.results import findings as finding_services
from studyapp.runs.services.results import quality
from studyapp.runs.views import findings
from studyapp.runs.views.access import run_for

MAX_COMPARED = 4


@require_GET
def run_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a run: its stages, summaries and excluded tracks; for htmx only its progress."""
    run = run_for(request, pk)
    awaits_findings = finding_services.request(run)
    measuring = quality.newest(run)
    overview = selectors.overview(run)
    part = bool(getattr(request, "htmx", False))
    if part and request.GET.get("seen", overview.stamp) != overview.stamp:
        return HttpResponseClientRefresh()
    name = "researcher/run_progress.html" if part else "researcher/run.html"
    context = {
        "overview": overview,
        "run": overview.run,
        "can_delete": not part
        and services.is_empty(overview.run)
        and may(request.user, run.project, Role.EDITOR),
        "awaits_findings": awaits_findings,
        "is_measuring": measuring is not None and measuring.state in Job.UNFINISHED,
        "not_measured": measuring.error
        if measuring and measuring.state == Job.State.FAILED
        else "",
        "may_measure": quality.may_have(run) and may(request.user, run.project, Role.EDITOR),
        "steered": not part and selectors.is_steered(run),
        "found": {} if part else findings.page(overview.findings, whole="all" in request.GET),
        "others": visible(request.user, selectors.finished()).exclude(pk=pk)[:20],
    }
    return render(request, name, context)


@takes_files
@require_http_methods(["GET", "POST"])
def new_run(request: HttpRequest) -> HttpResponse:
    """Start a run from a new config or from a copy of another run's."""
    _check_may_start(request)
    initial = _like(request) if request.method == "GET" else {}
    form = RunForm(request.POST or None, request.FILES or None, user=request.user, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        user = request.user if request.user.is_authenticated else None
        try:
            runs = services.start_runs(
                name=data["name"],
                configs=data["configs"],
                created_by=user,
                project=data["project"],
            )
        except RunError as error:
            form.add_error(None, str(error))
        else:
            return _started(request, runs)
    status = 422 if form.errors else 200
    return _new_run(request, form, ImportForm(projects=projects_of(request.user)), status)


def _started(request: HttpRequest, runs: list[Run]) -> HttpResponse:
    for run in runs:
        audit.note(user=request.user, action="started", target=run, project=run.project)
    if len(runs) == 1:
        return redirect("run", pk=runs[0].pk)
    messages.success(request, f"{len(runs)} runs have been started.")
    return redirect("home")


@require_POST
def check_config(request: HttpRequest) -> HttpResponse:
    """Check a config while it is typed: show its error or its estimate, and its fields.

    A page that has just been `loaded` has the fields of its config already.
    """
    _check_may_start(request)
    text = request.POST.get("config", "")
    context = _assessment(request, text)
    if not context.get("unreadable") and "loaded" not in request.GET:
        context["sections"] = _sections(request, fields.read(text))
    return render(request, "researcher/run_checked.html", context)


@require_POST
def fill_config(request: HttpRequest) -> HttpResponse:
    """Check a config whose fields were edited, and show the resulting text."""
    _check_may_start(request)
    given = request.POST.get("config", "")
    try:
        text = fields.written(given, request.POST)
    except RunError as error:
        return render(request, "researcher/run_estimate.html", {"fault": str(error)})
    return render(
        request, "researcher/run_checked.html", _assessment(request, text) | {"text": text}
    )


def _check_may_start(request: HttpRequest) -> None:
    """Raise `PermissionDenied` if the user may start runs in no project."""
    if not policy.may_start_any(request.user):
        raise PermissionDenied("You are not an editor of any project that may start runs.")


def _like(request: HttpRequest) -> dict[str, Any]:
    """Return the form's first values: a copy of another run, if asked for (`?like=NUMBER`)."""
    number = whole(request.GET.get("like", ""))
    if number is None:
        return {}
    run = run_for(request, number)
    try:
        text = fields.text_of(run.config)
    except RunError as error:
        messages.error(request, f"{error}.")
        return {}
    return {"config": text, "name": selectors.next_name(run.name), "project": run.project_id}


def _sections(request: HttpRequest, config: dict[str, Any]) -> list[Any]:
    """Return the form's fields, with suggestions for administrators or the offered choices."""
    trusted = policy.is_trusted(request.user)
    choices = readiness.choices(config, trusted=trusted)
    if trusted:
        known = selectors.known_places(selectors.all_runs())
        return fields.filled(config, known, choices=choices)
    offered = {
        "corpus.path": policy.corpora(),
        "subject.model": policy.models(),
        "sae.checkpoint": policy.models(),
        "clap.model": policy.clap_models(),
    }
    return fields.filled(config, {}, offered, choices)


def _assessment(request: HttpRequest, text: str) -> dict[str, Any]:
    """Return the context of `run_estimate.html`: nothing to check, the error, or the estimate."""
    if not text.strip():
        return {"empty": True}
    try:
        fields.read(text)
    except RunError as error:
        return {"fault": str(error), "unreadable": True}
    trusted = policy.is_trusted(request.user)
    try:
        configs = checked_configs(text, trusted=trusted)
        lacks = readiness.missing(*configs.values())
        known = visible(request.user, selectors.every_run())
        found = estimates_of(configs, runs=known)
    except RunError as error:
        return {"fault": str(error), "fault_at": fields.at_fault(str(error))}
    if not trusted:
        found["estimate"]["project_budget"] = settings.GEMINI_BUDGET
    facts = selectors.facts(configs.get("", configs))
    return {**found, "lacks": lacks, "facts": facts}


@require_POST
def import_run(request: HttpRequest) -> HttpResponse:
    """Import a run directory on this machine; only administrators may name paths."""
    if not request.user.is_superuser:
        raise PermissionDenied("Only administrators may name a folder on this machine.")
    form = ImportForm(request.POST, projects=projects_of(request.user))
    if form.is_valid():
        data = form.cleaned_data
        try:
            run = import_services.request_import(
                directory=Path(data["directory"]), name=data["name"], project=data["project"]
            )
            audit.note(user=request.user, action="imported", target=run, project=run.project)
            return redirect("run", pk=run.pk)
        except RunError as error:
            form.add_error(None, str(error))
    return _new_run(request, RunForm(user=request.user), form, 422)


def _new_run(request: HttpRequest, form: RunForm, imports: ImportForm, status: int) -> HttpResponse:
    text = str(form["config"].value() or "")
    try:
        config = fields.read(text or fields.written("", request.POST))
    except RunError:
        config = {}
    sections = _sections(request, config)
    context = {"form": form, "imports": imports, "text": text, "sections": sections}
    return render(request, "researcher/run_new.html", context, status=status)


@require_POST
def queue_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue a run that is new, failed or stopped; results of finished stages are kept."""
    run = run_for(request, pk, Role.EDITOR)
    try:
        services.restart_run(run=run, by=request.user)
        audit.note(user=request.user, action="queued", target=run, project=run.project)
    except RunError as error:
        messages.error(request, f"{error}.")
    return redirect("run", pk=run.pk)


@require_POST
def redo_stage(request: HttpRequest, pk: int, stage: str) -> HttpResponse:
    """Re-run a finished stage and the stages after it."""
    run = run_for(request, pk, Role.EDITOR)
    try:
        services.redo_stage(run=run, stage=stage, by=request.user)
        what = f"re-ran {stage}"
        audit.note(user=request.user, action=what, target=run, project=run.project)
    except RunError as error:
        messages.error(request, f"{error}.")
    return redirect("run", pk=run.pk)


@require_POST
def measure_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a worker measure what the subject loses with each SAE of a finished run."""
    run = run_for(request, pk, Role.EDITOR)
    try:
        quality.request(run=run, by=request.user)
        what = "had the SAEs measured of"
        audit.note(user=request.user, action=what, target=run, project=run.project)
    except RunError as error:
        messages.error(request, f"{error}.")
    return redirect("run", pk=run.pk)


@require_POST
def stop_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a queued or running run."""
    run = run_for(request, pk, Role.EDITOR)
    try:
        services.stop_run(run=run)
        audit.note(user=request.user, action="stopped", target=run, project=run.project)
    except RunError as error:
        messages.error(request, f"{error}.")
    return redirect("run", pk=run.pk)


@require_POST
def delete_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a run that has no features."""
    run = run_for(request, pk, Role.EDITOR)
    try:
        services.delete_empty(run=run)
    except RunError as error:
        messages.error(request, f"{error}.")
        return redirect("run", pk=pk)
    audit.note(user=request.user, action="deleted a run", target=run, project=run.project)
    messages.success(request, f"{run} was deleted.")
    return redirect("home")


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Compare runs: where their configs differ, and their outcomes."""
    asked = [whole(pk) for pk in request.GET.getlist("run")]
    numbers = [pk for pk in dict.fromkeys(asked) if pk is not None]
    runs = [run_for(request, pk) for pk in numbers[:MAX_COMPARED]]
    found = {run.name: selectors.findings_of(run) for run in runs}
    context = {"table": selectors.comparison(runs), "found": findings.comparison(found)}
    return render(request, "researcher/compare.html", context)


@require_GET
def queues(request: HttpRequest) -> HttpResponse:
    """Show waiting, running and failed jobs by queue, to administrators only."""
    if not request.user.is_superuser:
        raise PermissionDenied("The queues are shown to administrators.")
    context = {"depths": job_selectors.depths(), "jobs": job_selectors.recent()}
    return render(request, "researcher/queues.html", context)
