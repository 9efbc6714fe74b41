"""Access to runs."""

from __future__ import annotations

from django.http import Http404, HttpRequest

from studyapp.core.object_access import require
from studyapp.core.permissions import may
from studyapp.models import Role, Run
from studyapp.runs import selectors


def run_for(request: HttpRequest, pk: int, least: Role = Role.VIEWER) -> Run:
    """Return the run if the user has at least that role in its project; otherwise 404 or 403."""
    run = selectors.by_id(pk)
    if run is None or not may(request.user, run.project, Role.VIEWER):
        raise Http404(f"There is no run {pk}.")
    require(request, run.project, least)
    return run
