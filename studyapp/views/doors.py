"""Runs and studies as the request's user may have them: 404 where they may not look, else 403."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from studyapp.models import Project, Role, Run, Study, StudyPlan
from studyapp.permissions import may
from studyapp.selectors import runs as run_selectors
from studyapp.selectors import study_plans, study_progress
from studyapp.services import results


def run_for(request: HttpRequest, pk: int, least: Role = Role.VIEWER) -> Run:
    """The run, if the user has at least that role in its project."""
    run = run_selectors.by_id(pk)
    if run is None or not may(request.user, run.project, Role.VIEWER):
        raise Http404(f"There is no run {pk}.")
    _check(request, run.project, least)
    return run


def study_for(request: HttpRequest, slug: str, version: int, least: Role = Role.VIEWER) -> Study:
    """The version of a study, if the user has at least that role in its project."""
    study = study_progress.version_of(slug, version)
    if study is None or not may(request.user, study.project, Role.VIEWER):
        raise Http404(f"There is no version {version} of a study {slug}.")
    _check(request, study.project, least)
    return study


def data_for(request: HttpRequest, slug: str, version: int) -> Study:
    """The study whose answers may be read: closed, or unblinded. Else 403: they name the method."""
    study = study_for(request, slug, version)
    if not results.may_be_seen(study):
        raise PermissionDenied(f"{study} is neither closed nor unblinded.")
    return study


def plan_for(request: HttpRequest, pk: int) -> StudyPlan:
    """The study in the making, if the user may edit in its project; without one, if it is theirs.

    Nobody else is told that it is there.
    """
    plan = study_plans.by_id(pk)
    own = plan is not None and plan.project is None and plan.created_by_id == request.user.pk
    if plan is None or not (own or may(request.user, plan.project, Role.EDITOR)):
        raise Http404(f"There is no study in the making {pk}.")
    return plan


def _check(request: HttpRequest, project: Project | None, least: Role) -> None:
    if least != Role.VIEWER and not may(request.user, project, least):
        raise PermissionDenied(f"This needs the role {least.label} in the project.")
